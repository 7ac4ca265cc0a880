package ut

import (
	"errors"
	"testing"

	"github.com/golang/mock/gomock"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// An acceptor that has promised something in an earlier life of its node, as
// its log says, and a proposer at node 2.
//
// The original's requests come from the node itself; the core handles those
// without a message, so here they come from a peer.
func TestAcceptor(t *testing.T) {
	report.Case(t,
		gtest.Test{Name: "OnPrepare_Promise", Run: onPreparePromise},
		gtest.Test{Name: "OnPrepare_Reject", Run: onPrepareReject},
		gtest.Test{Name: "OnPrepare_PersistFail", Run: onPreparePersistFail},
		gtest.Test{Name: "OnAccept_Pass", Run: onAcceptPass},
		gtest.Test{Name: "OnAccept_Reject", Run: onAcceptReject},
		gtest.Test{Name: "OnAccept_PersistFail", Run: onAcceptPersistFail},
	)
}

func prepare(from nodeid.ID, number uint64) paxos.Message {
	return paxos.Message{Kind: paxos.Prepare, From: from, Ballot: ballot(number, from)}
}

func accept(from nodeid.ID, number uint64, value string) paxos.Message {
	return paxos.Message{Kind: paxos.Accept, From: from, Ballot: ballot(number, from), Value: []byte(value)}
}

// reply is this node's answer to a request of node 2.
func reply(kind paxos.Kind, number, rejectedBy uint64) paxos.Message {
	return paxos.Message{Kind: kind, From: me, To: n2, Ballot: ballot(number, n2), RejectedBy: rejectedBy}
}

// vote is the record of a value that was accepted at instance 0.
func vote(promised, accepted paxos.Ballot, value string) paxos.Record {
	return paxos.Record{Promised: promised, Accepted: accepted, Value: []byte(value),
		Checksum: paxos.ChainChecksum(0, 0, []byte(value))}
}

// A higher ballot is promised, and so is an equal one once more; each promise
// is on disk before it is given.
func onPreparePromise(t *testing.T) {
	f := newFixture(t, paxos.State{Promised: ballot(1, me)})
	for i, number := range []uint64{2, 2, 3} {
		promised := ballot(number, n2)
		f.persisted(uint64(i+1), paxos.Record{Promised: promised}, reply(paxos.PrepareReply, number, 0))
		f.step(prepare(n2, number))
		f.holds(promised, paxos.Ballot{}, "")
		f.events(counts{event.Prepared: 1, event.Promised: 1})
	}
}

// A lower ballot is refused at once, and nothing is written.
func onPrepareReject(t *testing.T) {
	f := newFixture(t, paxos.State{Promised: ballot(2, me)})
	f.send(reply(paxos.PrepareReply, 1, 2))
	f.step(prepare(n2, 1))
	f.holds(ballot(2, me), paxos.Ballot{}, "")
	f.events(counts{event.Prepared: 1, event.PrepareRejected: 1})
}

// A promise that did not reach the disk is not given; in memory it is raised
// all the same, and the acceptor says nothing ever after.
//
// The original writes inside the call and counts no OnPreparePass. Here the
// write comes later: Promised means that the promise was handed to the disk.
func onPreparePersistFail(t *testing.T) {
	f := newFixture(t, paxos.State{Promised: ballot(2, me)})
	r := paxos.Record{Promised: ballot(3, n2)}
	gomock.InOrder(f.save(1, r, true), f.write(r, true, errDisk))
	f.step(prepare(n2, 3))
	f.holds(ballot(3, n2), paxos.Ballot{}, "")
	f.events(counts{event.Prepared: 1, event.Promised: 1, event.PromiseSaveFailed: 1})
	f.stopped()
}

// A ballot as high as the promise or higher is accepted, also twice and with
// another value; each vote is on disk before it is given.
func onAcceptPass(t *testing.T) {
	f := newFixture(t, paxos.State{Promised: ballot(10, me)})
	for i, a := range []struct {
		number uint64
		value  string
	}{{13, "hello paxos"}, {14, "hello hello"}, {14, "yes we are"}} {
		b := ballot(a.number, n2)
		f.persisted(uint64(i+1), vote(b, b, a.value), reply(paxos.AcceptReply, a.number, 0))
		f.step(accept(n2, a.number, a.value))
		f.holds(b, b, a.value)
		f.events(counts{event.AcceptAsked: 1, event.Accepted: 1})
	}
}

// A lower ballot than the promise gets no vote, at once, and nothing is
// written.
func onAcceptReject(t *testing.T) {
	f := newFixture(t, paxos.State{Promised: ballot(10, me)})
	f.send(reply(paxos.AcceptReply, 9, 10))
	f.step(accept(n2, 9, "hello paxos"))
	f.holds(ballot(10, me), paxos.Ballot{}, "")
	f.events(counts{event.AcceptAsked: 1, event.AcceptRejected: 1})
}

// A vote that did not reach the disk is not given; see onPreparePersistFail.
func onAcceptPersistFail(t *testing.T) {
	f := newFixture(t, paxos.State{Promised: ballot(10, me)})
	b := ballot(11, n2)
	r := vote(b, b, "hello paxos")
	gomock.InOrder(f.save(1, r, true), f.write(r, true, errDisk))
	f.step(accept(n2, 11, "hello paxos"))
	f.holds(b, b, "hello paxos")
	f.events(counts{event.AcceptAsked: 1, event.Accepted: 1, event.AcceptSaveFailed: 1})
	f.stopped()
}

// stopped checks that a failed write has stopped the core for the reason that
// the storage gave: whatever it is asked, nothing is written and nothing sent.
func (f *fixture) stopped() {
	f.t.Helper()
	if err := f.core.Err(); !errors.Is(err, paxos.ErrSave) || !errors.Is(err, errDisk) {
		f.t.Errorf("the core stopped for %v, want %v because of %v", err, paxos.ErrSave, errDisk)
	}
	f.step(prepare(n3, 50))
	f.step(accept(n3, 50, "too late"))
	f.core.Propose([]byte("too late"))
	f.core.Saved(1)
	f.turn()
	f.events(counts{})
}
