package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// earlyLife is how long a value that came early is kept. A proposer that has
// not named it by then waits for something slow, or is gone.
const earlyLife = 10 * time.Second

// early is for large values. Most of their time goes by until their bytes are
// where the votes are; meanwhile the disks have nothing to do, and while the
// disks work nobody sends. So while one instance waits for the disks, the
// proposer packs the batch after it and sends it to the other members under a
// number (EarlyValue). The accept then names that number (AcceptEarly). Who
// lacks the value says so (EarlyMissed) and is sent the whole accept.
//
// The core does not know: an accept leaves it here, and the same accept comes
// in there. It is the same because a number stands for one value. Numbers of
// one life count up from a random one, so no value of an earlier life, which a
// member may still keep, has one of them; and every byte of both packets is
// covered by our CRC-32C. Still there is one instance at a time.
//
// Only members that are known to be nodes of this library are sent any of it,
// see Group.covered.
type early struct {
	number uint64     // that was given last, 0 before the first one
	kept   earlyValue // what another member sent last
}

// earlyValue is a value without an accept. One for each group is enough:
// where two nodes propose at once other things are slower.
type earlyValue struct {
	from   nodeid.ID
	number uint64 // 0 if there is none
	value  []byte
	until  time.Duration
}

// Early reports whether SendEarly has something to do: values are large, a
// round is under way that this node is likely to win as it won the last one,
// and another batch waits that hardly more can be added to.
func (g *Group) Early() bool {
	n, _ := g.fitEarly()
	return n > 0
}

// fitEarly is queue.fit for a batch to send early; n is 0 if there is none.
func (g *Group) fitEarly() (n, size int) {
	q := &g.queue
	if least := g.cfg.EarlyBytesMin; least <= 0 || len(q.current.value) < least || q.next.number != 0 || !q.won {
		return 0, 0
	}
	if g.err != nil || len(q.waiting) == 0 || g.internal(q.waiting[0].SM) {
		return 0, 0
	}
	if g.cfg.ChangeBeforePropose || !g.cfg.PacketCRC || len(g.core.Members()) < 2 || !g.covered() {
		return 0, 0
	}
	n, size, full := q.fit(g)
	if !full || size < g.cfg.EarlyBytesMin {
		return 0, 0
	}
	return n, size
}

// SendEarly packs the next batch and sends it to the other members, if Early.
// A driver that calls it after Flush, and behind everything that is more
// urgent, saves the next round that time.
func (g *Group) SendEarly() {
	n, size := g.fitEarly()
	if n == 0 {
		return
	}
	q := &g.queue
	b := q.pack(g, q.waiting[:n], size)
	b.number = g.early.next(g)
	for _, t := range b.tickets {
		t.early = b.number
	}
	q.next = b
	g.send(&paxos.Message{Kind: paxos.EarlyValue, Instance: g.core.Instance(), Value: b.value, Early: b.number})
}

// next returns the number for another value.
func (e *early) next(g *Group) uint64 {
	if e.number == 0 {
		e.number = nonce(g.cfg.Rand)
	}
	e.number++
	return e.number
}

// begins reports whether b was sent early and is made of the tickets that wait
// first. A ticket that came back may have been proposed again with another
// value, so its address alone does not say that.
func (b *batch) begins(waiting []*Ticket) bool {
	if b.number == 0 || len(waiting) < len(b.tickets) {
		return false
	}
	for i, t := range b.tickets {
		if waiting[i] != t || t.early != b.number {
			return false
		}
	}
	return true
}

// name returns the message that goes in place of m, the first accept for a
// value that was sent early. Later accepts for it go whole: that there is
// another one means that something went wrong.
func (b *batch) name(m *paxos.Message) (short paxos.Message, ok bool) {
	if m.Kind != paxos.Accept || b.number == 0 || b.accept.Kind != 0 || !b.carries(m.Value) {
		return short, false
	}
	b.accept = *m
	return paxos.Message{Kind: paxos.AcceptEarly, From: m.From, To: m.To, Instance: m.Instance,
		Ballot: m.Ballot, LastChecksum: m.LastChecksum, Chain: m.Chain, Sum: m.Sum, Early: b.number}, true
}

// carries: value is this batch's very memory.
func (b *batch) carries(value []byte) bool {
	return len(value) > 0 && len(value) == len(b.value) && &value[0] == &b.value[0]
}

// onEarlyMissed sends the whole accept to a member that lacks the value which
// the accept named.
func (g *Group) onEarlyMissed(m *paxos.Message) {
	b := &g.queue.current
	if !b.active || b.number != m.Early || b.accept.Kind == 0 || !g.core.Members().Contains(m.From) {
		return
	}
	whole := b.accept
	whole.To = m.From
	g.send(&whole)
}

// onEarlyValue keeps a value for the accept that will name it.
func (g *Group) onEarlyValue(m *paxos.Message) {
	if m.Early == 0 || len(m.Value) == 0 || !m.Checked || g.cfg.Following != nodeid.None || !g.isPeer(m.From) {
		return
	}
	g.early.kept = earlyValue{m.From, m.Early, m.Value, g.now + earlyLife}
}

// spell turns an AcceptEarly into the accept that it stands for.
func (g *Group) spell(m *paxos.Message) bool {
	k := &g.early.kept
	if m.Checked && k.number != 0 && k.number == m.Early && k.from == m.From {
		m.Kind, m.Value = paxos.Accept, k.value
		*k = earlyValue{}
		return true
	}
	if m.Instance >= g.core.Instance() && g.isPeer(m.From) && g.cfg.Following == nodeid.None {
		g.send(&paxos.Message{Kind: paxos.EarlyMissed, To: m.From, Instance: g.core.Instance(), Early: m.Early})
	}
	return false
}

// tick forgets a value that nobody has named.
func (e *early) tick(now time.Duration) {
	if e.kept.number != 0 && now >= e.kept.until {
		e.kept = earlyValue{}
	}
}
