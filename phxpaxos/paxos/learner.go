package paxos

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// learner finds out what was chosen, and asks for what it missed
// (spec/protocol.md section 10). Teaching others is package group's.
type learner struct {
	c      *Core
	chosen *Chosen // of the current instance, or nil
	slot   Chosen  // what chosen points to

	highest    uint64        // highest current instance that anybody claimed
	taughtTill time.Duration // a teacher was chosen; another one is only taken after this
	lastAck    uint64        // instance of the last acknowledgement
	askTimer   uint64        // 0 if none is armed, see SetCovered
	covered    bool          // nobody has to be asked where it is
	nextSoon   time.Duration // no ask caused by a message before
	soonAt     uint64        // instance of that ask
	nextAll    time.Duration // no CatchUp before; apart from nextSoon, since it may reach nobody who knows more
}

// ask asks all members, and arms the next time.
func (l *learner) ask() {
	l.taughtTill = 0
	l.highest = l.c.instance // a claim that nobody repeats must not stop proposals for ever
	l.armAsk()
	l.c.observe(event.Event{Kind: event.LearnAsk, Instance: l.c.instance})
	l.c.out.send(&Message{Kind: AskForLearn, Instance: l.c.instance, Followed: l.c.cfg.Following, Chain: l.c.lastChain})
}

// askAgain is the periodic ask.
func (l *learner) askAgain() {
	l.askTimer = 0
	if !l.atRest() {
		l.ask()
	}
}

// atRest: there is nothing to ask for.
func (l *learner) atRest() bool {
	return l.covered && l.chosen == nil && l.highest <= l.c.instance
}

// askSoon asks one node that is ahead, unless that was done just now for the
// same instance.
func (l *learner) askSoon(node nodeid.ID) {
	if l.c.now < l.nextSoon && l.soonAt == l.c.instance {
		return
	}
	l.soonAt = l.c.instance
	l.nextSoon = l.c.now + l.c.cfg.Timing.AskSoon
	l.taughtTill = 0
	l.c.observe(event.Event{Kind: event.LearnAsk, Instance: l.c.instance, Peer: node})
	l.c.out.send(&Message{Kind: AskForLearn, To: node, Instance: l.c.instance, Followed: l.c.cfg.Following, Chain: l.c.lastChain})
}

// armAsk arms the periodic ask anew.
func (l *learner) armAsk() {
	t := l.c.cfg.Timing
	wait := t.AskMin + time.Duration(l.c.cfg.Rand.IntN(int(t.AskSpan/time.Millisecond)))*time.Millisecond
	if l.askTimer != 0 {
		l.c.timers.Remove(l.askTimer)
	}
	l.askTimer = l.c.timers.Add(l.c.now+wait, timerAsk)
}

// sees takes note of an instance that another node claims to be at. If nobody
// repeats the claim, the next ask forgets it.
func (l *learner) sees(instance uint64) {
	l.highest = max(l.highest, instance)
	if l.askTimer == 0 && l.highest > l.c.instance {
		l.armAsk()
	}
}

// onOffer takes a teacher, unless another one is teaching. One that brings
// nothing for a while is done, or gone.
func (l *learner) onOffer(m *Message) {
	l.c.observe(event.Event{Kind: event.LearnOffered, Instance: m.Now, Peer: m.From})
	l.sees(m.Now)
	if m.Instance != l.c.instance || m.Now <= l.c.instance || m.MinChosen > l.c.instance {
		return // stale, no further, or it no longer keeps what is needed
	}
	if l.c.now < l.taughtTill {
		return
	}
	l.taughtTill = l.c.now + l.c.cfg.Timing.AskSoon
	l.c.observe(event.Event{Kind: event.LearnConfirm, Instance: l.c.instance, Peer: m.From})
	l.c.out.send(&Message{Kind: Confirm, To: m.From, Instance: l.c.instance})
}

// onValue takes a value that a teacher says is chosen.
func (l *learner) onValue(m *Message) {
	l.c.observe(event.Event{Kind: event.LearnReceive, Instance: m.Instance, Peer: m.From, Size: len(m.Value)})
	if m.Ballot.IsNull() {
		return
	}
	// The acknowledgement names the instance before it advances.
	at := l.c.instance
	if m.Instance == at && l.chosen == nil && l.c.acceptor.adopt(m.Ballot, m.Value, m.Sum) {
		l.choose(m.Ballot, m.Value, m.Sum)
	}
	if m.NeedAck && l.c.err == nil {
		l.taughtTill = l.c.now + l.c.cfg.Timing.AskSoon
		l.armAsk()
		l.ack(m.From, at)
	}
}

func (l *learner) ack(to nodeid.ID, at uint64) {
	if at < l.lastAck+l.c.cfg.Timing.AckEvery {
		return
	}
	l.lastAck = at
	l.c.observe(event.Event{Kind: event.LearnAck, Instance: at, Peer: to})
	l.c.out.send(&Message{Kind: LearnAck, To: to, Instance: at})
}

// onSuccess: a proposer says that what it had accepted is chosen. Exactly
// its ballot must be the accepted one here, since then the value is too.
func (l *learner) onSuccess(m *Message) {
	l.c.observe(event.Event{Kind: event.SuccessReceive, Instance: m.Instance, Peer: m.From})
	if m.Instance > l.c.instance {
		l.sees(m.Instance)
		l.askSoon(m.From)
		return
	}
	if m.Instance < l.c.instance || l.chosen != nil || m.Ballot.IsNull() {
		return
	}
	a := &l.c.acceptor
	switch {
	case a.accepted.IsNull():
		l.c.observe(event.Event{Kind: event.SuccessNotAccepted, Instance: m.Instance, Peer: m.From})
	case a.accepted != m.Ballot:
		l.c.observe(event.Event{Kind: event.SuccessOtherBallot, Instance: m.Instance, Peer: m.From})
	case differ(m.Sum, a.hash()):
		l.c.observe(event.Event{Kind: event.ValueDiffers, Instance: m.Instance, Peer: m.From})
	default:
		l.c.observe(event.Event{Kind: event.SuccessLearned, Instance: m.Instance, Peer: m.From})
		l.choose(a.accepted, a.value, a.sum)
		return
	}
	// It is decided, and not with what this node holds: the sender knows.
	l.sees(m.Instance + 1)
	l.askSoon(m.From)
}

// infer is what the original does with an accept for the next instance; it is
// unsound and only reached by tests (hazard H1).
func (l *learner) infer(m *Message) {
	a := &l.c.acceptor
	if l.chosen == nil && !a.accepted.IsNull() && a.accepted == m.Ballot {
		l.choose(a.accepted, a.value, a.sum)
	}
}

// chosenByOwnRound: a majority has voted durably for the own ballot.
func (l *learner) chosenByOwnRound(b Ballot, value []byte, sum uint64) {
	if l.chosen != nil {
		return
	}
	// The own acceptor may have promised more meanwhile and not have voted.
	if l.c.acceptor.accepted != b && !l.c.acceptor.adopt(b, value, sum) {
		return
	}
	l.choose(b, value, sum)
	if !l.c.cfg.ExecuteFirst {
		l.announce()
	}
}

// announce tells the others that the own value is chosen.
func (l *learner) announce() {
	l.c.observe(event.Event{Kind: event.SuccessSend, Instance: l.c.instance})
	l.c.out.send(&Message{Kind: Success, Instance: l.c.instance, Ballot: l.chosen.Ballot,
		LastChecksum: l.c.lastChecksum, Chain: l.c.lastChain, Sum: l.chosen.Sum})
}

func (l *learner) choose(b Ballot, value []byte, sum uint64) {
	l.c.proposer.rest()
	l.slot = Chosen{Instance: l.c.instance, Ballot: b, Value: value,
		Checksum: l.c.acceptor.chain.of(l.c, value),
		Sum:      sum, Chain: HistoryChain(l.c.instance, l.c.lastChain, sum),
		Own: l.c.proposer.mine && l.c.proposer.offered}
	l.chosen = &l.slot
	l.c.observe(event.Event{Kind: event.Chosen, Instance: l.c.instance, Number: b.Number, Size: len(value)})
}

func (l *learner) newInstance() {
	l.chosen = nil
	l.slot = Chosen{}
	l.sees(l.c.instance)
}
