package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Rand is the group's only source of chance; *rand.Rand of math/rand/v2 is one.
type Rand interface{ IntN(n int) int }

// nonce is a number that no life of any node has used, as good as certainly;
// it is not 0. Whatever a node numbers and a peer answers or keeps begins at one.
func nonce(chance Rand) uint64 {
	return uint64(chance.IntN(1<<31-1))<<31 | uint64(chance.IntN(1<<31-1)) | 1
}

// Config says what a group is. All fields without a default must be set.
type Config struct {
	Index      int              // the group's index, on the wire
	Groups     int              // how many groups the node has; divides shared limits
	Me         nodeid.ID        // this node
	Members    paxos.Membership // who votes, unless stored variables say otherwise
	Following  nodeid.ID        // set on a follower: the node that it follows
	LargeMode  bool             // the original's large value mode (spec/protocol.md section 2.3)
	UseMembers bool             // keep the membership in the log (bUseMembership)

	// CheckHistory lets a node without a log not vote before it knows that it
	// has nothing to forget; off, it has never run before.
	CheckHistory bool

	FullHistory bool // hash every byte of the history and compare it with peers, whatever the feature level

	UseMaster   bool          // take part in the election of a master
	MasterLease time.Duration // what a bid asks for; at least a second, 0: ten
	Fence       bool          // only the master proposes, and may be read without asking; all nodes must be ours

	Siblings Siblings // set on the one group that carries the node's digests

	// Features is what the variable Features of the node's first group holds;
	// zero if there is none.
	Features feature.State

	StateMachines       []sm.StateMachine
	ChangeBeforePropose bool   // call sm.BeforeProposer
	UseReplayer         bool   // there is a checkpoint replayer, paused at first
	Hold                uint64 // see SetHold
	NoLedger            bool   // the storage cannot keep the variable Ledger: a machine without recent entries holds the log
	KeepForOriginal     bool   // the log has to stay one that an original node can start from
	NoCleaning          bool   // cleaning is paused at first
	Rand                Rand
	PacketCRC           bool          // add our CRC-32C to packets
	NoSync              bool          // never ask for a sync (sync switched off)
	SyncInterval        int           // one sync in SyncInterval+1 promises and votes
	BatchCountMax       int           // proposals in one instance; 1 switches batching off
	BatchBytesMax       int           // stop filling a batch at so many bytes
	BatchDelay          time.Duration // wait so long for a second proposal to be joined by more
	ValueBytesMax       int           // largest value with its 4-byte prefix
	EarlyBytesMin       int           // from how many bytes on a batch is sent before its turn, see SendEarly; 0 for never

	Timing  paxos.Timing  // zero: the original's times for the mode
	Hazards paxos.Hazards // only tests switch safety rules off
}
