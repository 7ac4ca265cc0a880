package main

import (
	"fmt"
	"strings"
)

// Severity says what a finding means for the directory.
type Severity int

// Severities, in rising order.
const (
	Note       Severity = iota // worth knowing, nothing is wrong
	Suspicious                 // a node repairs it or lives with it; look at it
	Newer                      // a newer version wrote it: it cannot be judged
	Damaged                    // something that was written is gone or not what it was
)

var severityNames = [...]string{"note", "suspicious", "newer", "damaged"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing that the doctor noticed. What is nil does not apply.
type Finding struct {
	Severity Severity `json:"severity"`
	Check    string   `json:"check"`           // what was looked at: see doc.go
	Group    *int     `json:"group,omitempty"` // nil: several groups
	File     string   `json:"file,omitempty"`  // below the storage directory
	Offset   *int64   `json:"offset,omitempty"`
	Instance *uint64  `json:"instance,omitempty"`
	Text     string   `json:"text"`
}

// Where names the place of the finding.
func (f Finding) Where() string {
	var parts []string
	if f.File != "" {
		parts = append(parts, f.File)
	} else if f.Group != nil {
		parts = append(parts, fmt.Sprintf("g%d", *f.Group))
	}
	if f.Offset != nil {
		parts = append(parts, fmt.Sprintf("offset %d", *f.Offset))
	}
	if f.Instance != nil {
		parts = append(parts, fmt.Sprintf("instance %d", *f.Instance))
	}
	return strings.Join(parts, " ")
}

// Checksums counts the records by what vouches for their bytes.
type Checksums struct {
	Full    uint64 `json:"crc32c"`  // every byte, by the sidecar
	Sampled uint64 `json:"sampled"` // every 8th byte, by the index
	None    uint64 `json:"none"`    // none: replaced by a newer record, trimmed, or not indexed yet
	Chained uint64 `json:"chained"` // values that continue the chain of values
}

// GroupReport is what was found in one group.
type GroupReport struct {
	Group     int       `json:"group"`
	First     *uint64   `json:"first_instance,omitempty"`
	Last      *uint64   `json:"last_instance,omitempty"`
	Instances uint64    `json:"instances"` // that a node can read
	Records   uint64    `json:"records"`   // in the value files
	ToBeIndex uint64    `json:"to_index"`  // that the next start puts into the index
	Bytes     int64     `json:"bytes"`     // of records
	Files     []int     `json:"files"`     // value files
	Checksums Checksums `json:"checksums"`

	Original  bool     `json:"original_was_here"` // an original node has written here
	Closed    bool     `json:"closed"`            // the store was closed in order
	MinChosen uint64   `json:"min_chosen"`
	Promised  string   `json:"promised,omitempty"` // the highest promise
	Cluster   uint64   `json:"cluster"`
	Members   []string `json:"members"`
	MembersAt *uint64  `json:"members_version,omitempty"`
	Master    string   `json:"master,omitempty"`
	MasterAt  *uint64  `json:"master_version,omitempty"`

	Findings []Finding         `json:"findings"`
	More     map[string]uint64 `json:"more,omitempty"` // findings of a check beyond the limit
}

// Report is what was found in a storage directory.
type Report struct {
	Dir      string         `json:"dir"`
	Layout   string         `json:"layout"`          // original or shared
	Verdict  string         `json:"verdict"`         // healthy, suspicious, newer or damaged
	Owner    *OwnerReport   `json:"owner,omitempty"` // nil: the directory does not say
	Groups   []*GroupReport `json:"groups"`
	Findings []Finding      `json:"findings"` // of several groups

	worst Severity
}

// Exit codes.
const (
	exitHealthy    = 0
	exitDamaged    = 1
	exitNoVerdict  = 2
	exitSuspicious = 3
)

// conclude sets the verdict.
func (r *Report) conclude() {
	r.worst = worst(r.Findings)
	for _, g := range r.Groups {
		r.worst = max(r.worst, worst(g.Findings))
	}
	r.Verdict = [...]string{"healthy", "suspicious", "newer", "damaged"}[r.worst]
}

func (r *Report) exitCode() int {
	return [...]int{exitHealthy, exitSuspicious, exitNoVerdict, exitDamaged}[r.worst]
}

func worst(list []Finding) Severity {
	w := Note
	for _, f := range list {
		w = max(w, f.Severity)
	}
	return w
}

// findingsMax bounds the findings of one check in one group: a disk that went
// bad has a million of them, and the first ones tell where.
const findingsMax = 20

// add keeps a finding, or counts it. A worse one than all that were kept is
// kept in any case, so that the verdict does not depend on the order.
func (g *GroupReport) add(f Finding) {
	f.Group = &g.Group
	count, kept := 0, Note
	for _, old := range g.Findings {
		if old.Check == f.Check {
			count++
			kept = max(kept, old.Severity)
		}
	}
	if count >= findingsMax && f.Severity <= kept {
		if g.More == nil {
			g.More = map[string]uint64{}
		}
		g.More[f.Check]++
		return
	}
	g.Findings = append(g.Findings, f)
}

func pointer[T any](v T) *T { return &v }
