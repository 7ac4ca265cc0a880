package group

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// errResults: how many entries a state machine has executed cannot be told,
// so going on could leave one out or repeat one. The group stops.
var errResults = errors.New("state machine broke the contract of ExecuteBatch")

// many executes entries that one call of their state machine takes. What it
// uses for a call it uses again for the next.
type many struct {
	entries []sm.Entry
	results [][]byte
}

// run is what execute may execute: the entry at first, and those right behind
// it and before end that are for the same state machine.
type run struct {
	entries    []wire.BatchEntry // all of the instance
	first, end int
	group      int
	instance   uint64
	replay     bool
	discard    bool // nobody waits for the results
}

// execute returns a result for each entry that was executed, also with an
// error. They are valid until forget is called.
func (b *many) execute(m sm.StateMachine, r run) ([][]byte, error) {
	id := r.entries[r.first].SM
	b.entries, b.results = b.entries[:0], b.results[:0]
	batch, ok := m.(sm.BatchExecutor)
	if !ok {
		result, err := m.Execute(sm.Entry{Group: r.group, Instance: r.instance, Index: r.first,
			Last: r.last(r.first), Replay: r.replay, Discard: r.discard, Value: r.entries[r.first].Value})
		if err == nil {
			b.results = append(b.results, result)
		}
		return b.results, err
	}
	for i := r.first; i < r.end && r.entries[i].SM == id; i++ {
		b.entries = append(b.entries, sm.Entry{Group: r.group, Instance: r.instance, Index: i, Replay: r.replay, Discard: r.discard, Value: r.entries[i].Value})
	}
	b.entries[len(b.entries)-1].Last = r.last(r.first + len(b.entries) - 1)
	results, err := batch.ExecuteBatch(b.entries, b.results)
	b.results = results
	switch n := len(results); {
	case err == nil && n != len(b.entries):
		return nil, fmt.Errorf("%w: state machine %d, instance %d: %d results for %d entries, and no error", errResults, id, r.instance, n, len(b.entries))
	case err != nil && n >= len(b.entries):
		return nil, fmt.Errorf("%w: state machine %d, instance %d: %d results for %d entries, and yet an error: %w", errResults, id, r.instance, n, len(b.entries), err)
	}
	return results, err
}

// forget drops what was executed, so that it is not kept in memory.
func (b *many) forget() {
	clear(b.entries)
	clear(b.results)
}

// last reports whether no later entry of the instance is for the same state
// machine as entry i. Batches are mostly for one, so the search ends at once.
func (r *run) last(i int) bool {
	for _, e := range r.entries[i+1:] {
		if e.SM == r.entries[i].SM {
			return false
		}
	}
	return true
}
