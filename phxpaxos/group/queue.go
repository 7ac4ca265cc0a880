package group

import (
	"bytes"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// queue holds the proposals that wait, and the batch that is under way.
type queue struct {
	waiting  []*Ticket // in the order of Propose
	current  batch
	next     batch         // sent early; its tickets are the first ones of waiting, unless that has changed
	won      bool          // the last instance was closed with this node's value
	deadline time.Duration // earliest deadline of a ticket, 0 for none
	batchAt  time.Duration // when a batch that waits for company starts, 0 for none
	entries  []wire.BatchEntry
}

// batch is one value under way, and whose it is.
type batch struct {
	active  bool
	value   []byte    // packed
	around  []byte    // value is its end; the rest is room for one packet around it, nil once that was made
	tickets []*Ticket // by index in the value; nil for one that was cancelled
	since   time.Duration
	number  uint64        // under which value was sent early, 0 if it was not
	accept  paxos.Message // the accept that named it, if there was one
}

// entryOverhead is what one member of a batch takes besides its bytes.
const entryOverhead = 24

func (q *queue) add(t *Ticket) {
	q.waiting = append(q.waiting, t)
	q.watch(t)
}

func (q *queue) watch(t *Ticket) {
	if t.Deadline != 0 && (q.deadline == 0 || t.Deadline < q.deadline) {
		q.deadline = t.Deadline
	}
}

// remove takes a ticket out, wherever it is.
func (q *queue) remove(t *Ticket) bool {
	for i, w := range q.waiting {
		if w == t {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return true
		}
	}
	for i, c := range q.current.tickets {
		if c == t {
			q.current.tickets[i] = nil
			return true
		}
	}
	return false
}

// abandoned: nobody waits for the value under way any more.
func (q *queue) abandoned() bool {
	if !q.current.active || len(q.current.tickets) == 0 {
		return false
	}
	for _, t := range q.current.tickets {
		if t != nil {
			return false
		}
	}
	return true
}

// expire ends the tickets whose time is up. The clock runs for every ticket,
// also while this node is catching up and proposes nothing.
func (q *queue) expire(g *Group) {
	if q.deadline == 0 || g.now < q.deadline {
		return
	}
	q.deadline = 0
	var late []*Ticket
	for _, list := range [][]*Ticket{q.waiting, q.current.tickets} {
		for _, t := range list {
			switch {
			case t == nil:
			case t.Deadline != 0 && g.now >= t.Deadline:
				late = append(late, t)
			default:
				q.watch(t)
			}
		}
	}
	for _, t := range late {
		g.observe(event.Event{Kind: event.CommitTimeout, Instance: g.core.Instance()})
		g.Cancel(t, ErrTimeout)
	}
}

// start begins a round with what waits, if none is under way and this node
// knows of nothing that it lacks.
func (q *queue) start(g *Group) {
	q.batchAt = 0
	if len(q.waiting) == 0 {
		q.next = batch{} // its callers have given up
	}
	if g.err != nil || q.current.active || len(q.waiting) == 0 || g.core.Chosen() != nil || g.history.active {
		return
	}
	if g.cfg.ChangeBeforePropose && !g.exec.level() {
		return // a state machine that lacks something would be asked to change values
	}
	if !g.core.IsLatest() || g.system.isAhead {
		g.core.CatchUp()
		return
	}
	q.dropStale(g)
	if g.cfg.Fence && !g.isMaster() {
		q.unfenced(g)
	}
	if len(q.waiting) == 0 || g.leased() {
		return
	}
	if !g.core.Members().Contains(g.cfg.Me) {
		q.drain(g, ErrNotMember)
		return
	}
	if !g.newcomer.proposes(g) {
		return // the waiting goes on, as long as their time lasts
	}
	if v := g.system.birth(g); v != nil {
		// The first value of a cluster with a kept membership is the
		// membership itself (spec/protocol.md section 6.2).
		q.propose(g, batch{active: true, value: v, since: g.now})
		return
	}
	if q.gather(g) {
		return
	}
	q.propose(g, q.take(g))
}

// dropStale ends elections that follow another one than the last: they were
// overtaken while they waited. With a stated last version (the original's
// repair of nodes that lost theirs) they would even win, while the lease of
// the one between runs.
func (q *queue) dropStale(g *Group) {
	if g.election.bid == nil && g.election.handing == nil {
		return // only this node's own elections are ever in the queue
	}
	for i := 0; i < len(q.waiting); i++ {
		if t := q.waiting[i]; t.SM == sm.Master && t.version != g.master.v.Version {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			g.finish(t, ErrMasterChanged)
			i--
		}
	}
}

// unfenced ends the proposals that need the mastership, which is gone.
func (q *queue) unfenced(g *Group) {
	kept := q.waiting[:0]
	for _, t := range q.waiting {
		if t.done != nil || t.SM == sm.Master {
			kept = append(kept, t)
		} else {
			g.finish(t, ErrNotMaster)
		}
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
}

// gather reports whether to wait for more company. A lone proposal never
// waits, nor does anything longer than BatchDelay.
func (q *queue) gather(g *Group) bool {
	if g.cfg.BatchDelay == 0 || len(q.waiting) < 2 || len(q.waiting) >= g.cfg.BatchCountMax {
		return false
	}
	size := 0
	for _, t := range q.waiting {
		size += len(t.Value)
	}
	at := q.waiting[0].queued + g.cfg.BatchDelay
	if size >= g.cfg.BatchBytesMax || g.now >= at {
		return false
	}
	q.batchAt = at
	return true
}

// fit says how many of the waiting tickets make the next value, how large that
// is at most, and whether it is one that hardly more could be added to.
func (q *queue) fit(g *Group) (n, size int, full bool) {
	size = 4
	for n < len(q.waiting) {
		// Membership and elections stay alone, as the original has them, and so
		// do changes of the feature level.
		if n > 0 && (g.alone(q.waiting[n]) || g.alone(q.waiting[0])) {
			return n, size, true
		}
		next := size + len(q.waiting[n].Value) + entryOverhead
		if n > 0 && (next > g.cfg.ValueBytesMax || size >= g.cfg.BatchBytesMax || n >= g.cfg.BatchCountMax) {
			return n, size, true
		}
		size = next
		n++
	}
	return n, size, 4*size >= 3*g.cfg.BatchBytesMax || 4*n >= 3*g.cfg.BatchCountMax
}

// alone reports whether a proposal never shares an instance.
func (g *Group) alone(t *Ticket) bool {
	return g.internal(t.SM) || t.SM == sm.None && feature.IsMarked(t.Value)
}

// take makes one value of the first tickets that fit, or takes the one that
// was made early.
func (q *queue) take(g *Group) batch {
	b := q.next
	q.next = batch{}
	if !b.begins(q.waiting) {
		n, size, _ := q.fit(g)
		b = q.pack(g, q.waiting[:n], size)
	}
	b.active, b.since = true, g.now
	n := len(b.tickets)
	for _, t := range b.tickets {
		g.observe(event.Event{Kind: event.BatchWait, Took: g.now - t.queued})
	}
	if n > 1 {
		g.observe(event.Event{Kind: event.BatchSend, Size: n})
	}
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return b
}

// pack makes one value of tickets, which needs size bytes at most.
func (q *queue) pack(g *Group, tickets []*Ticket, size int) batch {
	b := batch{tickets: append([]*Ticket(nil), tickets...)}
	q.entries = q.entries[:0]
	for _, t := range tickets {
		q.entries = append(q.entries, wire.BatchEntry{SM: t.SM, Value: t.Value})
	}
	g.beforePropose(q.entries)
	room := make([]byte, wire.RoomFront, wire.RoomFront+size+wire.RoomBack)
	if len(tickets) == 1 { // the original does not wrap a single value
		b.around = wire.AppendValue(room, q.entries[0].SM, q.entries[0].Value)
	} else {
		b.around = wire.AppendBatch(room, q.entries)
	}
	clear(q.entries)
	b.value = b.around[wire.RoomFront:len(b.around):len(b.around)]
	return b
}

// packet is the packet of a message, made around the value of a batch if it
// carries that, else a copy.
func (q *queue) packet(g *Group, m *paxos.Message) []byte {
	b := &q.current
	if m.Kind == paxos.EarlyValue {
		b = &q.next
	}
	if (m.Kind == paxos.Accept || m.Kind == paxos.EarlyValue) && cap(b.around)-len(b.around) >= wire.RoomBack && b.carries(m.Value) {
		around := b.around
		b.around = nil
		return wire.Around(around, wire.RoomFront, g.header(), m)
	}
	size := len(m.Value) + len(m.SystemVariables) + len(m.MasterVariables) + len(m.Features) + messageOverhead
	return wire.AppendMessage(make([]byte, 0, size), g.header(), m)
}

// beforePropose lets the state machines that want it replace a value: one
// call for each of them, on its first value, as the original does.
func (g *Group) beforePropose(entries []wire.BatchEntry) {
	if !g.cfg.ChangeBeforePropose {
		return
	}
	var called []sm.ID
next:
	for i := range entries {
		for _, id := range called {
			if id == entries[i].SM {
				continue next
			}
		}
		called = append(called, entries[i].SM)
		if h, ok := g.exec.machine(entries[i].SM).(sm.BeforeProposer); ok {
			entries[i].Value = h.BeforePropose(g.cfg.Index, entries[i].Value)
		}
	}
}

func (q *queue) propose(g *Group, b batch) {
	q.current = b
	g.core.Propose(b.value)
}

// decided sorts out whose value an instance was closed with, and returns the
// tickets by index if it was the own one. The others go on in the next
// instance, before everything that waits: their value cannot be chosen in
// this one any more, so proposing it again cannot repeat it (hazard H7).
func (q *queue) decided(g *Group, c *paxos.Chosen) []*Ticket {
	b := q.current
	q.won = b.active && c.Own && bytes.Equal(b.value, c.Value)
	if !b.active {
		return nil
	}
	if q.won {
		g.observe(event.Event{Kind: event.ChosenOwn, Instance: c.Instance, Took: g.now - b.since})
		return b.tickets
	}
	g.observe(event.Event{Kind: event.ChosenOther, Instance: c.Instance})
	q.current = batch{}
	again := make([]*Ticket, 0, len(b.tickets)+len(q.waiting))
	for _, t := range b.tickets {
		if t == nil {
			continue
		}
		g.observe(event.Event{Kind: event.CommitConflict, Instance: c.Instance})
		if t.lost++; t.Attempts != 0 && t.lost >= t.Attempts {
			g.finish(t, ErrConflict)
			continue
		}
		again = append(again, t)
	}
	q.waiting = append(again, q.waiting...)
	return nil
}

// drain ends every ticket with err.
func (q *queue) drain(g *Group, err error) {
	for _, t := range q.current.tickets {
		if t != nil {
			g.finish(t, err)
		}
	}
	for _, t := range q.waiting {
		g.finish(t, err)
	}
	*q = queue{}
}
