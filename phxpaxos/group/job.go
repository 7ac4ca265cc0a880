package group

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// JobKind says what a group wants to be done with files. Nothing of it may
// hold up what is being decided.
type JobKind uint8

const (
	// Jobs that write, done in their order.

	// CleanLog stores durably, as MinChosen, that nothing below Instance is
	// kept, and then lets the storage forget it. JobDone follows.
	CleanLog JobKind = iota + 1
	// KeepLedger stores Ledger durably, as the variable of that name. JobDone
	// follows.
	KeepLedger
	// ReplayLog gives the instances From … Instance-1 to Replay, in order, and
	// stops at the first error. JobDone follows; Instance is then the first
	// one that was not given.
	ReplayLog
	// ReceiveCheckpoint begins a transfer to this node: nothing of an earlier
	// one is left. JobDone follows.
	ReceiveCheckpoint
	// StoreBlock writes Block. JobDone follows, with its sequence.
	StoreBlock
	// FinishCheckpoint makes what came durable. JobDone follows, with Parts.
	FinishCheckpoint
	// DropCheckpoint removes what came.
	DropCheckpoint

	// Jobs that send; each transfer goes on by itself.

	// SendCheckpoint begins a transfer to node To: the snapshots of Machines,
	// as messages in the order of their sequence, up to the one with sequence
	// Through, and Ledger. The checkpoint is of Instance, or earlier if one of
	// Machines is. JobDone follows twice: when the snapshots are there, with
	// Instance and Bytes, and with Ended when all messages are handed out or
	// one cannot be.
	SendCheckpoint
	// SendFurther lets the messages up to sequence Through go.
	SendFurther
	// StopSending ends a transfer early. JobDone still follows, with Ended.
	StopSending
)

// Job is some work. Fields that its kind does not name are zero.
type Job struct {
	Kind     JobKind
	UUID     uint64 // of the transfer, in those of transfers
	From     uint64
	Instance uint64
	Replay   func(instance uint64, record []byte) error
	Block    wire.Checkpoint
	To       nodeid.ID
	Through  uint64
	Header   wire.Header // of the packets
	Machines []sm.StateMachine
	Ledger   []byte
}

// JobResult is how a job went.
type JobResult struct {
	Kind     JobKind
	UUID     uint64
	Sequence uint64
	Instance uint64
	Bytes    int64
	Ended    bool
	Parts    []Part
	Err      error
}

// Part is the snapshot of a state machine that came from another node.
type Part struct {
	SM       sm.ID
	Snapshot sm.Snapshot
}

// JobDone tells the outcome of a job.
func (g *Group) JobDone(r JobResult) {
	if g.err != nil {
		return
	}
	switch r.Kind {
	case CleanLog, KeepLedger:
		g.clean.done(g, &r)
	case ReplayLog:
		g.replayer.done(g, &r)
	case ReceiveCheckpoint, StoreBlock, FinishCheckpoint:
		g.fetch.done(g, &r)
	case SendCheckpoint:
		g.give.done(g, &r)
	}
	g.settle()
}
