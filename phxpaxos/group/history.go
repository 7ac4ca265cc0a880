package group

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group/history"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	comparePatience = 10 * time.Second // for the members' statements: a restart takes less
	compareRepeat   = time.Second      // for asking again those that have not answered
	compareMute     = time.Minute      // disputes with a node after a comparison that it caused, or that found it outside
)

// comparer compares the full history with the other members once a message has
// stated one that differs from this node's. What the message said had no
// effect; it is one node's word. So the comparer asks all members for their
// chains of the block of instances in question, and package history decides on
// all statements who stops.
//
// Until the verdict this node executes nothing, begins no round, drops what it
// receives but statements and heartbeats, teaches nothing, finishes no read and
// is no master. This is safe, since to the others it is a node that receives
// nothing; a round whose accept left before may still be decided, by votes of
// nodes that stated no other history. It is live: where a majority agrees, the
// verdict takes one exchange with the members of that majority, and otherwise
// nothing can be decided anyway; comparePatience bounds it in any case.
//
// Only members start a comparison or count in one, and only by packets with our
// CRC.
type comparer struct {
	active   bool
	number   uint64 // of the comparison; replies echo it
	peer     nodeid.ID
	at       uint64 // the disputed instance
	state    bool   // the dispute is about the state after it
	block    uint64 // first instance of the block that is compared
	until    time.Duration
	deadline time.Duration // of the next step, 0 if there is none
	answers  []statement
	muted    []stray // by when their dispute ended

	own     wire.History // as it was read last
	ownAt   [2]uint64    // instance and Readable then
	states  [wire.StatesMax]wire.StateDigest
	decoded wire.History
}

// statement is what a member states of a block.
type statement struct {
	from   nodeid.ID
	chains []history.Point
	states [wire.StatesMax]wire.StateDigest
}

// setFullHistory switches the full history on or off: a 64-bit hash over every
// byte of every value, which nodes state and compare when they vote, learn,
// announce, catch up and send heartbeats. It may be called at any time; chains
// then begin at the next multiple of paxos.HistoryBlock. It takes effect only
// with Config.PacketCRC, since a packet without our CRC is the original's byte
// for byte. While it is off, packets and records are those of a node that does
// not know it.
func (g *Group) setFullHistory(on bool) {
	on = on && g.cfg.PacketCRC
	g.cfg.FullHistory = on
	g.core.SetHistory(on)
	if !on {
		g.history = comparer{number: g.history.number}
	}
}

// Standing is where this group is, by its full history.
func (g *Group) Standing() wire.Standing {
	return wire.Standing{Group: g.cfg.Index, Instance: g.core.Instance(), Chain: g.core.LastChain(), State: g.history.states[0]}
}

// Compare takes where a node says that its group of this index is, from a
// heartbeat.
func (g *Group) Compare(node nodeid.ID, s wire.Standing) {
	if g.err != nil || !g.cfg.FullHistory {
		return
	}
	if s.Instance > 0 && unlike(s.Chain, g.chainThrough(s.Instance-1)) {
		g.history.dispute(g, node, s.Instance-1, false)
	}
	for _, own := range g.history.states {
		if own.Differs(s.State) {
			g.history.dispute(g, node, own.Instance, true)
		}
	}
}

// unlike compares two hashes; one that is not known is unlike nothing.
func unlike(a, b uint64) bool { return a != 0 && b != 0 && a != b }

// chainThrough is the chain of the full history through an instance, 0 if it
// is not known.
func (g *Group) chainThrough(instance uint64) uint64 {
	switch {
	case instance+1 == g.core.Instance():
		return g.core.LastChain()
	case instance < g.minChosen || instance >= g.Readable():
		return 0
	}
	r, ok := g.kept(instance)
	if !ok {
		return 0
	}
	return r.Chain
}

// kept reads a final record; ok is false if it cannot be read. A record whose
// value is not the one that this node accepted stops the group: its state
// machines may have executed that value.
func (g *Group) kept(instance uint64) (r paxos.Record, ok bool) {
	r, err := g.record(instance)
	if errors.Is(err, paxos.ErrCorrupt) {
		g.observe(event.Event{Kind: event.ValueDiffers, Instance: instance, Err: err})
		g.stop(err)
	}
	return r, err == nil
}

// authentic checks a record's value against the hash that was taken when this
// node accepted it. The storage's checksum cannot find a value that changed in
// memory on its way to the storage.
func (g *Group) authentic(r *paxos.Record) error {
	if !g.cfg.FullHistory {
		r.Chain, r.Sum = 0, 0 // written while it was on
	}
	if r.Sum == 0 {
		return nil
	}
	if sum := paxos.ValueHash(r.Value); sum != r.Sum {
		return fmt.Errorf("%w: the value has hash %016x, its record says %016x; restore the directory, or remove the group's log to fetch it from another node",
			paxos.ErrCorrupt, sum, r.Sum)
	}
	return nil
}

// disputed takes the dispute that a message has raised in the core.
func (h *comparer) disputed(g *Group) {
	if d, ok := g.core.TakeDispute(); ok {
		h.dispute(g, d.Peer, d.Instance, false)
	}
}

// asked compares the chain that a learner states with the record of this node
// at the learner's instance, and reports whether the learner may be taught.
func (h *comparer) asked(g *Group, m *paxos.Message) bool {
	if !g.cfg.FullHistory || m.Chain == 0 || m.Instance == 0 || !unlike(m.Chain, g.chainThrough(m.Instance-1)) {
		return true
	}
	h.dispute(g, m.From, m.Instance-1, false)
	h.answer(g, m.From, 0, m.Instance-1) // a node that only follows learns of it by this
	return false
}

// holdsBack reports whether messages of a kind are dropped for now.
func (h *comparer) holdsBack(kind paxos.Kind) bool {
	return h.active && kind != paxos.HistoryCompare && kind != paxos.HistoryCompareReply && kind != paxos.Digest
}

// dispute begins a comparison, unless one is under way, or the peer is no
// member, or the same peer caused one just now.
func (h *comparer) dispute(g *Group, peer nodeid.ID, at uint64, state bool) {
	member := g.core.Members().Contains(peer) || peer == g.cfg.Following
	if h.active || g.err != nil || !g.cfg.FullHistory || !member {
		return
	}
	h.muted = slices.DeleteFunc(h.muted, func(s stray) bool { return g.now-s.seen >= compareMute })
	if slices.ContainsFunc(h.muted, func(s stray) bool { return s.id == peer }) {
		return
	}
	g.observe(event.Event{Kind: event.HistoryDiffers, Peer: peer, Instance: at})
	if h.number == 0 {
		h.number = nonce(g.cfg.Rand)
	}
	h.number++
	h.active, h.peer, h.at, h.state, h.answers = true, peer, at, state, nil
	h.block = at - at%paxos.HistoryBlock
	h.until = g.now + comparePatience
	h.ask(g)
}

// ask states this node's chains to the members and asks for theirs.
func (h *comparer) ask(g *Group) {
	h.deadline = min(g.now+compareRepeat, h.until)
	value := wire.AppendHistory(nil, h.read(g, h.block))
	for _, id := range g.core.Members() {
		if g.err == nil && id != g.cfg.Me && !slices.ContainsFunc(h.answers, func(s statement) bool { return s.from == id }) {
			g.send(&paxos.Message{Kind: paxos.HistoryCompare, To: id, Instance: g.core.Instance(),
				Ballot: paxos.Ballot{Number: h.number}, Value: value})
		}
	}
}

// answer states this node's chains of the block of an instance.
func (h *comparer) answer(g *Group, to nodeid.ID, number, instance uint64) {
	value := wire.AppendHistory(nil, h.read(g, instance-instance%paxos.HistoryBlock))
	if g.err == nil {
		g.send(&paxos.Message{Kind: paxos.HistoryCompareReply, To: to, Instance: g.core.Instance(),
			Ballot: paxos.Ballot{Number: number}, Value: value})
	}
}

// read is what this node knows of a block. It reads at most as many records as
// a block has instances, and none if they were read just now.
func (h *comparer) read(g *Group, block uint64) *wire.History {
	at := [2]uint64{g.core.Instance(), g.Readable()}
	if h.own.First != block || h.ownAt != at || len(h.own.Chains) == 0 {
		h.own.First, h.ownAt, h.own.Chains = block, at, h.own.Chains[:0]
		for i := block; i < min(block+paxos.HistoryBlock, at[0]); i++ {
			h.own.Chains = append(h.own.Chains, g.chainThrough(i))
		}
	}
	h.own.States = h.states
	return &h.own
}

// hear takes a member's statement, and answers if it asks for this node's.
func (h *comparer) hear(g *Group, m *paxos.Message) {
	if !g.cfg.FullHistory || !m.Checked {
		return
	}
	s := &h.decoded
	if err := wire.DecodeHistory(m.Value, s); err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Peer: m.From, Size: len(m.Value), Err: err})
		return
	}
	asks := m.Kind == paxos.HistoryCompare
	if asks {
		h.answer(g, m.From, m.Ballot.Number, s.First)
	}
	if g.err != nil || !g.core.Members().Contains(m.From) {
		return
	}
	if !h.active {
		if at, state, differ := h.contradicts(g, s); differ {
			h.dispute(g, m.From, at, state)
		}
	}
	if !h.active || s.First != h.block || !asks && m.Ballot.Number != h.number && m.Ballot.Number != 0 {
		return
	}
	h.answers = slices.DeleteFunc(h.answers, func(a statement) bool { return a.from == m.From })
	h.answers = append(h.answers, statement{m.From, chainPoints(s), s.States})
	h.judge(g, false)
}

// contradicts finds the last instance at which a statement differs from what
// this node knows.
func (h *comparer) contradicts(g *Group, s *wire.History) (at uint64, state, differ bool) {
	own := h.read(g, s.First)
	for i := min(len(own.Chains), len(s.Chains)) - 1; i >= 0; i-- {
		if unlike(own.Chains[i], s.Chains[i]) {
			return s.First + uint64(i), false, true
		}
	}
	for _, a := range own.States {
		for _, b := range s.States {
			if a.Differs(b) {
				return a.Instance, true, true
			}
		}
	}
	return 0, false, false
}

func chainPoints(s *wire.History) (points []history.Point) {
	for i, c := range s.Chains {
		if c != 0 {
			points = append(points, history.Point{Instance: s.First + uint64(i), Hash: c})
		}
	}
	return points
}

// statePoints are states in ascending order, as far as own ones are of their
// scheme.
func statePoints(states, own *[wire.StatesMax]wire.StateDigest) (points []history.Point) {
	for _, d := range states {
		same := func(o wire.StateDigest) bool {
			return o.Digest != 0 && o.Instance == d.Instance && o.Scheme == d.Scheme
		}
		if d.Digest != 0 && slices.ContainsFunc(own[:], same) {
			points = append(points, history.Point{Instance: d.Instance, Hash: d.Digest})
		}
	}
	slices.SortFunc(points, func(a, b history.Point) int {
		if a.Instance < b.Instance {
			return -1
		}
		return 1
	})
	return points
}

// judge decides on what has been stated so far.
func (h *comparer) judge(g *Group, expired bool) {
	members := g.core.Members()
	own := h.read(g, h.block)
	if g.err != nil {
		return // a record of this node is not what it accepted
	}
	c := history.Comparison{Own: chainPoints(own), Votes: members.Contains(g.cfg.Me), Quorum: members.Quorum(), At: h.at, Expired: expired}
	s := history.Comparison{Own: statePoints(&h.states, &h.states), Votes: c.Votes, Quorum: c.Quorum, At: h.at, Expired: expired}
	var others []nodeid.ID
	for _, id := range members {
		if id == g.cfg.Me {
			continue
		}
		others = append(others, id)
		a, b := history.Member{}, history.Member{}
		if i := slices.IndexFunc(h.answers, func(s statement) bool { return s.from == id }); i >= 0 {
			a, b = history.Member{Answered: true, Points: h.answers[i].chains}, history.Member{Answered: true, Points: statePoints(&h.answers[i].states, &h.states)}
		}
		c.Others, s.Others = append(c.Others, a), append(s.Others, b)
	}
	if h.state {
		c.At = history.NoPoint
	} else {
		s.At = history.NoPoint
	}
	of, verdict := "history", history.Decide(c)
	if verdict.Outcome == history.GoOn {
		if states := history.Decide(s); states.Outcome != history.GoOn || len(states.Outside) > 0 {
			states.Outside = append(states.Outside, verdict.Outside...)
			of, verdict = "state", states
		}
	}
	h.follow(g, of, &verdict, others)
}

// follow does what a verdict says.
func (h *comparer) follow(g *Group, of string, v *history.Verdict, others []nodeid.ID) {
	switch v.Outcome {
	case history.Outvoted:
		g.observe(event.Event{Kind: event.ChecksumMismatch, Instance: v.Instance, Peer: h.peer})
		g.stop(fmt.Errorf("%w: a majority of the members has another %s from instance %d on; remove this group's data and log, so that it fetches both from them",
			paxos.ErrDiverged, of, v.Instance))
	case history.Split:
		g.observe(event.Event{Kind: event.ChecksumMismatch, Instance: v.Instance, Peer: h.peer})
		g.stop(fmt.Errorf("%w: no majority of the members has the same %s from instance %d on; find out which node's is right, and remove the group's data and log on the others",
			paxos.ErrDiverged, of, v.Instance))
	case history.GoOn:
		outside := slices.Compact(slices.Sorted(slices.Values(v.Outside)))
		h.mute(h.peer, g.now)
		for _, i := range outside {
			h.mute(others[i], g.now)
		}
		h.active, h.deadline, h.answers = false, 0, nil
		g.observe(event.Event{Kind: event.HistoryCompared, Peer: h.peer, Instance: h.at, Number: uint64(len(outside))})
		g.core.CatchUp() // what was sent meanwhile has been dropped
	}
}

func (h *comparer) mute(id nodeid.ID, now time.Duration) {
	h.muted = slices.DeleteFunc(h.muted, func(s stray) bool { return s.id == id })
	h.muted = append(h.muted, stray{id, now})
}

// tick asks again, and ends the comparison when its time is up.
func (h *comparer) tick(g *Group) {
	if !h.active || g.err != nil || g.now < h.deadline {
		return
	}
	if g.now < h.until {
		h.ask(g)
		return
	}
	h.judge(g, true)
}
