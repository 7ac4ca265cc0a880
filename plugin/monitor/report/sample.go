package report

import (
	"math"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/metrics"
)

// SampleEvery is the time between two samples, and SamplesMax how many are
// kept: 15 minutes.
const (
	SampleEvery = time.Second
	SamplesMax  = 900
)

// Sample is one second of a node, as numbers in a fixed order, since 15
// minutes of several nodes travel together. More may come behind.
type Sample [sampleKinds]float64

// The places in a Sample. Rates are per second, times are seconds.
const (
	SampleTime   = iota // milliseconds since 1970, at the node
	ProposalRate        // that succeeded
	FailRate            // that failed
	ProposalP50         // of Propose, 0 if there were none
	ProposalP99         //
	SyncP50             // of the disk, 0 if it wrote nothing
	SyncP99             //
	SyncRate            // writes
	DiskQueue           // records that wait
	Waiting             // proposals being worked at or waiting
	Packets             // that wait for groups
	RetryRate           // see retries
	ErrorRate           // see errorKinds
	InstanceRate        // instances decided
	LagMax              // instances of the group that is furthest behind
	sampleKinds
)

// retries are events after which something is done once more.
var retries = []event.Kind{
	event.PrepareTimeout, event.AcceptTimeout, event.PrepareNotPass, event.AcceptNotPass,
	event.CommitConflict, event.TeachAckTimeout, event.NetReconnect,
}

// errorKinds are events that should not happen in a healthy cluster.
var errorKinds = []event.Kind{
	event.GroupFailed, event.ChecksumMismatch, event.ExecuteFailed, event.PromiseSaveFailed, event.AcceptSaveFailed,
	event.IndexReadFail, event.IndexWriteFail, event.RecordReadFail, event.RecordWriteFail, event.RecordDamaged,
	event.AppendFail, event.CheckpointLoadFail, event.NetError, event.NetQueueFull, event.NetUDPQueueFull,
	event.NetTooLarge, event.NetTCPShort, event.EnqueueReject, event.PacketMalformed, event.PacketHeaderTooLong,
	event.PacketChecksum, event.PacketCRC, event.PacketForeignCluster, event.PacketShort, event.PacketBadGroup,
	event.MessageNotMember, event.CommitGateReject, event.NetRefused,
	event.NetSourceDiffers, event.NetMACMissing, event.NetMACWrong, event.NetMACReplay, event.NetMACStale,
	event.NetMACMalformed, event.NetMACSender,
}

func count(n *phxpaxos.Node, r *metrics.Recorder, kinds []event.Kind) (sum uint64) {
	for _, k := range kinds {
		sum += r.Count(n, k)
	}
	return sum
}

// Count adds up a node's events.
func Count(n *phxpaxos.Node, r *metrics.Recorder) Events {
	return Events{
		Proposals: n.Count(event.CommitOK) + r.Batched(), Failed: r.Failed(),
		Retries: count(n, r, retries), Errors: count(n, r, errorKinds),
	}
}

// Sampler takes the samples of one node and keeps them. Its methods are safe
// for concurrent use.
type Sampler struct {
	node     *phxpaxos.Node
	recorder *metrics.Recorder

	mu     sync.Mutex
	ring   [SamplesMax]Sample
	next   uint64 // sequence number of the next sample
	totals metrics.Totals
	age    int // samples since totals were added up
	last   struct {
		at               time.Time
		events           Events
		instances, syncs uint64
		proposal, sync   metrics.Snapshot
	}
}

// NewSampler begins at now.
func NewSampler(node *phxpaxos.Node, recorder *metrics.Recorder, now time.Time) *Sampler {
	s := &Sampler{node: node, recorder: recorder}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addUp()
	s.sample(now)
	return s
}

// Take takes a sample; it is to be called every SampleEvery.
func (s *Sampler) Take(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Adding up 10 000 groups takes some milliseconds: rarely then.
	if s.age++; s.age > s.totals.Groups/2000 {
		s.addUp()
	}
	s.ring[s.next%SamplesMax] = s.sample(now)
	s.next++
}

func (s *Sampler) addUp() {
	s.age = 0
	t := metrics.Totals{Groups: s.node.Groups()}
	for i := range t.Groups {
		if g, err := s.node.GroupStatus(i); err == nil {
			t.Add(&g)
		}
	}
	s.totals = t
}

// sample compares with the last one. The caller holds mu.
func (s *Sampler) sample(now time.Time) (v Sample) {
	l := &s.last
	seconds := max(now.Sub(l.at).Seconds(), 0.001)
	events, instances, syncs := Count(s.node, s.recorder), s.node.Count(event.Chosen), s.node.Count(event.SyncDone)
	proposal, sync := s.recorder.Durations(metrics.Proposal), s.recorder.Durations(metrics.DiskSync)
	proposals, writes := proposal.Since(&l.proposal), sync.Since(&l.sync)
	rate := func(now, before uint64) float64 { return short(float64(now-before) / seconds) }

	v[SampleTime] = float64(now.UnixMilli())
	v[ProposalRate] = rate(events.Proposals, l.events.Proposals)
	v[FailRate] = rate(events.Failed, l.events.Failed)
	v[ProposalP50], v[ProposalP99] = short(proposals.Quantile(0.5)), short(proposals.Quantile(0.99))
	v[SyncP50], v[SyncP99] = short(writes.Quantile(0.5)), short(writes.Quantile(0.99))
	v[SyncRate] = rate(syncs, l.syncs)
	status := s.node.Status()
	v[DiskQueue] = float64(status.DiskQueue)
	v[Waiting] = float64(s.totals.Proposals + s.totals.Waiting)
	v[Packets] = float64(s.totals.Packets)
	v[RetryRate] = rate(events.Retries, l.events.Retries)
	v[ErrorRate] = rate(events.Errors, l.events.Errors)
	v[InstanceRate] = rate(instances, l.instances)
	v[LagMax] = float64(s.totals.LagMax)
	l.at, l.events, l.instances, l.syncs, l.proposal, l.sync = now, events, instances, syncs, proposal, sync
	return v
}

// short keeps four digits: more are noise, and would travel.
func short(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// NoSamples asks for none.
const NoSamples = ^uint64(0)

// Since returns the samples with a sequence number of at least from, as far
// as they are kept, and the number of the first.
func (s *Sampler) Since(from uint64) (first uint64, samples []Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from == NoSamples {
		return s.next, []Sample{}
	}
	if s.next > SamplesMax {
		from = max(from, s.next-SamplesMax)
	}
	if from > s.next {
		from = 0 // the one who asks knew an earlier life of this node
		if s.next > SamplesMax {
			from = s.next - SamplesMax
		}
	}
	samples = make([]Sample, 0, s.next-from)
	for i := from; i < s.next; i++ {
		samples = append(samples, s.ring[i%SamplesMax])
	}
	return from, samples
}

// Report is the state of the node, with the samples since from and, if asked
// for, its groups.
func (s *Sampler) Report(now time.Time, from uint64, groups bool) *Node {
	st := s.node.Status()
	n := &Node{
		Node: st.Node.String(), State: Running, Time: now.UnixMilli(), Uptime: st.Uptime.Seconds(),
		Disk:   Disk{st.DiskQueue, st.DiskTook.Seconds(), st.DiskBusy.Seconds()},
		Events: Count(s.node, s.recorder), Peers: make([]Peer, 0, len(st.Peers)),
	}
	for _, p := range st.Peers {
		n.Peers = append(n.Peers, Peer{p.Node.String(), p.Heard, p.Ago.Seconds()})
	}
	n.First, n.Samples = s.Since(from)
	s.mu.Lock()
	n.Totals = s.totals
	s.mu.Unlock()
	if groups {
		n.Groups = make([]Group, 0, st.Groups)
		for i := range st.Groups {
			if g, err := s.node.GroupStatus(i); err == nil {
				n.Groups = append(n.Groups, OfGroup(&g))
			}
		}
	}
	return n
}

// Totals are the groups as they were added up last.
func (s *Sampler) Totals() metrics.Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}
