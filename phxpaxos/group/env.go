package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Env is the outside world of one group. The real node, the simulator and the
// tests each bring one.
//
// Save is only called from within Group.Flush, Finish from there and from
// Group.HandBack; they and Send return at once and do not call the group back. The other methods may be
// called from within any method of the group and may block on the disk.
type Env interface {
	// Buffer returns an empty slice with room for so many bytes, for the Data
	// of the next Save. It is the driver's again once that is saved.
	Buffer(size int) []byte

	// Save asks for a record to be written behind all earlier ones of this
	// group. Group.Saved(s.Seq), or Group.SaveFailed, has to follow later, in
	// the order of the calls; Saved(n) stands for every Save up to n.
	Save(s Save)

	// Send hands a packet to the network. stream asks for a connection, else
	// the cheapest road will do. The packet may be given to several peers and
	// must not be modified.
	Send(to nodeid.ID, packet []byte, stream bool)

	// Finish returns a ticket with its outcome filled in. The group does not
	// touch it any more.
	Finish(t *Ticket)

	// Read returns the newest saved record of an instance; ok is false if
	// there is none. The group asks only for what it was told is saved.
	Read(instance uint64) (data []byte, ok bool, err error)

	// Max returns the highest instance that has a record; ok is false if
	// there is none.
	Max() (instance uint64, ok bool, err error)

	// Variable and SetVariable read and durably write a small variable.
	Variable(name Variable) (value []byte, ok bool, err error)
	SetVariable(name Variable, value []byte) error

	// Do has some work with files done outside of the group, and returns at
	// once. Group.JobDone has to follow with the outcome where the kind of the
	// job says so. Jobs that write (see JobKind) are done one after the other;
	// sending goes on beside them.
	Do(j Job)

	// Observe reports an event; the group's index is filled in.
	Observe(e event.Event)
}

// Variable names a small durable value of a group.
type Variable uint8

const (
	MinChosen       Variable = iota // lowest instance kept, 8 bytes little-endian
	SystemVariables                 // membership and cluster id
	MasterVariables                 // the last known master
	Ledger                          // which state machines have had entries, see package ledger
	Newcomer                        // there as long as this node may not vote; setting it to nothing removes it
	Features                        // state of package feature; written by the node's first group, and read by the driver for Config.Features
)

// Save is one record on its way to the disk.
type Save struct {
	Seq      uint64 // 1, 2, 3 … per group
	Instance uint64
	Data     []byte // the serialized record, from Env.Buffer
	Sync     bool   // must be durable when Saved is called; else written is enough
}

// Ticket is one proposal on its way through a group. The driver fills in the
// upper part, Group.Propose takes it over, and Env.Finish brings it back with
// the lower part filled in.
type Ticket struct {
	SM       sm.ID
	Value    []byte        // not modified until finished
	Deadline time.Duration // on the group's clock, 0 for none
	Attempts int           // give up with ErrConflict after so many lost instances, 0 for never
	Owner    any           // the driver's

	Instance uint64 // where it was chosen
	Index    int    // its place in that instance's batch, from 0
	Result   []byte // what the state machine returned
	Err      error  // nil when it was chosen and executed

	queued   time.Duration // when Propose was called
	done     func(*Ticket) // called instead of Env.Finish; the group's own proposals
	until    time.Duration // a bid: this node's lease if it wins
	version  uint64        // an election: the one that it follows
	lost     int           // instances closed with another value
	early    uint64        // number of the value, sent early, that it is in
	executed bool          // Result and Index are final
}
