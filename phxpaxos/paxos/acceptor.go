package paxos

import (
	"bytes"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// acceptor promises and votes (spec/protocol.md section 8).
type acceptor struct {
	c        *Core
	promised Ballot // nothing lower is promised or accepted; kept across instances
	accepted Ballot // at the current instance, null if nothing; <= promised (P1)
	value    []byte // that was accepted
	checksum uint32 // of value, in the chain
	sum      uint64 // ValueHash of value when it was accepted, 0 if not known
	chain    chain

	savedPromise Ballot // promise of the last record handed to the disk (P2)
	noSync       bool
	syncInterval int
	unsynced     int          // records since the last synced one
	asked        []savedEvent // what SaveFailed has to report
}

// savedEvent remembers which request a save answers, until it is durable.
type savedEvent struct {
	seq  uint64
	kind Kind
}

func (a *acceptor) onPrepare(m *Message) {
	a.c.observe(event.Event{Kind: event.Prepared, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})
	reply := Message{Kind: PrepareReply, To: m.From, Instance: a.c.instance, Ballot: m.Ballot}
	if m.Ballot.Less(a.promised) {
		a.c.observe(event.Event{Kind: event.PrepareRejected, Peer: m.From, Instance: m.Instance, Number: a.promised.Number})
		a.reject(&reply)
		return
	}
	reply.PreAccepted = a.accepted
	if !a.accepted.IsNull() {
		if !a.intact() {
			return
		}
		reply.Value, reply.Sum = a.value, a.sum
	}
	a.promised = m.Ballot
	seq := a.persist(Prepare)
	a.c.observe(event.Event{Kind: event.Promised, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})
	a.c.out.sendAfter(seq, &reply)
}

func (a *acceptor) onAccept(m *Message) {
	a.c.observe(event.Event{Kind: event.AcceptAsked, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})
	reply := Message{Kind: AcceptReply, To: m.From, Instance: a.c.instance, Ballot: m.Ballot}
	if m.Ballot.Less(a.promised) {
		a.c.observe(event.Event{Kind: event.AcceptRejected, Peer: m.From, Instance: m.Instance, Number: a.promised.Number})
		a.reject(&reply)
		return
	}
	a.promised, a.accepted, a.value, a.sum = m.Ballot, m.Ballot, m.Value, m.Sum
	reply.Sum = m.Sum
	a.checksum = a.chain.of(a.c, m.Value)
	seq := a.persist(Accept)
	a.c.observe(event.Event{Kind: event.Accepted, Peer: m.From, Instance: m.Instance, Number: m.Ballot.Number})
	a.c.out.sendAfter(seq, &reply)
}

// reject says no. A no promises nothing, so it need not wait for the disk.
func (a *acceptor) reject(reply *Message) {
	reply.RejectedBy = a.promised.Number
	a.c.out.send(reply)
}

// persist hands the state to the disk and returns the save to wait for.
func (a *acceptor) persist(why Kind) uint64 {
	sync := false
	if !a.noSync {
		if a.unsynced++; a.unsynced > a.syncInterval {
			sync, a.unsynced = true, 0
		}
	}
	seq := a.save(sync)
	a.asked = append(a.dropDurable(), savedEvent{seq, why})
	return seq
}

func (a *acceptor) save(sync bool) uint64 {
	if a.promised.Less(a.savedPromise) && !a.c.cfg.Hazards.LearnLowersPromise {
		a.c.fail(invariant("P2: promise %v would go down to %v", a.savedPromise, a.promised))
	}
	a.savedPromise = a.promised
	return a.c.out.save(Record{
		Instance: a.c.instance, Promised: a.promised,
		Accepted: a.accepted, Value: a.value, Checksum: a.checksum,
		Chain: HistoryChain(a.c.instance, a.c.lastChain, a.sum), Sum: a.sum,
	}, sync)
}

// dropDurable forgets the answered requests; only the few that are on their
// way to the disk stay.
func (a *acceptor) dropDurable() []savedEvent {
	n := 0
	for n < len(a.asked) && a.asked[n].seq <= a.c.out.durable {
		n++
	}
	return a.asked[:copy(a.asked, a.asked[n:])]
}

func (a *acceptor) saveFailed(from uint64) {
	for _, s := range a.asked {
		if s.seq < from {
			continue
		}
		kind := event.PromiseSaveFailed
		if s.kind == Accept {
			kind = event.AcceptSaveFailed
		}
		a.c.observe(event.Event{Kind: kind, Instance: a.c.instance})
	}
	a.asked = nil
}

// adopt takes over a value that was chosen without this acceptor's vote, or
// under another ballot. The record keeps the higher promise (hazard H3) and
// the higher of the two ballots; it reports whether that is possible. sum is the
// value's ValueHash, 0 if not known.
func (a *acceptor) adopt(b Ballot, value []byte, sum uint64) bool {
	if !a.accepted.IsNull() && !a.accepted.Less(b) && !bytes.Equal(a.value, value) {
		// A value accepted under a ballot at or above the choosing one is the
		// chosen one; anything else is two chosen values.
		a.c.observe(event.Event{Kind: event.ChecksumMismatch, Instance: a.c.instance})
		a.c.fail(fmt.Errorf("%w: instance %d was accepted under %v with another value than the one chosen under %v",
			ErrDiverged, a.c.instance, a.accepted, b))
		return false
	}
	if a.c.cfg.Hazards.LearnLowersPromise {
		a.savedPromise = b
		a.c.out.save(Record{Instance: a.c.instance, Promised: b, Accepted: b, Value: value,
			Checksum: ChainChecksum(a.c.instance, a.c.lastChecksum, value)}, false)
		return true
	}
	a.promised = maxBallot(a.promised, b)
	a.accepted, a.value, a.sum = maxBallot(a.accepted, b), value, sum
	a.checksum = a.chain.of(a.c, value)
	// Nothing is promised by it, and the next promise syncs it too.
	a.save(!a.noSync && a.c.cfg.SyncLearned != nil && a.c.cfg.SyncLearned(value))
	return true
}

// newInstance forgets the vote and keeps the promise, which covers every
// later instance; that is what makes skipping the prepare sound.
func (a *acceptor) newInstance() {
	a.accepted, a.value, a.checksum, a.sum = Ballot{}, nil, 0, 0
	a.chain = chain{} // the value must not be kept alive
}
