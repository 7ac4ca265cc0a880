package paxos

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// proposer gets a value chosen (spec/protocol.md section 9).
type proposer struct {
	c *Core

	number   uint64 // of the own ballot; never falls, not even by a restart
	used     bool   // a peer may have heard of number (P4: prepare takes a new one)
	saved    uint64 // the save that made the ballot durable here
	canSkip  bool   // a majority promised number, and nothing since casts doubt on it
	rejected bool   // somebody promised more than number
	other    uint64 // highest number that rejected this node in the current instance

	sum      uint64 // ValueHash of value when it was taken, 0 if not known
	value    []byte // what this instance proposes; kept until the instance is closed,
	hasValue bool   // since a ballot may have carried it
	mine     bool   // value is what newValue was given last, unless offered and then replaced
	offered  bool   // an accept has carried it
	highest  Ballot // highest ballot that a promise reported as accepted

	preparing, accepting       bool // at most one
	tally                      tally
	timer                      uint64 // armed for the round, 0 if none
	prepareWait, acceptWait    time.Duration
	retrySpan                  time.Duration // of the pause after the next lost round
	roundSince, proposingSince time.Duration

	closed bool // the own accept round decided the instance
}

func (p *proposer) ballot() Ballot { return Ballot{p.number, p.c.cfg.Me} }

// newValue drives v, or the unfinished value of this instance.
func (p *proposer) newValue(v []byte) {
	p.c.observe(event.Event{Kind: event.ProposeStart, Instance: p.c.instance, Size: len(v)})
	p.mine = !p.hasValue
	if p.mine {
		p.value, p.hasValue, p.offered = v, true, false
		p.sum = p.c.hash(v)
	}
	p.prepareWait, p.acceptWait = p.c.cfg.Timing.PrepareFirst, p.c.cfg.Timing.AcceptFirst
	p.retrySpan = p.c.cfg.Timing.RetrySpan
	p.proposingSince = p.c.now
	if p.canSkip && !p.rejected {
		p.c.observe(event.Event{Kind: event.ProposeSkipPrepare, Instance: p.c.instance})
		p.accept()
		return
	}
	p.prepare()
}

// prepare asks for promises. The own acceptor promises first, and the peers
// hear of the ballot once that promise is durable: a node that forgot its
// ballot in a crash would use the number again (P4).
func (p *proposer) prepare() {
	p.rest()
	if p.offered && !p.intact() {
		return
	}
	p.canSkip, p.rejected, p.highest = false, false, Ballot{}
	if promised := p.c.acceptor.promised.Number; p.used || p.number <= promised {
		p.number = max(p.number, p.other, promised) + 1
	}
	p.used, p.preparing, p.roundSince = true, true, p.c.now
	p.tally.start(p.c.members)
	p.arm(timerPrepare, &p.prepareWait, p.c.cfg.Timing.PrepareMax)
	p.c.observe(event.Event{Kind: event.PrepareStart, Instance: p.c.instance, Number: p.number})

	m := Message{Kind: Prepare, From: p.c.cfg.Me, Instance: p.c.instance, Ballot: p.ballot()}
	p.c.acceptor.onPrepare(&m)
	p.saved = p.c.out.seq
	p.c.out.sendAfter(p.saved, &m)
}

func (p *proposer) onPrepareReply(m *Message) {
	p.c.observe(event.Event{Kind: event.PrepareReply, Instance: m.Instance, Peer: m.From})
	if !p.preparing {
		p.c.observe(event.Event{Kind: event.PrepareReplyLate, Instance: m.Instance, Peer: m.From})
		return
	}
	if m.Ballot.Number != p.number {
		p.c.observe(event.Event{Kind: event.PrepareReplyForeign, Instance: m.Instance, Peer: m.From})
		return
	}
	if !p.tally.add(m.From, m.Rejected()) {
		return
	}
	if m.Rejected() {
		p.sawRejection(m)
	} else if !m.PreAccepted.IsNull() && p.highest.Less(m.PreAccepted) {
		// Whatever may have been chosen already is the value of the highest
		// ballot that a majority reports.
		p.highest, p.value, p.sum = m.PreAccepted, m.Value, m.Sum
		p.mine = p.mine && p.offered // equal bytes may still be somebody else's
	}
	took := p.c.now - p.roundSince
	switch {
	case p.tally.passed():
		p.c.observe(event.Event{Kind: event.PreparePass, Instance: m.Instance, Number: p.number, Took: took})
		p.canSkip = true
		p.accept()
	case p.tally.lost():
		p.c.observe(event.Event{Kind: event.PrepareNotPass, Instance: m.Instance, Number: p.number, Took: took})
		p.retrySoon(timerPrepare)
	}
}

// accept asks for votes. The peers may vote before the own vote is on disk:
// this node's counts only once it is, like everybody's.
func (p *proposer) accept() {
	p.rest()
	if p.c.out.durable < p.saved {
		p.c.fail(invariant("P4: accept under ballot %v, whose promise is not durable here", p.ballot()))
		return
	}
	p.accepting, p.offered, p.roundSince = true, true, p.c.now
	p.tally.start(p.c.members)
	p.arm(timerAccept, &p.acceptWait, p.c.cfg.Timing.AcceptMax)
	p.c.observe(event.Event{Kind: event.AcceptStart, Instance: p.c.instance, Number: p.number})

	m := Message{Kind: Accept, From: p.c.cfg.Me, Instance: p.c.instance, Ballot: p.ballot(),
		Value: p.value, LastChecksum: p.c.lastChecksum, Chain: p.c.lastChain, Sum: p.sum}
	p.c.out.send(&m)
	p.c.acceptor.onAccept(&m)
}

func (p *proposer) onAcceptReply(m *Message) {
	p.c.observe(event.Event{Kind: event.AcceptReply, Instance: m.Instance, Peer: m.From})
	if !p.accepting {
		p.c.observe(event.Event{Kind: event.AcceptReplyLate, Instance: m.Instance, Peer: m.From})
		if m.Rejected() && m.Ballot.Number == p.number {
			p.sawRejection(m) // the next proposal takes a ballot that this node accepts too
		}
		return
	}
	if m.Ballot.Number != p.number {
		p.c.observe(event.Event{Kind: event.AcceptReplyForeign, Instance: m.Instance, Peer: m.From})
		return
	}
	if !m.Rejected() && differ(m.Sum, p.sum) {
		// A vote for other bytes is no vote for this value.
		p.c.observe(event.Event{Kind: event.ValueDiffers, Instance: m.Instance, Peer: m.From})
		return
	}
	if !p.tally.add(m.From, m.Rejected()) {
		return
	}
	if m.Rejected() {
		p.sawRejection(m)
	}
	took := p.c.now - p.roundSince
	switch {
	case p.tally.passed():
		p.c.observe(event.Event{Kind: event.AcceptPass, Instance: m.Instance, Number: p.number, Took: took})
		p.rest()
		p.closed = true
		p.c.learner.chosenByOwnRound(p.ballot(), p.value, p.sum)
	case p.tally.lost():
		p.c.observe(event.Event{Kind: event.AcceptNotPass, Instance: m.Instance, Number: p.number, Took: took})
		p.retrySoon(timerAccept)
	}
}

// onLateReply looks at replies of the instance before for rejections only:
// without them one slow acceptor with a higher promise would be skipped for ever.
func (p *proposer) onLateReply(m *Message) {
	if m.Rejected() && m.Ballot.Number == p.number {
		p.sawRejection(m)
	}
}

func (p *proposer) sawRejection(m *Message) {
	if m.RejectedBy >= ballotMax {
		return // not an honest number; overtaking it would leave none
	}
	p.rejected = true
	p.other = max(p.other, m.RejectedBy)
}

func (p *proposer) onPrepareTimer() {
	p.timer = 0
	if p.preparing {
		p.c.observe(event.Event{Kind: event.PrepareTimeout, Instance: p.c.instance, Number: p.number})
		p.prepare()
	}
}

func (p *proposer) onAcceptTimer() {
	p.timer = 0
	if p.accepting {
		p.c.observe(event.Event{Kind: event.AcceptTimeout, Instance: p.c.instance, Number: p.number})
		p.prepare()
	}
}

// arm waits for the round to pass, longer at each try.
func (p *proposer) arm(kind int, wait *time.Duration, most time.Duration) {
	p.timer = p.c.timers.Add(p.c.now+*wait, kind)
	*wait = min(2**wait, most)
}

// retrySoon begins again after a short random pause, so that two proposers
// that keep overtaking each other fall out of step. The first pause is the
// original's. It is shorter than a round between distant nodes, where several
// proposers would overtake each other for minutes, so it grows.
func (p *proposer) retrySoon(kind int) {
	p.disarm()
	t := p.c.cfg.Timing
	pause := t.RetryMin + time.Duration(p.c.cfg.Rand.IntN(int(p.retrySpan/time.Millisecond)))*time.Millisecond
	p.retrySpan = min(2*p.retrySpan, max(t.RetryMost, t.RetrySpan))
	p.timer = p.c.timers.Add(p.c.now+pause, kind)
}

// rest stops the rounds under way.
func (p *proposer) rest() {
	p.preparing, p.accepting = false, false
	p.disarm()
}

func (p *proposer) disarm() {
	if p.timer != 0 {
		p.c.timers.Remove(p.timer)
		p.timer = 0
	}
}

// newInstance forgets the value and keeps the ballot. Only an own accept
// round proves that the ballot's next accept continues a decided instance
// (hazard H1): after any other end the next proposal prepares again.
func (p *proposer) newInstance() {
	p.rest()
	if !p.closed && !p.c.cfg.Hazards.ReuseBallotAfterLoss {
		p.canSkip = false
	}
	p.closed = false
	p.other = 0
	p.value, p.hasValue, p.highest, p.sum = nil, false, Ballot{}, 0
	p.mine, p.offered = false, false
}
