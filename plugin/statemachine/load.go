package statemachine

import (
	"context"
	"io"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Machine is a state machine in a process of its own. It is for one node at a
// time, in any of its groups. If a node is opened again with the same Machine,
// the process is started again, too. All methods are safe for concurrent use.
type Machine interface {
	sm.StateMachine
	sm.BatchExecutor
	sm.Rewinder

	// Query reads the state of a group beside the log, by a call of the
	// process's Querier. It blocks while there is no process, or one that has
	// not yet been given again what a former one had executed; so it sees at
	// least everything that was executed here before the call. It ends with
	// ctx, with an error of the Querier as text, or with ErrClosed.
	Query(ctx context.Context, group int, request []byte) ([]byte, error)

	// Close ends the process and blocks until it is gone. Close the node first.
	io.Closer
}

// Load starts the program at path, which has to call Serve, and returns its
// state machine. What it returns implements sm.Checkpointer, sm.Snapshotter
// and sm.BeforeProposer if the state machine that the program serves does.
// path is looked for in PATH if it has no slash.
//
// It blocks until the program can be called. From then on a process that ends,
// hangs or answers nonsense is replaced by another one; see the package
// documentation. Close ends it.
func Load(path string, opts Options) (Machine, error) {
	h, err := start(path, opts)
	if err != nil {
		return nil, err
	}
	return h.shaped(), nil
}

// Shapes: a group finds out by assertion what a state machine can do, so there
// is one type for each combination.
type (
	plain struct{ hidden }

	checkpointing struct{ hidden }
	snapshotting  struct{ checkpointing }

	changing              struct{ hidden }
	checkpointingChanging struct{ checkpointing }
	snapshottingChanging  struct{ snapshotting }

	// hidden offers nothing that is optional.
	hidden struct {
		Machine
		h *host
	}
)

func (c checkpointing) CheckpointInstance(group int) uint64 { return c.h.CheckpointInstance(group) }

func (s snapshotting) Snapshot(group int) (sm.Snapshot, error) { return s.h.Snapshot(group) }
func (s snapshotting) LoadSnapshot(group int, snapshot sm.Snapshot) error {
	return s.h.LoadSnapshot(group, snapshot)
}

func (c changing) BeforePropose(group int, value []byte) []byte {
	return c.h.BeforePropose(group, value)
}

func (c checkpointingChanging) BeforePropose(group int, value []byte) []byte {
	return c.h.BeforePropose(group, value)
}

func (s snapshottingChanging) BeforePropose(group int, value []byte) []byte {
	return s.h.BeforePropose(group, value)
}

// shaped is the host as a state machine that can do what the process can.
func (h *host) shaped() Machine {
	m := hidden{h, h}
	switch d := h.desc; {
	case d.Snapshots && d.BeforePropose:
		return snapshottingChanging{snapshotting{checkpointing{m}}}
	case d.Snapshots:
		return snapshotting{checkpointing{m}}
	case d.Checkpoints && d.BeforePropose:
		return checkpointingChanging{checkpointing{m}}
	case d.Checkpoints:
		return checkpointing{m}
	case d.BeforePropose:
		return changing{m}
	}
	return plain{m}
}
