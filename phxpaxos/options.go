package phxpaxos

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// Limits of this package. Each is here with the reason for its number.
const (
	// GroupsMax is the highest Options.GroupCount. An idle group costs a
	// goroutine, a timer and a few KiB; 100 000 of them still start.
	GroupsMax = 100000

	// valueBytesMax is the original's limit on a packet, in the normal and in
	// the large value mode (spec/storage-api.md section 7.2), and
	// packetOverhead what a packet needs around its value: the original takes
	// values that its own network then drops; this library refuses them.
	packetBytesMax      = 10485760
	packetBytesMaxLarge = 52428800
	packetOverhead      = wire.OverheadMax
	valuePrefix         = 4 // the state machine's id in front of a value

	// udpBytesMax is the largest payload of an IPv4 datagram.
	udpBytesMax = 65507

	// A shorter lease would often end before it is renewed; the original
	// ignores it. The longest is a day: nobody waits longer for a dead master.
	masterLeaseMin     = time.Second
	masterLeaseMax     = 24 * time.Hour
	masterLeaseDefault = 10 * time.Second

	// handOverMax is how long Close waits until other nodes have taken over
	// this one's masterships. It takes a few round trips.
	handOverMax = 300 * time.Millisecond

	// holdMin and holdDefault are the original's: with values of 100 bytes, some 200 MB.
	holdMin     = 300
	holdDefault = 1000000
	// checkpointRateMin lets a block of 1 MiB through in time: a receiver gives
	// a transfer up when nothing comes for 5 s.
	checkpointRateMin = 1 << 20
	// checkpointRate leaves room: on three processes that shared a disk and two
	// cores it cost proposals nothing that could be told from noise, while no
	// bound (200 to 340 MB/s) took two thirds of them and more.
	checkpointRate = 64 << 20

	batchCountDefault = 1024    // enough for 1 000 callers to share one instance
	batchCountMax     = 65536   // a list of entries is parsed in one go by every node
	batchBytesDefault = 1 << 20 // 64 KiB records sync in 180 µs: beyond 1 MiB a sync is all transfer

	// Packets that wait for the goroutine of a group: the count is the
	// original's, divided by the number of groups with a floor.
	inboxPackets      = 10240
	inboxPacketsMin   = 1000
	inboxPacketsLarge = 1024
	inboxPacketsLow   = 100
	// inboxBytes is the original's limit per group, 200 MiB. Here the groups
	// share it, but each may always hold two packets of the largest size.
	inboxBytes = 200 << 20

	// writeBytesMax bounds one write of the disk goroutine, so that a small
	// record never waits for more than this much of other groups' data.
	writeBytesMax = 16 << 20

	// unsavedMax bounds the records in memory that wait for the disk: what 5 s
	// bring at the 50 MB/s that three nodes decide here. A node above it acts
	// as if it heard nothing.
	unsavedMax = 256 << 20

	// earlyBytesMin is from where on sending a batch before its turn pays.
	earlyBytesMin = 128 << 10

	// opensMax is how many groups replay their log at once when a node
	// starts: enough to keep disk and processors busy, few enough that their
	// buffers fit in memory.
	opensMax = 32
)

// Batch says how proposals that wait at the same time share an instance.
// Every limit at its default means: as many as there are, at once.
type Batch struct {
	// CountMax is the most proposals in one instance, 1..65536; 1 switches
	// batching off, 0 means 1024.
	CountMax int
	// BytesMax is the size at which a batch counts as full, in bytes; 0 means
	// 1 MiB. A single larger value is proposed alone.
	BytesMax int
	// Delay is how long a proposal waits to be joined by more, 0 by default:
	// what gathers while the last instance is decided fills batches without.
	Delay time.Duration
}

// LogLayout is how the logs of a node's groups lie in their directory.
type LogLayout uint8

const (
	// LayoutAuto opens a log that is there as what it is; a new one is shared.
	LayoutAuto LogLayout = iota
	// LayoutOriginal is the original's: a directory for each group. Nodes and
	// tools of the original can open it.
	LayoutOriginal
	// LayoutShared is one log for all groups: a sync serves all of them, and
	// every byte has a checksum. phxpaxos_convert turns either into the other.
	LayoutShared
	layouts
)

var layoutNames = [layouts]string{"auto", "original", "shared"}

// String returns "auto", "original" or "shared".
func (l LogLayout) String() string {
	if l < layouts {
		return layoutNames[l]
	}
	return fmt.Sprintf("LogLayout(%d)", uint8(l))
}

// Follower is a node that learns what a group decides and never votes.
type Follower struct {
	Node    nodeid.ID // who follows
	Follows nodeid.ID // the member that it learns from
}

// Options say what a node is. MyNode, Nodes and one of LogStorage and
// LogStoragePath must be set; the zero value of every other field is its
// default. Run does not keep the slices and maps.
type Options struct {
	// MyNode is this node. The default network listens at its address.
	MyNode nodeid.ID
	// Nodes are the members of every group, this node included unless it is
	// to be added later or only follows. None is there twice.
	Nodes []nodeid.ID
	// FullHistory begins with the full history check before the members have
	// agreed on feature level 1, which includes it. The check hashes every byte of
	// every value, with 64 bits, and compares that and the chain of it with the
	// other nodes: when they vote, announce, learn and catch up, and in
	// heartbeats. The original's checksum samples one byte in eight, so short
	// values can differ unnoticed. Nodes whose history differs from that of a
	// majority stop with ErrGroupFailed. Nodes of the original, and older ones of
	// this library, ignore what is stated for it. It costs 20 bytes in a record
	// and in most packets, and about 10 µs of processor time for 100 KiB on each
	// node.
	FullHistory bool

	// UseMembership keeps the membership in the log: Nodes counts at the
	// first start only, and members can be changed while the node runs. Off,
	// Nodes is read at each start and has to be equal on all nodes.
	UseMembership bool
	// MembersChanged is told the members of every group that works once when
	// the node has started, maybe before Run returns, and again at every
	// change, in the order of the log. It is called by the goroutine of the
	// node's callbacks, never by two at once, and may call the node, but not
	// Close; while it runs, further calls wait. A panic of it is logged.
	MembersChanged func(group int, members []nodeid.ID)
	// Followers are the nodes that only follow. This node follows if it is
	// among them.
	Followers []Follower

	// FirstStart says that this node has never run before, at this address in
	// this cluster. Without it a node whose log is empty, be it new or wiped,
	// first asks the others: in a new cluster it works as soon as a majority
	// of the members is there, in one that has decided something it learns
	// what there is and votes a little later, since it may have forgotten what
	// it had voted for. It is needed where that would wait for ever: when
	// nodes are added to a cluster of one or two before any of them runs. It
	// must not be set for a node whose log was lost.
	FirstStart bool

	// LogStoragePath is the directory of the log. It is made if it does not
	// exist. A relative path counts from the working directory at the time of
	// Run, whatever that becomes later. The directory records which node it
	// belongs to, and another node is refused with ErrForeignDirectory.
	LogStoragePath string
	// AdoptDirectory records the log for this node though it was recorded for
	// another address or in another layout, or holds directories of groups
	// from elsewhere. It is for a deliberate move, and is safe only if all of
	// this holds:
	//
	//   - No node has ever run at MyNode in this cluster with another log: what
	//     it promised and accepted there would be forgotten, and acknowledged
	//     values could be lost.
	//   - The log is whole and was taken from a node that was not running.
	//   - No node runs, or will ever run again, from the log at its former
	//     place or from another copy of it.
	//
	// Set it for one start, and again if that start failed. A lowered
	// GroupCount and another cluster are refused all the same.
	AdoptDirectory bool
	// LogLayout says how the log lies in LogStoragePath. By default a log that
	// is there is opened as what it is, and a new one is a shared log.
	LogLayout LogLayout
	// LogStorage takes its place. It must have at least GroupCount groups.
	// The node does not close it. One that is a storage.IdentityKeeper is
	// checked as LogStoragePath is; without that it belongs to any node.
	LogStorage storage.LogStorage
	// NoSync never asks the storage for durability. A crash of the machine
	// may then take back what was promised: the node may disagree with the
	// others for ever after. For tests.
	NoSync bool
	// SyncInterval lets so many saves of a group pass unsynced between two
	// that are synced, 0 for none. What NoSync says applies, more rarely.
	SyncInterval int

	// Network carries the packets; nil means the default one, TCP with the
	// original's framing. Run starts it last; the node closes it in Close, not
	// when Run fails. One that implements network.Observed reports its events
	// to the node, unless it was made to report elsewhere.
	Network network.Network
	// UDPMaxSize lets packets of up to so many bytes go by UDP on the default
	// network, 0..65507; 0, the default, means TCP only. The original's
	// default is 4096.
	UDPMaxSize int
	// ClusterSecret is what all nodes share to authenticate their packets on
	// the default network, see network.Secret for how it is introduced and
	// replaced. In SecretRequire no original node can be part of the cluster.
	// UDPMaxSize must be 0 with it. For another Network it goes into
	// network.Config.Secret.
	ClusterSecret network.Secret
	// SourceCheck says what the default network does with packets that come
	// from another IP address than their sender's id has. By default they are
	// counted. For another Network it goes into network.Config.SourceCheck.
	SourceCheck network.SourceCheck
	// NoPacketCRC leaves out this library's CRC-32C over whole packets.
	// Packets are then equal to the original's byte for byte, whose own
	// checksum misses most flipped bits.
	NoPacketCRC bool

	// GroupCount is the number of groups, 1..100000; 0 means 1. It has to be
	// equal on all nodes and cannot be lowered later: the log records it, and
	// Run refuses a lower one with ErrForeignDirectory.
	GroupCount int
	// StateMachines are registered in every group, GroupStateMachines only in
	// the group of their key. Ids are unique within a group.
	StateMachines      []sm.StateMachine
	GroupStateMachines map[int][]sm.StateMachine
	// ChangeValueBeforePropose calls the state machines that implement
	// sm.BeforeProposer.
	ChangeValueBeforePropose bool

	// HoldInstances is how many instances each group's log keeps at least
	// behind what all of its state machines have made durable, and behind the
	// newest; older ones are removed. More let nodes that were away longer
	// catch up from the log instead of from a checkpoint. 300 or more; 0
	// means 1 000 000. Nothing is removed while a state machine has no
	// checkpoint (sm.Checkpointer).
	HoldInstances int
	// NoCleaning starts with cleaning paused, see Node.ContinueCleaning.
	NoCleaning bool
	// UseCheckpointReplayer gives everything a second time to the state
	// machines that are an sm.CheckpointExecutor. It starts paused, see
	// Node.ContinueCheckpointReplayer.
	UseCheckpointReplayer bool
	// CheckpointBytesPerSecond bounds what this node sends of checkpoints, to
	// all nodes that need one together, in bytes a second; at least 1 MiB. 0
	// means 64 MiB, which leaves proposals their disk and their processor; -1
	// means no bound.
	CheckpointBytesPerSecond int

	// UseMaster lets this node take part in the election of a master in every
	// group; MasterGroups does so in these groups only, and excludes UseMaster.
	// A node that does not take part knows the master all the same.
	UseMaster    bool
	MasterGroups []int
	// MasterLease is for how long a master is elected, 1 s..24 h; 0 means
	// 10 s. It renews its lease all the time; when it dies the group has no
	// master until the rest of its lease has passed. The master itself counts
	// an eighth less, which bounds how far clocks may drift apart, see
	// Node.IsMaster.
	MasterLease time.Duration
	// MasterChanged is told when another node than the last one is elected,
	// and in which version. The end of a lease is no change. It is called as
	// MembersChanged is.
	MasterChanged func(group int, node nodeid.ID, version uint64)
	// Fence lets only the master propose, in the groups that have one, which
	// is what makes LeaseRead possible. It has to be equal on all nodes, and
	// none of them may be an original node.
	Fence bool

	// LargeValueMode takes the original's constants for large values: up to
	// 50 MiB instead of 10, with longer timeouts and shorter queues. It has
	// to be equal on all nodes.
	LargeValueMode bool

	// ProposeTimeout bounds every call that waits for a decision, besides its
	// context; 0 means no bound.
	ProposeTimeout time.Duration
	// ProposeAttempts ends a proposal with ErrConflict after other values
	// were chosen in so many instances; 0 means to go on until it is chosen
	// or its context ends. The original's number is 3.
	ProposeAttempts int
	// MaxHoldThreads is how many callers may wait before a group at once, not
	// counting those whose proposals it works on (two batches); one more gets
	// ErrBusy. 0 means any number: a waiting proposal is held by its caller,
	// so the callers' own number is the limit.
	MaxHoldThreads int
	// ProposeWaitTimeThreshold refuses a growing share of callers with
	// ErrBusy while callers wait longer than this on average; 0 switches it
	// off.
	ProposeWaitTimeThreshold time.Duration
	// Batch says how proposals share instances.
	Batch Batch

	// Observer is told of every event; nil means nobody. It is called on the
	// hot path and by many goroutines at once: it must be quick, must not
	// panic and must not call the node.
	Observer event.Observer
	// Logger gets a line for each event that an operator should see, at most
	// ten in a second of one kind; nil means no lines.
	Logger *slog.Logger
}

// withDefaults returns valid options with every default filled in.
func (o Options) withDefaults() Options {
	if o.GroupCount == 0 {
		o.GroupCount = 1
	}
	if o.HoldInstances == 0 {
		o.HoldInstances = holdDefault
	}
	switch o.CheckpointBytesPerSecond {
	case 0:
		o.CheckpointBytesPerSecond = checkpointRate
	case -1:
		o.CheckpointBytesPerSecond = 0
	}
	if o.MasterLease == 0 {
		o.MasterLease = masterLeaseDefault
	}
	o.Batch = o.Batch.withDefaults()
	return o
}

func (b Batch) withDefaults() Batch {
	if b.CountMax == 0 {
		b.CountMax = batchCountDefault
	}
	if b.BytesMax == 0 {
		b.BytesMax = batchBytesDefault
	}
	return b
}

// packetMax is the largest packet, in bytes.
func (o *Options) packetMax() int {
	if o.LargeValueMode {
		return packetBytesMaxLarge
	}
	return packetBytesMax
}

// packedMax is the largest value with its prefix, in bytes.
func (o *Options) packedMax() int { return o.packetMax() - packetOverhead }

// inboxLimits is how many packets, and bytes of them, wait for one group.
func (o *Options) inboxLimits() (count, bytes int) {
	count = inboxPackets/o.GroupCount + inboxPacketsMin
	if o.LargeValueMode {
		count = inboxPacketsLarge/o.GroupCount + inboxPacketsLow
	}
	return count, max(inboxBytes/o.GroupCount, 2*o.packetMax())
}

// following is the node that this one follows, or nodeid.None.
func (o *Options) following() nodeid.ID {
	for _, f := range o.Followers {
		if f.Node == o.MyNode {
			return f.Follows
		}
	}
	return nodeid.None
}

// elects reports whether this node takes part in the elections of a group.
func (o *Options) elects(group int) bool {
	return o.UseMaster || slices.Contains(o.MasterGroups, group)
}

// machines are the state machines of one group.
func (o *Options) machines(group int) []sm.StateMachine {
	all := make([]sm.StateMachine, 0, len(o.StateMachines)+len(o.GroupStateMachines[group]))
	all = append(all, o.StateMachines...)
	return append(all, o.GroupStateMachines[group]...)
}
