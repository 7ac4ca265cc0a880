package main

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/secretflags"
)

// Parent and child exchange gob streams: requests on the child's stdin, the
// child's reports on descriptor 3. The end of the child's stdin tells it that
// the parent is done, or gone.

// setup is the first thing that a child is told.
type setup struct {
	Me          int // index into Nodes
	Nodes       []nodeid.ID
	Dir         string // the child's own; it removes it when it ends
	Groups      int
	NoSync      bool
	FullHistory bool
	Shared      bool // the shared log, not the original's layout
	// BatchCountMax is Options.Batch.CountMax: 1 means no batching.
	BatchCountMax int
	BatchDelay    time.Duration
	LogInstances  int
	AllocProfile  string            // file to write, "" for none
	Secret        secretflags.Flags // the child reads the file itself
}

// request asks a child for one thing. Exactly one field is set.
type request struct {
	Prime bool          // propose once in every group
	Load  *load         // start callers; they go on until End
	Stall time.Duration // let the log's writes stand still for so long, from now on
	Begin bool          // the measured time begins
	End   bool          // it ends: counters at once, the outcome when the callers have ended
}

// load is what the callers of one node do.
type load struct {
	Node       int // number of the node
	Callers    int
	ValueBytes int
	Rate       float64 // operations a second of this node, 0 for a closed loop
	CPUProfile string  // file to write, "" for none
}

// report is one frame from a child. Exactly one field is set.
type report struct {
	Ready    bool // the node runs
	Primed   bool
	Failed   string    // the node cannot start, or something failed for good
	Counters *counters // the answer to Begin and the first one to End
	Outcome  *outcome  // the second answer to End, of a node with callers
}

// outcome is what the callers of a node saw in the measured time.
type outcome struct {
	Took       time.Duration // how long it was
	Completed  int64         // operations that ended within it
	Unfinished int64         // operations that began in it and were given up
	Histogram  []byte        // latencies of those that began in it
}
