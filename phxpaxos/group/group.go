package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Rand is the group's only source of chance; *rand.Rand of math/rand/v2 is one.
type Rand interface{ IntN(n int) int }

// Config says what a group is. All fields without a default must be set.
type Config struct {
	Index      int              // the group's index, on the wire
	Groups     int              // how many groups the node has; divides shared limits
	Me         nodeid.ID        // this node
	Members    paxos.Membership // who votes, unless stored variables say otherwise
	Following  nodeid.ID        // set on a follower: the node that it follows
	LargeMode  bool             // the original's large value mode (spec/protocol.md section 2.3)
	UseMembers bool             // keep the membership in the log (bUseMembership)

	StateMachines       []sm.StateMachine
	ChangeBeforePropose bool // call sm.BeforeProposer
	Rand                Rand
	PacketCRC           bool          // add our CRC-32C to packets
	NoSync              bool          // never ask for a sync (sync switched off)
	SyncInterval        int           // one sync in SyncInterval+1 promises and votes
	BatchCountMax       int           // proposals in one instance; 1 switches batching off
	BatchBytesMax       int           // stop filling a batch at so many bytes
	BatchDelay          time.Duration // wait so long for a second proposal to be joined by more
	ValueBytesMax       int           // largest value with its 4-byte prefix
}

// Group is one replicated log's life on one node. It is not safe for
// concurrent use: one goroutine owns it. Time moves only by Tick.
type Group struct{}

// Open reads what the log holds, executes what the state machines have not
// seen, and returns the group at its current instance. It may take long;
// now is the clock's reading.
func Open(cfg Config, env Env, now time.Duration) (*Group, error) { panic("being written") }

// Propose takes a proposal; it comes back by Env.Finish.
func (g *Group) Propose(t *Ticket) {}

// Cancel ends a ticket early with err, if it has not been finished yet. What was
// handed out already may still be chosen.
func (g *Group) Cancel(t *Ticket, err error) {}

// Receive takes a packet from a peer. Malformed ones are counted and dropped.
// The group keeps references to packet.
func (g *Group) Receive(packet []byte) {}

// Saved tells that every Save up to seq is on disk.
func (g *Group) Saved(seq uint64) {}

// SaveFailed tells that the Saves from seq on are not on disk. The group stops.
func (g *Group) SaveFailed(seq uint64, err error) {}

// Tick moves the group's clock and fires what is due.
func (g *Group) Tick(now time.Duration) {}

// Deadline is when Tick has to be called at the latest.
func (g *Group) Deadline() time.Duration { return 0 }

// Flush hands out everything that the inputs since the last Flush caused:
// saves, packets, executed entries, finished tickets.
func (g *Group) Flush() {}

// Close finishes every ticket with ErrClosed.
func (g *Group) Close() {}

// Instance is the current, undecided instance; all below are executed.
func (g *Group) Instance() uint64 { return 0 }

// Readable is the instance below which every record can be read from the
// storage in its final form.
func (g *Group) Readable() uint64 { return 0 }

// MinChosen is the lowest instance that the log keeps.
func (g *Group) MinChosen() uint64 { return 0 }

// Err is why the group stopped, or nil; it matches ErrGroupFailed.
func (g *Group) Err() error { return nil }

// AddStateMachine registers another state machine; a second one with the same
// id is ignored and false returned.
func (g *Group) AddStateMachine(m sm.StateMachine) bool { return false }

// SetSync changes NoSync and SyncInterval.
func (g *Group) SetSync(sync bool, interval int) {}

// SetBatch changes the batch limits.
func (g *Group) SetBatch(countMax, bytesMax int, delay time.Duration) {}
