package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// violationsMax is how many violations are described.
const violationsMax = 20

// record is what the nodes reported. It is safe for concurrent use.
type record struct {
	mu         sync.Mutex
	acks       []protocol.Ack
	ackedBy    [nodes]int            // acknowledged values, by node
	unknown    map[string]int        // calls without an outcome, by error
	levels     [nodes]protocol.Level // the last that each node reported
	ceiling    phxpaxos.FeatureLevel // no node may report a higher level
	counts     [versions]map[string]uint64
	violations []string
	violated   chan struct{} // closed at the first violation
}

func newRecord() *record {
	r := &record{unknown: make(map[string]int), violated: make(chan struct{})}
	for v := range r.counts {
		r.counts[v] = make(map[string]uint64)
	}
	return r
}

// take takes a report.
func (r *record) take(p *process, report *protocol.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case report.Ack != nil:
		r.acks = append(r.acks, *report.Ack)
		r.ackedBy[p.node]++
	case report.Unknown != "":
		r.unknown[report.Unknown]++
	case report.Fault != "":
		r.violateLocked("node %d (%v): %s", p.node, p.version, report.Fault)
	case report.Level != nil:
		r.levels[p.node] = *report.Level
		if l := phxpaxos.FeatureLevel(report.Level.Level); l > r.ceiling {
			r.violateLocked("node %d uses level %d, when %d is the highest that is allowed", p.node, l, r.ceiling)
		}
	}
}

func (r *record) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violateLocked(format, args...)
}

func (r *record) violateLocked(format string, args ...any) {
	if len(r.violations) == 0 {
		close(r.violated)
	}
	if len(r.violations) < violationsMax {
		r.violations = append(r.violations, fmt.Sprintf(format, args...))
	}
}

// allow sets the highest level that nodes may use from now on.
func (r *record) allow(l phxpaxos.FeatureLevel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ceiling = l
}

func (r *record) acked(node int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ackedBy[node]
}

func (r *record) level(node int) protocol.Level {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.levels[node]
}

// counted adds the events of one life of a node.
func (r *record) counted(v version, counts map[string]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range counts {
		r.counts[v][name] += n
	}
}

// never are the events that no life of a node may count, whatever the versions
// of the others.
var never = []event.Kind{
	event.ChecksumMismatch, event.GroupFailed, event.ExecuteFailed, event.PacketForeignCluster,
	event.PacketMalformed, event.PacketCRC, event.PacketChecksum, event.PacketShort, event.PacketHeaderTooLong,
	event.PacketBadGroup, event.MessageAbsurd, event.RecordDamaged, event.RecordReadFail, event.RecordWriteFail,
	event.AppendFail, event.IndexReadFail, event.IndexWriteFail, event.CheckpointLoadFail, event.PromiseSaveFailed,
	event.AcceptSaveFailed, event.NetTooLarge, event.ValueDiffers, event.HistoryDiffers,
}

// onlyPlain are the events that tell of a member that lacks features in force.
// They do not happen in a procedure that lowers the level first.
var onlyPlain = []event.Kind{event.MemberWithoutFeatures}

// judgeCounts checks the counters of all lives.
func (r *record) judgeCounts(orderly bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := never
	if orderly {
		kinds = slices.Concat(never, onlyPlain)
	}
	for v, counts := range r.counts {
		for _, k := range kinds {
			if n := counts[k.String()]; n > 0 {
				r.violateLocked("nodes of the %v version counted %s %d times", version(v), k, n)
			}
		}
	}
}

// gap returns the longest time between from and to in which a group
// acknowledged nothing.
func gap(acks []protocol.Ack, groups int, from, to time.Time) time.Duration {
	times := make([][]time.Time, groups)
	for _, a := range acks {
		if a.Group < groups && !a.At.Before(from) && a.At.Before(to) {
			times[a.Group] = append(times[a.Group], a.At)
		}
	}
	longest := time.Duration(0)
	for _, t := range times {
		slices.SortFunc(t, time.Time.Compare)
		last := from
		for _, at := range append(t, to) {
			longest = max(longest, at.Sub(last))
			last = at
		}
	}
	return longest
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
