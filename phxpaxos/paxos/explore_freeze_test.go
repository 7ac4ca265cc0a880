package paxos

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/timer"
)

// freezer turns a node into bytes and back. One walk over the fields does
// both, so that the two cannot differ. Equal bytes are equal nodes: whatever
// cannot influence what a node does later is left out (see exploreFields).
type freezer struct {
	x    *explorer
	data []byte
	at   int  // read up to here
	thaw bool // bytes to node
}

func (f *freezer) byte(b *uint8) {
	if f.thaw {
		*b = f.data[f.at]
		f.at++
		return
	}
	f.data = append(f.data, *b)
}

func (f *freezer) number(n *uint64) {
	b := uint8(*n)
	if uint64(b) != *n {
		panic(fmt.Sprintf("explore: %d is more than the freezer can hold", *n))
	}
	f.byte(&b)
	*n = uint64(b)
}

func (f *freezer) length(n *int) {
	u := uint64(*n)
	f.number(&u)
	*n = int(u)
}

func (f *freezer) flags(flags ...*bool) {
	var b uint8
	for i, p := range flags {
		if *p {
			b |= 1 << i
		}
	}
	f.byte(&b)
	for i, p := range flags {
		*p = b>>i&1 != 0
	}
}

func (f *freezer) ballot(b *Ballot) {
	f.number(&b.Number)
	node := uint64(b.Node)
	f.number(&node)
	b.Node = nodeid.ID(node)
}

// checksum keeps the place of a checksum in the explorer's list: they are
// many bytes and few.
func (f *freezer) checksum(sum *uint32) {
	var place uint8
	if !f.thaw {
		place = f.x.checksumPlace(*sum)
	}
	f.byte(&place)
	*sum = f.x.checksums[place]
}

func (f *freezer) value(v *[]byte) {
	var b uint8
	if len(*v) > 1 {
		panic(fmt.Sprintf("explore: value %q", *v))
	}
	if len(*v) == 1 {
		b = (*v)[0]
	}
	f.byte(&b)
	if f.thaw && b != 0 {
		*v = f.x.values[b : b+1 : b+1]
	}
}

func (f *freezer) message(m *Message) {
	var id uint64
	if !f.thaw {
		id = uint64(f.x.intern(m))
	}
	lo, hi := uint8(id), uint8(id>>8)
	f.byte(&lo)
	f.byte(&hi)
	if f.thaw {
		*m = f.x.messages[int(lo)|int(hi)<<8]
	}
}

// resize makes *s as long as the frozen form says.
func resize[T any](f *freezer, s *[]T) []T {
	n := len(*s)
	f.length(&n)
	if f.thaw && n > 0 {
		*s = make([]T, n, n+2)
	}
	return *s
}

func (f *freezer) records(s *[]exploreRecord) {
	rs := resize(f, s)
	for i := range rs {
		r := &rs[i]
		f.number(&r.Instance)
		f.ballot(&r.Promised)
		f.ballot(&r.Accepted)
		f.value(&r.Value)
		f.checksum(&r.Checksum)
		f.flags(&r.sync)
	}
}

func (f *freezer) node(n *exploreNode) {
	me := uint64(n.me)
	f.number(&me)
	n.me = nodeid.ID(me)
	f.number(&n.crashes)
	f.number(&n.prepares)
	f.number(&n.top)
	f.number(&n.tries)
	f.records(&n.disk)
	f.records(&n.tail)
	f.length(&n.written)
	for i := range n.sent {
		for b := range 8 {
			p := uint8(n.sent[i] >> (8 * b))
			f.byte(&p)
			n.sent[i] = n.sent[i]&^(0xff<<(8*b)) | uint64(p)<<(8*b)
		}
	}
	for i := range n.chosen {
		f.byte(&n.chosen[i])
	}
	if f.thaw {
		n.core = f.x.blankCore(n)
	}
	f.core(n.core)
	if f.thaw {
		n.core.out.restore(n.tail[n.written:])
	}
}

// restore numbers the saves under way from 1.
func (o *outbox) restore(pending []exploreRecord) {
	for _, r := range pending {
		o.seq++
		o.unsaved = append(o.unsaved, unsaved{o.seq, r.Instance})
	}
}

func (f *freezer) core(c *Core) {
	f.number(&c.instance)
	f.checksum(&c.lastChecksum)
	f.acceptor(&c.acceptor)
	f.proposer(&c.proposer)
	f.learner(&c.learner)
	f.outbox(&c.out)
	kept := resize(f, &c.retry.messages)
	for i := range kept {
		f.message(&kept[i])
		if f.thaw {
			c.retry.bytes += len(kept[i].Value)
		}
	}
	if c.suspect != (chainClaim{}) && c.err == nil {
		panic("explore: a checked message was not believed at once")
	}
}

func (f *freezer) acceptor(a *acceptor) {
	f.ballot(&a.promised)
	f.ballot(&a.accepted)
	f.value(&a.value)
	f.checksum(&a.checksum)
	f.ballot(&a.savedPromise)
	if a.noSync || a.syncInterval != 0 || a.unsynced != 0 {
		panic("explore: not every promise is synced")
	}
}

func (f *freezer) proposer(p *proposer) {
	f.number(&p.number)
	f.flags(&p.used, &p.canSkip, &p.rejected, &p.hasValue, &p.mine, &p.offered, &p.preparing, &p.accepting)
	f.flags(&p.closed)
	saved := uint64(0) // saves that are not durable yet and that an accept would need
	if p.saved > p.c.out.durable {
		saved = p.saved - p.c.out.durable
	}
	f.number(&saved)
	if f.thaw {
		p.saved = saved
	}
	f.number(&p.other)
	f.value(&p.value)
	round := p.preparing || p.accepting
	if p.preparing { // prepare begins with none
		f.ballot(&p.highest)
	}
	if round != (p.timer != 0) && !f.thaw {
		panic("explore: a round without a timer, or a timer without a round")
	}
	if !round {
		return // a round begins with an empty tally
	}
	if f.thaw {
		p.tally.start(p.c.members)
		p.prepareWait, p.acceptWait = p.c.cfg.Timing.PrepareFirst, p.c.cfg.Timing.AcceptFirst
		p.retrySpan = p.c.cfg.Timing.RetrySpan
		kind := timerAccept
		if p.preparing {
			kind = timerPrepare
		}
		p.timer = p.c.timers.Add(p.c.now+time.Second, kind)
	}
	t := &p.tally
	f.length(&t.yes)
	f.length(&t.no)
	f.length(&t.heard)
	for i := range t.votes {
		f.byte((*uint8)(&t.votes[i]))
	}
}

func (f *freezer) learner(l *learner) {
	chosen := l.chosen != nil
	f.flags(&chosen)
	if !chosen {
		return
	}
	l.chosen = &l.slot
	f.number(&l.slot.Instance)
	f.ballot(&l.slot.Ballot)
	f.value(&l.slot.Value)
	f.checksum(&l.slot.Checksum)
	f.flags(&l.slot.Own)
}

func (f *freezer) outbox(o *outbox) {
	if len(o.saves) != 0 || len(o.free) != 0 {
		panic("explore: the outbox was not flushed")
	}
	gs := resize(f, &o.gated)
	for i := range gs {
		after := gs[i].after - o.durable
		f.number(&after)
		if f.thaw {
			gs[i].after = after
		}
		f.message(&gs[i].m)
	}
}

// blankCore returns a core without any state of its own: no timers, time 0.
func (x *explorer) blankCore(n *exploreNode) *Core {
	c := &Core{cfg: x.coreConfig(n.me), env: n, timers: timer.Queue{}}
	c.members = c.cfg.Members
	c.acceptor.c, c.proposer.c, c.learner.c, c.out.c = c, c, c, c
	return c
}

// freeze returns the fingerprint of n.
func (x *explorer) freeze(n *exploreNode) []byte {
	f := freezer{x: x, data: x.scratch[:0]}
	f.node(n)
	x.scratch = f.data
	return f.data
}

// clone returns a node with the fingerprint data, which shares nothing that
// changes with any other.
func (x *explorer) clone(data string) *exploreNode {
	f := freezer{x: x, data: []byte(data), thaw: true}
	n := &exploreNode{x: x}
	f.node(n)
	if f.at != len(f.data) {
		panic("explore: bytes are left over")
	}
	return n
}
