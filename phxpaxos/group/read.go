package group

import (
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

const (
	readPatience = 60 * time.Millisecond  // for the answers of a round, then the log is used, or it is asked again
	readRepeat   = time.Second            // most patience with a round that is asked again
	readDrive    = 100 * time.Millisecond // for an undecided instance, then this node drives it
	readLogOnly  = 5 * time.Second        // how long not to ask again where too few answered
	nonceBytes   = 12                     // makes an empty value this node's own
)

// reads finds, for callers that want to see everything acknowledged before
// their call, the instance up to which this node has to have executed.
//
// A round asks the members: below which instance may anything be chosen, as
// far as you know? A member answers with its current instance, one more if it
// has accepted something there. Why the highest of a majority's answers is
// enough: a value that was acknowledged had been accepted by a majority,
// durably; every other majority has a member in common with it, and that
// member is at the value's instance with its vote there, or beyond it. All
// who wait share a round; whoever comes while one is under way waits for the
// next, since the answers may be older than the call.
//
// If the membership changed before the instance was reached, the wrong
// members may have been asked: the members asked include one that had
// accepted the change, so executing that far shows it, and the round is
// repeated among the new ones.
//
// Original nodes do not answer. Where too few answer, a value that no state
// machine sees is proposed instead; when it is executed here, everything
// acknowledged before it is too.
type reads struct {
	waiting  []*Ticket
	round    readRound
	settled  []readPoint // by the order of their rounds
	logged   []*logRead  // wait for an empty value of this node
	number   uint64      // of the last round of this life; see init
	logUntil time.Duration
	driving  bool // an empty value of this node is under way
	deadline time.Duration
}

type readRound struct {
	active  bool
	tickets []*Ticket
	heard   []nodeid.ID
	point   uint64 // everything below has to be executed
	members uint64 // version of the membership that is asked
	until   time.Duration
	wait    time.Duration // from the last question to until
}

type readPoint struct {
	tickets []*Ticket
	point   uint64
	members uint64
	driveAt time.Duration
}

// logRead is who waits for one empty value.
type logRead struct{ tickets []*Ticket }

// init draws where the numbers of this life's rounds begin. Answers can wait in
// a peer's queue while this node is down and reach its next life; they know
// nothing of what was acknowledged between, so no round of another life may
// have the same number. (A replayed history on real processes, and seed 254 of
// the simulator, showed stale reads with numbers that began at 1.)
func (r *reads) init(chance Rand) {
	r.number = nonce(chance)
}

// Read takes a read; it comes back by Env.Finish once this node has executed
// everything that was acknowledged anywhere before the call. Ticket.Instance
// is then the instance below which everything is executed.
func (g *Group) Read(t *Ticket) {
	t.queued, t.lost, t.executed = g.now, 0, false
	if g.err != nil {
		g.finish(t, g.err)
		return
	}
	g.reads.waiting = append(g.reads.waiting, t)
}

// flush begins a round for those who wait, and ends those who need not wait
// any more.
func (r *reads) flush(g *Group) {
	r.finish(g)
	if g.err != nil || r.round.active || len(r.waiting) == 0 {
		r.rearm()
		return
	}
	tickets := r.waiting
	r.waiting = nil
	if g.now < r.logUntil && r.mayPropose(g) {
		r.throughLog(g, tickets)
		r.rearm()
		return
	}
	r.number++
	r.round = readRound{active: true, tickets: tickets, heard: r.round.heard[:0],
		members: g.system.known().Version, until: g.now + readPatience, wait: readPatience}
	// Members that were only heard of may be as far behind as this node.
	r.round.point = r.round.members + 1 // no version is 0
	r.ask(g)
	r.finish(g)
	r.rearm()
}

// ask asks this member, and the others unless that is enough.
func (r *reads) ask(g *Group) {
	if g.system.peers.Contains(g.cfg.Me) && !g.newcomer.active {
		r.answer(g, g.cfg.Me, g.readPoint())
	}
	if r.round.active {
		g.send(&paxos.Message{Kind: paxos.ReadAsk, Instance: g.core.Instance(), Ballot: paxos.Ballot{Number: r.number}})
	}
}

// repeat asks once more, and counts the answers to every question of the round:
// all who wait for it had come before the first. A new round would never end
// where the answers take longer than its time.
func (r *reads) repeat(g *Group) {
	r.round.wait = min(2*r.round.wait, readRepeat)
	r.round.until = g.now + r.round.wait
	r.ask(g)
}

// readPoint is what this node answers as a member.
func (g *Group) readPoint() uint64 {
	if accepted, _ := g.core.Accepted(); !accepted.IsNull() || g.core.Chosen() != nil {
		return g.core.Instance() + 1
	}
	return g.core.Instance()
}

// onReadAsk answers for this member. A vote that is not on disk yet counts,
// too: that only makes the reader wait for more.
func (g *Group) onReadAsk(m *paxos.Message) {
	if !g.isPeer(g.cfg.Me) || g.newcomer.active {
		return // what this node has forgotten it cannot answer for
	}
	g.send(&paxos.Message{Kind: paxos.ReadReply, To: m.From, Instance: g.core.Instance(),
		Ballot: paxos.Ballot{Number: m.Ballot.Number}, Now: g.readPoint()})
}

func (g *Group) onReadReply(m *paxos.Message) {
	if g.reads.round.active && m.Ballot.Number == g.reads.number && g.system.peers.Contains(m.From) {
		g.reads.answer(g, m.From, m.Now)
	}
}

// answer counts a member's answer.
func (r *reads) answer(g *Group, from nodeid.ID, point uint64) {
	for _, id := range r.round.heard {
		if id == from {
			return
		}
	}
	r.round.heard = append(r.round.heard, from)
	r.round.point = max(r.round.point, point)
	if len(r.round.heard) < g.system.peers.Quorum() {
		return
	}
	r.round.active = false
	r.settled = append(r.settled, readPoint{tickets: r.round.tickets, point: r.round.point,
		members: r.round.members, driveAt: g.now + readDrive})
	r.round.tickets = nil
}

// askAgain gives the round under way up: it counts answers of other members.
func (r *reads) askAgain() {
	if r.round.active {
		r.waiting = append(r.round.tickets, r.waiting...)
		r.round.active, r.round.tickets = false, nil
	}
}

// finish ends the reads whose instance is reached, or sends them into the
// next round if the wrong members were asked. Nothing ends while a state machine
// lacks what was executed.
func (r *reads) finish(g *Group) {
	if !g.exec.level() || g.history.active {
		return
	}
	kept := r.settled[:0]
	for _, s := range r.settled {
		switch {
		case g.core.Instance() >= s.point && s.members != g.system.v.Version:
			r.waiting = append(r.waiting, s.tickets...)
		case g.core.Instance() >= s.point:
			for _, t := range s.tickets {
				t.Instance = g.core.Instance()
				g.finish(t, nil)
			}
		default:
			kept = append(kept, s)
		}
	}
	clear(r.settled[len(kept):])
	r.settled = kept
}

// tick gives up rounds that too few answer, drives instances that nobody
// decides, and ends reads whose time is up.
func (r *reads) tick(g *Group) {
	if r.deadline == 0 || g.now < r.deadline || g.err != nil {
		return
	}
	switch late := r.round.active && g.now >= r.round.until; {
	case late && r.mayPropose(g):
		tickets := r.round.tickets
		r.round.active, r.round.tickets = false, nil
		r.logUntil = g.now + readLogOnly
		r.throughLog(g, tickets)
	case late:
		r.repeat(g)
	}
	for i := range r.settled {
		if s := &r.settled[i]; g.now >= s.driveAt {
			s.driveAt = g.now + readDrive
			g.core.CatchUp()
			r.drive(g)
		}
	}
	r.expire(g)
	r.rearm()
}

func (r *reads) mayPropose(g *Group) bool {
	return g.cfg.Following == nodeid.None && g.core.Members().Contains(g.cfg.Me) && !g.leased() && !g.system.isAhead && g.newcomer.proposes(g)
}

// empty is a value of this node that no state machine sees. The nonce tells
// it from those of others, which may have been chosen long ago.
func (g *Group) empty() *Ticket {
	nonce := make([]byte, nonceBytes)
	for i := range nonce {
		nonce[i] = byte(g.cfg.Rand.IntN(256))
	}
	return &Ticket{SM: sm.None, Value: nonce}
}

// throughLog proposes an empty value; its execution ends the reads.
func (r *reads) throughLog(g *Group, tickets []*Ticket) {
	t := g.empty()
	// The reads end in time by themselves; this value must not outlive them
	// in a queue that never moves.
	t.Deadline = g.now + readLogOnly
	s := &logRead{tickets: tickets}
	t.done = func(t *Ticket) {
		r.logged = slices.DeleteFunc(r.logged, func(l *logRead) bool { return l == s })
		if t.Err != nil {
			r.waiting, r.logUntil = append(r.waiting, s.tickets...), 0
			return
		}
		// The value may share its instance with others that are not executed yet.
		r.settled = append(r.settled, readPoint{tickets: s.tickets, point: t.Instance + 1,
			members: g.system.v.Version, driveAt: g.now + readDrive})
	}
	r.logged = append(r.logged, s)
	g.Propose(t)
}

// drive proposes an empty value where an instance has votes and nobody who
// finishes it.
func (r *reads) drive(g *Group) {
	if r.driving || !r.mayPropose(g) || len(g.queue.waiting) > 0 || g.queue.current.active {
		return
	}
	t := g.empty()
	t.Deadline = g.now + readLogOnly
	t.done = func(*Ticket) { r.driving = false }
	r.driving = true
	g.observe(event.Event{Kind: event.ReadDrive, Instance: g.core.Instance()})
	g.Propose(t)
}

// lists are all places where a read can be.
func (r *reads) lists() []*[]*Ticket {
	all := []*[]*Ticket{&r.waiting, &r.round.tickets}
	for i := range r.settled {
		all = append(all, &r.settled[i].tickets)
	}
	for _, l := range r.logged {
		all = append(all, &l.tickets)
	}
	return all
}

// remove takes a read out, wherever it is.
func (r *reads) remove(t *Ticket) bool {
	for _, list := range r.lists() {
		if i := slices.Index(*list, t); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
			return true
		}
	}
	return false
}

func (r *reads) expire(g *Group) {
	for _, list := range r.lists() {
		*list = slices.DeleteFunc(*list, func(t *Ticket) bool {
			late := t.Deadline != 0 && g.now >= t.Deadline
			if late {
				g.finish(t, ErrTimeout)
			}
			return late
		})
	}
}

// drain ends every read with err.
func (r *reads) drain(g *Group, err error) {
	for _, list := range r.lists() {
		for _, t := range *list {
			g.finish(t, err)
		}
	}
	*r = reads{number: r.number}
}

// rearm finds out when tick has something to do.
func (r *reads) rearm() {
	r.deadline = 0
	if !r.round.active && len(r.waiting) == 0 && len(r.settled) == 0 && len(r.logged) == 0 {
		return // nobody reads; rearm is called for every flush, and the list below costs
	}
	at := func(d time.Duration) {
		if d != 0 && (r.deadline == 0 || d < r.deadline) {
			r.deadline = d
		}
	}
	if r.round.active {
		at(r.round.until)
	}
	for i := range r.settled {
		at(r.settled[i].driveAt)
	}
	for _, list := range r.lists() {
		for _, t := range *list {
			at(t.Deadline)
		}
	}
}
