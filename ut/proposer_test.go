package ut

import (
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// A proposer whose first ballot is 100, as in the original's tests: its log
// holds a promise of 99. Its own acceptor answers like the others, by itself:
// a promise counts as soon as the record is on disk. So two of the three
// replies of a round are messages in these tests, and one is a write.
func TestProposer(t *testing.T) {
	report.Case(t,
		gtest.Test{Name: "NewValue", Run: newValue},
		gtest.Test{Name: "OnPrepareReply_Skip", Run: onPrepareReplySkip},
		gtest.Test{Name: "OnPrepareReply_Pass", Run: onPrepareReplyPass},
		gtest.Test{Name: "OnPrepareReply_Reject", Run: onPrepareReplyReject},
		gtest.Test{Name: "OnAcceptReply_Skip", Run: onAcceptReplySkip},
		gtest.Test{Name: "OnAcceptReply_Reject", Run: onAcceptReplyReject},
		gtest.Test{Name: "OnAcceptReply_Pass", Run: onAcceptReplyPass},
	)
}

// n4 was a member once. What it asked for then may still arrive.
const n4 = me + 3

var from99 = paxos.State{Promised: ballot(99, n3)}

// accepted95 is from99 with a value that the own acceptor had accepted.
var accepted95 = paxos.State{
	Promised: ballot(99, n3), Accepted: ballot(95, me), Value: []byte("hello paxos"),
	Checksum: paxos.ChainChecksum(0, 0, []byte("hello paxos")),
}

// The events of a round in which only the own acceptor has answered.
var (
	prepareBegan = counts{event.PrepareStart: 1, event.Prepared: 1, event.Promised: 1, event.PrepareReply: 1}
	acceptBegan  = counts{event.AcceptStart: 1, event.AcceptAsked: 1, event.Accepted: 1, event.AcceptReply: 1}
)

// and adds up counts.
func (c counts) and(more counts) counts {
	sum := counts{}
	for _, part := range []counts{c, more} {
		for kind, n := range part {
			sum[kind] += n
		}
	}
	return sum
}

// prepares expects a prepare round: the own promise goes to disk before a peer
// hears of the ballot. own is what the own acceptor has accepted so far.
func (f *fixture) prepares(seq, number uint64, own paxos.State) {
	f.persisted(seq, paxos.Record{Promised: ballot(number, me), Accepted: own.Accepted, Value: own.Value, Checksum: own.Checksum},
		prepare(me, number))
}

// accepts expects an accept round: the peers are asked while the own vote is
// on its way to the disk.
func (f *fixture) accepts(seq, number uint64, value string) {
	b := ballot(number, me)
	r := vote(b, b, value)
	gomock.InOrder(f.send(accept(me, number, value)), f.save(seq, r, true), f.write(r, true, nil))
}

// yes and no are replies of peers.
func yes(kind paxos.Kind, from nodeid.ID, number uint64) paxos.Message {
	return paxos.Message{Kind: kind, From: from, Ballot: paxos.Ballot{Number: number}}
}

func no(kind paxos.Kind, from nodeid.ID, number, rejectedBy uint64) paxos.Message {
	m := yes(kind, from, number)
	m.RejectedBy = rejectedBy
	return m
}

// A new value prepares with the first ballot; after a rejection it takes the
// next one; with a majority's promise the next instance skips the prepare.
//
// The original sets the two flags from outside. Here a peer rejects, and a
// peer promises. Another value for the same instance does not replace the
// first, since a ballot may have carried that one.
func newValue(t *testing.T) {
	f := newFixture(t, from99)
	f.prepares(1, 100, paxos.State{})
	f.core.Propose([]byte("hello paxos"))
	f.turn()
	f.proposing(true)
	f.events(prepareBegan.and(counts{event.ProposeStart: 1}))

	f.step(no(paxos.PrepareReply, n2, 100, 100)) // which node 2 promised to node 3
	f.events(counts{event.PrepareReply: 1})
	f.prepares(2, 101, paxos.State{})
	f.core.Propose([]byte("hello again"))
	f.turn()
	f.proposing(true)
	f.events(prepareBegan.and(counts{event.ProposeStart: 1}))

	f.accepts(3, 101, "hello paxos")
	f.step(yes(paxos.PrepareReply, n2, 101))
	f.events(acceptBegan.and(counts{event.PrepareReply: 1, event.PreparePass: 1}))
	f.send(paxos.Message{Kind: paxos.Success, From: me, Ballot: ballot(101, me)})
	f.step(yes(paxos.AcceptReply, n2, 101))
	f.proposing(false)
	f.events(counts{event.AcceptReply: 1, event.AcceptPass: 1, event.Chosen: 1, event.SuccessSend: 1})
	f.core.Advance()

	f.skipsPrepare(4, 101, "hello again", paxos.ChainChecksum(0, 0, []byte("hello paxos")))
	f.core.Propose([]byte("hello again"))
	f.turn()
	f.proposing(true)
	f.events(acceptBegan.and(counts{event.ProposeStart: 1, event.ProposeSkipPrepare: 1}))
}

// skipsPrepare expects an accept round in instance 1, behind the checksum of
// instance 0.
func (f *fixture) skipsPrepare(seq, number uint64, value string, last uint32) {
	b, m := ballot(number, me), accept(me, number, value)
	m.Instance, m.LastChecksum = 1, last
	r := vote(b, b, value)
	r.Instance, r.Checksum = 1, paxos.ChainChecksum(1, last, []byte(value))
	gomock.InOrder(f.send(m), f.save(seq, r, true), f.write(r, true, nil))
}

// A promise that nobody waits for, or for another ballot, counts for nothing.
func onPrepareReplySkip(t *testing.T) {
	f := newFixture(t, from99)
	f.step(yes(paxos.PrepareReply, n2, 100))
	f.proposing(false)
	f.events(counts{event.PrepareReply: 1, event.PrepareReplyLate: 1})

	f.prepares(1, 100, paxos.State{})
	f.core.Propose([]byte("abc"))
	f.turn()
	f.events(prepareBegan.and(counts{event.ProposeStart: 1}))
	f.step(yes(paxos.PrepareReply, n2, 102))
	f.proposing(true)
	f.events(counts{event.PrepareReply: 1, event.PrepareReplyForeign: 1})
}

// The value of the highest ballot that the promises report takes the place of
// the own one. A rejection is one reply, two promises are a majority.
func onPrepareReplyPass(t *testing.T) {
	f := newFixture(t, accepted95)
	f.prepares(1, 100, accepted95)
	f.core.Propose([]byte("abc"))
	f.turn()
	f.step(no(paxos.PrepareReply, n2, 100, 101))
	f.proposing(true)
	f.events(prepareBegan.and(counts{event.ProposeStart: 1, event.PrepareReply: 1}))

	f.accepts(2, 100, "hello world")
	promise := yes(paxos.PrepareReply, n3, 100)
	promise.PreAccepted, promise.Value = ballot(98, n3), []byte("hello world")
	f.step(promise)
	f.proposing(true)
	f.holds(ballot(100, me), ballot(100, me), "hello world")
	f.events(acceptBegan.and(counts{event.PrepareReply: 1, event.PreparePass: 1}))
}

// Two rejections end the round. After a pause the proposer prepares again,
// with a ballot above all that it was told of, and the value that its own
// acceptor reported has taken the place of the own one.
func onPrepareReplyReject(t *testing.T) {
	f := newFixture(t, accepted95)
	f.prepares(1, 100, accepted95)
	f.core.Propose([]byte("abc"))
	f.turn()
	f.step(no(paxos.PrepareReply, n2, 100, 101))
	f.events(prepareBegan.and(counts{event.ProposeStart: 1, event.PrepareReply: 1}))
	f.rand.EXPECT().IntN(30).Return(7) // the pause is 10 ms and a random part
	f.step(no(paxos.PrepareReply, n3, 100, 102))
	f.holds(ballot(100, me), ballot(95, me), "hello paxos")
	f.events(counts{event.PrepareReply: 1, event.PrepareNotPass: 1})

	f.prepares(2, 103, accepted95)
	f.retry(17 * time.Millisecond)
	f.turn()
	f.events(prepareBegan.and(counts{event.PrepareTimeout: 1}))
	f.accepts(3, 103, "hello paxos")
	f.step(yes(paxos.PrepareReply, n2, 103))
	f.events(acceptBegan.and(counts{event.PrepareReply: 1, event.PreparePass: 1}))
}

// preparesAndAccepts leads the proposer into the accept phase of ballot 100,
// with its own vote handed out and not written yet.
func (f *fixture) preparesAndAccepts(value string) {
	f.t.Helper()
	f.prepares(1, 100, paxos.State{})
	f.core.Propose([]byte(value))
	f.turn()
	f.accepts(2, 100, value)
	m := yes(paxos.PrepareReply, n2, 100)
	f.core.Step(&m)
	f.flush()
	f.seen = counts{}
}

// A vote that nobody waits for, or for another ballot, counts for nothing.
func onAcceptReplySkip(t *testing.T) {
	f := newFixture(t, from99)
	f.step(yes(paxos.AcceptReply, n2, 100))
	f.proposing(false)
	f.events(counts{event.AcceptReply: 1, event.AcceptReplyLate: 1})

	f.preparesAndAccepts("abc")
	f.written()
	f.events(counts{event.AcceptReply: 1})
	f.step(yes(paxos.AcceptReply, n2, 102))
	f.proposing(true)
	f.events(counts{event.AcceptReply: 1, event.AcceptReplyForeign: 1})
}

// Two rejections end the round. The value stays; the next try prepares.
func onAcceptReplyReject(t *testing.T) {
	f := newFixture(t, from99)
	f.preparesAndAccepts("abc")
	m := no(paxos.AcceptReply, n2, 100, 101)
	f.core.Step(&m)
	f.written() // the own vote
	f.proposing(true)
	f.events(counts{event.AcceptReply: 2})
	f.rand.EXPECT().IntN(30).Return(7)
	f.step(no(paxos.AcceptReply, n3, 100, 102))
	f.events(counts{event.AcceptReply: 1, event.AcceptNotPass: 1})
	if f.core.Chosen() != nil {
		t.Error("chosen by one vote of three")
	}

	own := paxos.State{Accepted: ballot(100, me), Value: []byte("abc"), Checksum: paxos.ChainChecksum(0, 0, []byte("abc"))}
	f.prepares(3, 103, own)
	f.retry(17 * time.Millisecond)
	f.turn()
	f.events(prepareBegan.and(counts{event.AcceptTimeout: 1}))
	f.accepts(4, 103, "abc")
	f.step(yes(paxos.PrepareReply, n2, 103))
	f.events(acceptBegan.and(counts{event.PrepareReply: 1, event.PreparePass: 1}))
}

// Two peers' votes are a majority also when the own acceptor refuses. It is
// announced once; the refusal makes the next instance prepare.
//
// The own acceptor refuses because node 4 asked it for ballot 101 while the
// proposer was preparing; as everywhere, that refusal comes at once, so it is
// the first reply here and the second in the original's test.
func onAcceptReplyPass(t *testing.T) {
	f := newFixture(t, from99)
	f.prepares(1, 100, paxos.State{})
	f.core.Propose([]byte("abc"))
	f.turn()
	toN4 := paxos.Message{Kind: paxos.PrepareReply, From: me, To: n4, Ballot: ballot(101, n4)}
	f.persisted(2, paxos.Record{Promised: ballot(101, n4)}, toN4)
	f.step(prepare(n4, 101))
	f.seen = counts{}

	f.send(accept(me, 100, "abc"))
	f.step(yes(paxos.PrepareReply, n2, 100))
	f.holds(ballot(101, n4), paxos.Ballot{}, "")
	f.events(counts{event.PrepareReply: 1, event.PreparePass: 1, event.AcceptStart: 1,
		event.AcceptAsked: 1, event.AcceptRejected: 1, event.AcceptReply: 1})
	f.step(yes(paxos.AcceptReply, n2, 100))
	f.proposing(true)
	f.events(counts{event.AcceptReply: 1})

	// The own acceptor learns what it had refused, and keeps its promise. That
	// record promises nothing, so it need not be synced.
	r := vote(ballot(101, n4), ballot(100, me), "abc")
	f.send(paxos.Message{Kind: paxos.Success, From: me, Ballot: ballot(100, me)})
	gomock.InOrder(f.save(3, r, false), f.write(r, false, nil))
	f.step(yes(paxos.AcceptReply, n3, 100))
	f.proposing(false)
	f.events(counts{event.AcceptReply: 1, event.AcceptPass: 1, event.Chosen: 1, event.SuccessSend: 1})
	if c := f.core.Chosen(); c == nil || string(c.Value) != "abc" || c.Ballot != ballot(100, me) {
		t.Fatalf("chosen %+v, want abc under ballot 100", c)
	}

	f.core.Advance()
	second := paxos.Record{Instance: 1, Promised: ballot(102, me)}
	again := prepare(me, 102)
	again.Instance = 1
	f.persisted(4, second, again)
	f.core.Propose([]byte("def"))
	f.turn()
	f.events(prepareBegan.and(counts{event.ProposeStart: 1}))
}
