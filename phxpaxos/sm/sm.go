// Package sm holds what an application writes: its state machines.
//
// A state machine is executed on every node with the same entries in the same
// order, so equal state machines stay equal. It is all that a state machine
// needs to import, also one that lives in a process of its own. The package
// is promised to users.
package sm

// ID names a state machine within a group. It travels in front of every value
// (spec/protocol.md section 16.1).
type ID int32

// Reserved identifiers (spec/protocol.md section 2.1).
const (
	None   ID = 0         // the value is chosen and kept, and no state machine sees it
	System ID = 100000000 // membership and cluster id
	Master ID = 100000001 // master lease
	Batch  ID = 100000002 // several values in one instance
)

// Reserved reports whether id may not be used by an application.
func (id ID) Reserved() bool { return id >= System && id <= Batch || id == None }

// NoCheckpoint is the checkpoint of a state machine that keeps no durable
// state: it is given every instance again when its node starts.
const NoCheckpoint = ^uint64(0)

// Entry is one value that the group agreed on.
type Entry struct {
	Group    int    // the group that chose it
	Instance uint64 // its instance; the same on every node
	Index    int    // its place among the values of the instance, from 0
	Last     bool   // no further value of this instance follows for this state machine
	Replay   bool   // read from the node's own log, when it starts or after the state machine fell back
	Discard  bool   // nobody waits for the result here, it may be nil; the effect must not depend on this
	Value    []byte // what was proposed; must not be modified, valid until Execute returns
}

// StateMachine is executed by one goroutine of its group at a time. One that
// is registered in several groups is called by all of their goroutines at
// once.
//
// Execute applies e and returns what Propose gives back on the node that
// proposed it; elsewhere the result is dropped. It must depend on nothing but
// the state and e. An error means "try again, this node is in trouble": the
// group waits and calls again with the same entry, and nothing behind it is
// executed meanwhile. A refusal by the application is a result, not an error.
//
// After a crash entries behind the state machine's checkpoint come again, so
// a durable state machine has to remember how far it got (see Checkpointer).
type StateMachine interface {
	ID() ID
	Execute(e Entry) (result []byte, err error)
}

// BatchExecutor is implemented by a state machine for which one call with many
// entries is cheaper than many calls, such as one in another process or one
// that syncs. ExecuteBatch is then called instead of Execute.
//
// It executes entries, all of one group and one instance, in their order, and
// appends one result for each that it executed to results[:0]. With an error
// it returns the results of those before the one that failed; they count as
// executed and are not given again, the rest is.
type BatchExecutor interface {
	ExecuteBatch(entries []Entry, results [][]byte) ([][]byte, error)
}

// BeforeProposer is implemented by a state machine that may replace a value
// just before it is proposed, on the proposing node (only with
// Options.ChangeValueBeforePropose). It returns the value to propose.
type BeforeProposer interface {
	BeforePropose(group int, value []byte) []byte
}
