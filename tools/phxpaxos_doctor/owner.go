package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

// OwnerReport is what a directory says of itself.
type OwnerReport struct {
	Node        string `json:"node"`
	Cluster     string `json:"cluster"` // in hexadecimal, or "none"
	Groups      int    `json:"groups"`
	Layout      string `json:"layout"`
	Directory   string `json:"directory"` // in hexadecimal
	Incarnation uint64 `json:"incarnation"`
}

// checkOwner reads whose log it is and compares that with what is there. A
// node refuses to start on what it finds wrong here, but no record is bad.
func (r *Report) checkOwner(dir string) error {
	dir = filepath.ToSlash(dir)
	found := func(s Severity, check, file, format string, args ...any) {
		r.Findings = append(r.Findings, Finding{Severity: s, Check: check, File: file, Text: fmt.Sprintf(format, args...)})
	}
	id, err := identity.Load(osfs.FS{}, dir)
	if s, known := severityOf(err); known {
		found(s, checkOf(s, "identity"), identity.FileName, "%v", err)
	} else if err != nil {
		return err
	}
	directory := uint64(0)
	if id != nil {
		directory = id.Directory
		r.Owner = &OwnerReport{
			Node: id.Node.String(), Cluster: id.Cluster.String(), Groups: id.Groups, Layout: id.Layout,
			Directory: fmt.Sprintf("%016x", id.Directory), Incarnation: id.Incarnation,
		}
		if id.Layout != r.Layout {
			found(Suspicious, "identity", identity.FileName, "the log was recorded in the %s layout and is in the %s layout: it may be another one", id.Layout, r.Layout)
		}
		if n := len(r.Groups); n > id.Groups {
			found(Suspicious, "identity", identity.FileName, "%d groups were recorded, and there are %d", id.Groups, n)
		}
	}
	places := identity.Places(r.Layout, len(r.Groups))
	if len(places) == 0 {
		return nil
	}
	stamps, err := identity.LoadStamps(osfs.FS{}, dir, places)
	if s, known := severityOf(err); known {
		found(s, checkOf(s, "stamp"), "", "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	want := identity.Stamps(r.Layout, len(r.Groups), directory)
	if _, _, err := identity.CheckStamps(places, stamps, want, id != nil, false); err != nil {
		found(Suspicious, "stamp", "", "%v", err)
	}
	return nil
}

// severityOf is what a file that cannot be read means; known is false for an
// error of the disk. A file of a newer version is whole.
func severityOf(err error) (s Severity, known bool) {
	switch {
	case errors.Is(err, storage.ErrNewerFormat):
		return Newer, true
	case errors.Is(err, storage.ErrDamaged):
		return Damaged, true
	}
	return Note, false
}

// checkOf is the check of a finding: newer formats have one of their own.
func checkOf(s Severity, check string) string {
	if s == Newer {
		return "format"
	}
	return check
}
