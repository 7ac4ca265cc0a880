package group

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// errResults: how many entries a state machine has executed cannot be told,
// so going on could leave one out or repeat one. The group stops.
var errResults = errors.New("state machine broke the contract of ExecuteBatch")

// many is what stepMany uses again for every call.
type many struct {
	entries []sm.Entry
	results [][]byte
}

// stepMany executes, with one call, the next entry and those right behind it
// that are for the same state machine.
func (x *executor) stepMany(g *Group, m sm.BatchExecutor, instance uint64, replay bool) error {
	first, id := x.next, x.entries[x.next].SM
	entries := x.many.entries[:0]
	for i := first; i < len(x.entries) && x.entries[i].SM == id; i++ {
		entries = append(entries, sm.Entry{Group: g.cfg.Index, Instance: instance, Index: i, Replay: replay, Value: x.entries[i].Value})
	}
	entries[len(entries)-1].Last = x.last(first + len(entries) - 1)
	results, err := m.ExecuteBatch(entries, x.many.results[:0])
	x.many.entries, x.many.results = entries, results
	switch n := len(results); {
	case err == nil && n != len(entries):
		err = fmt.Errorf("%w: state machine %d, instance %d: %d results for %d entries, and no error", errResults, id, instance, n, len(entries))
	case err != nil && n >= len(entries):
		err = fmt.Errorf("%w: state machine %d, instance %d: %d results for %d entries, and yet an error: %w", errResults, id, instance, n, len(entries), err)
	default:
		for _, result := range results {
			x.done(g, instance, result, nil)
		}
	}
	clear(entries) // what is not needed any more must not be kept in memory
	clear(results)
	return err
}
