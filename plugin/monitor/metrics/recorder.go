package metrics

import (
	"errors"
	"math/bits"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// Recorder adds up durations and sizes of one node's events. It is an
// event.Observer for Options.Observer. All methods are safe for concurrent
// use and none blocks.
type Recorder struct {
	durations [durationKinds]Durations
	sums      [stripes]sums
	failed    [len(reasons)]atomic.Uint64
	batch     [batchBuckets]atomic.Uint64
	batched   atomic.Uint64
	outside   [stripes]counts
}

// counts are events of parts that need not know the node.
type counts struct {
	of [event.Kinds]atomic.Uint64
	_  [64]byte
}

// sums are bytes and other amounts that events carry.
type sums struct {
	of [sumKinds]atomic.Uint64
	_  [64]byte
}

// Duration says which durations are meant.
type Duration uint8

// The durations that are measured.
const (
	Proposal     Duration = iota // from Propose or BatchPropose to its result
	Instance                     // a value of this node, from its first round until it was chosen
	GateWait                     // callers, until the group was free for them
	QueueWait                    // proposals, until they went into a value
	Prepare                      // a prepare round, until a majority promised
	Accept                       // an accept round, until a majority accepted
	DiskSync                     // a write of the disk goroutine, with its sync
	Append                       // the log storage's append of one group's records
	IndexWrite                   // the log storage's write to its index
	NetworkQueue                 // packets, until they were handed to the system
	durationKinds
)

type sumKind uint8

const (
	noSum sumKind = iota
	sentTCP
	sentUDP
	receivedTCP
	receivedUDP
	diskBytes
	proposedBytes
	learnedBytes // sent to learners
	batchedOK    // entries of batches that succeeded
	sumKinds
)

// measured says what the Recorder does with a kind of event; most are of no
// interest to it, and cost one look into this table.
var measured = [event.Kinds]struct {
	duration Duration // plus one, 0 for none
	size     sumKind
}{
	event.CommitOK:       {duration: Proposal + 1},
	event.BatchOK:        {duration: Proposal + 1, size: batchedOK},
	event.ChosenOwn:      {duration: Instance + 1},
	event.CommitGatePass: {duration: GateWait + 1},
	event.BatchWait:      {duration: QueueWait + 1},
	event.PreparePass:    {duration: Prepare + 1},
	event.AcceptPass:     {duration: Accept + 1},
	event.SyncDone:       {duration: DiskSync + 1, size: diskBytes},
	event.Append:         {duration: Append + 1},
	event.IndexWrite:     {duration: IndexWrite + 1},
	event.NetDequeue:     {duration: NetworkQueue + 1},
	event.NetSendTCP:     {size: sentTCP},
	event.NetSendUDP:     {size: sentUDP},
	event.NetTCPIn:       {size: receivedTCP},
	event.NetUDPIn:       {size: receivedUDP},
	event.ProposeStart:   {size: proposedBytes},
	event.LearnSend:      {size: learnedBytes},
}

// outside reports whether events of a kind come from a network or a storage.
// Those that a program brings along, as one over TLS, tell the Recorder
// without the node, which then does not count them.
func outside(k event.Kind) bool {
	return k >= event.NetLoop && k <= event.RecordDamaged || k == event.NetRefused ||
		k >= event.NetSourceDiffers && k <= event.NetMACSender
}

// Count is how many events of a kind there were.
func (r *Recorder) Count(node *phxpaxos.Node, k event.Kind) (n uint64) {
	if !outside(k) {
		return node.Count(k)
	}
	for i := range r.outside {
		n += r.outside[i].of[k].Load()
	}
	return n
}

// Observe implements event.Observer.
func (r *Recorder) Observe(e event.Event) {
	if int(e.Kind) >= event.Kinds {
		return
	}
	if outside(e.Kind) {
		r.outside[uint(e.Group+1)%stripes].of[e.Kind].Add(1)
	}
	m := &measured[e.Kind]
	if m.duration != 0 {
		r.durations[m.duration-1].add(e.Group, e.Took)
	}
	if m.size != noSum {
		r.sums[uint(e.Group+1)%stripes].of[m.size].Add(uint64(max(e.Size, 0)))
	}
	switch e.Kind {
	case event.BatchSend:
		r.batch[batchBucket(e.Size)].Add(1)
		r.batched.Add(uint64(max(e.Size, 0)))
	case event.CommitFail:
		r.failed[reasonOf(e.Err)].Add(1)
	case event.BatchFail:
		r.failed[reasonOf(e.Err)].Add(uint64(max(e.Size, 1)))
	}
}

// Durations is how a kind of duration stands.
func (r *Recorder) Durations(d Duration) Snapshot { return r.durations[d].Snapshot() }

// Failed is how many proposals have failed.
func (r *Recorder) Failed() (n uint64) {
	for i := range r.failed {
		n += r.failed[i].Load()
	}
	return n
}

// Batched is how many proposals of BatchPropose have succeeded.
func (r *Recorder) Batched() uint64 { return r.sum(batchedOK) }

func (r *Recorder) sum(k sumKind) (n uint64) {
	for i := range r.sums {
		n += r.sums[i].of[k].Load()
	}
	return n
}

// batchBuckets are powers of two: 2, 4, … up to 65536, the highest
// Batch.CountMax.
const batchBuckets = 16

func batchBucket(size int) int {
	return min(max(bits.Len(uint(max(size-1, 1)))-1, 0), batchBuckets-1)
}

// reasons are the values of the label reason, with the error that each stands
// for. A fixed list keeps the number of series fixed.
var reasons = [...]struct {
	name string
	err  error
}{
	{"timeout", phxpaxos.ErrTimeout},
	{"busy", phxpaxos.ErrBusy},
	{"conflict", phxpaxos.ErrConflict},
	{"not_master", phxpaxos.ErrNotMaster},
	{"not_member", phxpaxos.ErrNotMember},
	{"too_large", phxpaxos.ErrValueTooLarge},
	{"execute_failed", phxpaxos.ErrExecuteFailed},
	{"group_failed", phxpaxos.ErrGroupFailed},
	{"closed", phxpaxos.ErrClosed},
	{"other", nil},
}

func reasonOf(err error) int {
	for i, r := range reasons[:len(reasons)-1] {
		if errors.Is(err, r.err) {
			return i
		}
	}
	return len(reasons) - 1
}
