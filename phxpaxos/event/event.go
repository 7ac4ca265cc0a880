// Package event is the one record of what happens inside a node: every layer
// reports the same small value, and logs, metrics and counters are made from
// it, so that they cannot disagree. The package is promised to users.
//
// The kinds are the original's breakpoints (spec/storage-api.md section 8)
// under today's names, and the additions of this library behind them.
package event

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Event is one thing that happened. Fields that a kind does not use are zero.
type Event struct {
	Kind     Kind
	Group    int           // -1 when no group is concerned
	Instance uint64        //
	Peer     nodeid.ID     // the other node
	Number   uint64        // of a ballot, or another count that the kind names
	Size     int           // bytes, or entries of a batch
	Took     time.Duration // how long it took
	Err      error         // why
}

// Observer is told of events. Observe is called by many goroutines, often on
// the hot path: it must be quick and must not block or call the node.
type Observer interface {
	Observe(Event)
}

// Func lets an ordinary function be an Observer.
type Func func(Event)

// Observe calls f.
func (f Func) Observe(e Event) { f(e) }
