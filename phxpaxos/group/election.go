package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// How the lease is counted (docs/leases.md): the master's own lease begins when
// it begins to propose, and is shorter than what it announces by an eighth of
// it; every other node counts the announced time from when it learns. A bid
// only counts if its proposer knew the election before, so the winner has
// counted that lease to its end.
//
// Assumption about clocks: while a lease runs, no node's clock is faster than
// another's by more than 8/7, so by 14 %. It is met if each is within 1/15
// (6.6 %) of true time, or all but one are true and that one is slow by up to
// 12.5 %. Then there is never a moment with two masters. The margin has to be a
// share of the lease because what two clocks drift apart grows with the lease.
const (
	leaseDefault = 10 * time.Second
	leaseMin     = time.Second // shorter ones are ignored, as in the original
	leaseShare   = 8           // the margin is one in so many parts of the lease
	renewLess    = 100 * time.Millisecond
	bidSpread    = 150 * time.Millisecond // so that not all bid at once when a lease ends
	bidPause     = 20 * time.Millisecond  // after a lost bid, and again as much at random, five times
	dropSpread   = 20 * time.Millisecond  // when a master gave up by itself
)

// ownLease is how long a master counts a lease for itself, from its bid on.
func ownLease(lease time.Duration) time.Duration { return lease - lease/leaseShare }

// election makes the bids of this node.
type election struct {
	lease   time.Duration
	bidAt   time.Duration // when to look again, 0 for never
	bid     *Ticket       // under way
	quiet   time.Duration // no bid before: the mastership was given up
	handing *Ticket       // DropMaster or TransferMaster under way: nothing is claimed
	target  nodeid.ID     // of handing, None for a drop
}

func (e *election) init(cfg *Config, now time.Duration) {
	e.lease = cfg.MasterLease
	if e.lease < leaseMin {
		e.lease = leaseDefault
	}
	if cfg.UseMaster && cfg.Following == nodeid.None {
		e.bidAt = now + 1
	}
}

// tick bids, or renews, if it is time.
func (e *election) tick(g *Group) {
	if e.bidAt == 0 || g.now < e.bidAt || e.bid != nil || g.err != nil {
		return
	}
	switch m := &g.master; {
	case e.handing != nil || !g.core.Members().Contains(g.cfg.Me):
		e.bidAt = g.now + e.lease/8
	case g.now < e.quiet:
		e.bidAt = e.quiet
	case m.v.Master != g.cfg.Me && g.now < m.until:
		e.bidAt = m.until + e.random(g, bidSpread)
	default:
		e.propose(g)
	}
}

// deadline is when tick has something to do, 0 for never.
func (e *election) deadline() time.Duration {
	if e.bid != nil {
		return 0 // its end plans the next one
	}
	return e.bidAt
}

// propose bids for the mastership, or for going on with it.
func (e *election) propose(g *Group) {
	b := (e.lease - renewLess) / 4 // the original's pace: from an eighth to three eighths of the lease
	e.bidAt = g.now + b/2 + e.random(g, b)
	op := g.operation(g.cfg.Me, e.lease)
	e.bid = &Ticket{SM: sm.Master, Value: op, version: g.master.v.Version, Attempts: 1, Deadline: g.now + e.lease, until: g.now + ownLease(e.lease)}
	e.bid.done = func(t *Ticket) { e.ended(g, t) }
	g.observe(event.Event{Kind: event.MasterBid, Number: g.master.v.Version})
	g.Propose(e.bid)
}

// operation is an election of node for so long, valid if nothing was elected
// behind what this node knows.
func (g *Group) operation(node nodeid.ID, lease time.Duration) []byte {
	const span = 1<<31 - 1
	op := wire.MasterOperator{Node: node, Version: g.master.v.Version, TimeoutMillis: int32(lease / time.Millisecond),
		Operator: operatorComplete, SID: uint32(g.cfg.Rand.IntN(span))}
	if g.cfg.ChangeBeforePropose {
		op.LastVersion, op.HasLastVersion = g.master.v.Version, true
	}
	return wire.AppendMasterOperator(nil, &op)
}

func (e *election) ended(g *Group, t *Ticket) {
	e.bid = nil
	if t.Err != nil {
		g.observe(event.Event{Kind: event.MasterBidFail, Err: t.Err})
		e.bidAt = g.now + bidPause + e.random(g, 5*bidPause)
	}
	if e.handing != nil {
		e.hand(g)
	}
}

// elected plans the next bid after an election became known.
func (e *election) elected(g *Group) {
	if e.bidAt == 0 {
		return
	}
	if g.master.v.Master != g.cfg.Me {
		e.quiet = 0 // somebody else has won, which it was for
	}
	switch m := &g.master; {
	case m.v.Master == g.cfg.Me && m.until == 0 && e.quiet == 0:
		e.bidAt = g.now // named by another node: the lease has to be bid for
	case m.v.Master == g.cfg.Me:
	case m.v.LeaseMillis == 0:
		e.bidAt = g.now + e.random(g, dropSpread)
	default:
		e.bidAt = m.until + e.random(g, bidSpread)
	}
}

func (e *election) random(g *Group, span time.Duration) time.Duration {
	return time.Duration(g.cfg.Rand.IntN(int(span/time.Microsecond)+1)) * time.Microsecond
}

// hand proposes the election that gives the mastership away. While a renewal
// was awaited, another node may have been elected: it is not this node's to
// depose, so nothing is proposed behind an election of somebody else.
func (e *election) hand(g *Group) {
	if g.master.v.Master != g.cfg.Me {
		t := e.handing
		e.handing = nil
		g.finish(t, ErrMasterChanged)
		return
	}
	node, lease := e.target, e.lease
	if node == nodeid.None {
		node, lease = g.cfg.Me, 0 // a lease that ends at once, everywhere
	}
	t := e.handing
	t.SM, t.Value, t.version = sm.Master, g.operation(node, lease), g.master.v.Version
	t.done = func(t *Ticket) {
		e.handing, t.done = nil, nil
		g.finish(t, t.Err)
	}
	g.Propose(t)
}

// HandMaster gives the mastership up, to node or, with nodeid.None, to
// whoever bids first. This node stops being master at once, before anything
// is proposed, and does not bid for one lease; t comes back when the others
// know. It fails with ErrNotMaster, or ErrMasterChanged if there was another
// election meanwhile.
func (g *Group) HandMaster(t *Ticket, node nodeid.ID) {
	t.queued, t.lost, t.executed = g.now, 0, false
	switch {
	case g.err != nil:
		g.finish(t, g.err)
		return
	case g.master.v.Master != g.cfg.Me || g.now >= g.master.until || node == g.cfg.Me || g.election.handing != nil:
		g.finish(t, ErrNotMaster)
		return
	case node != nodeid.None && !g.core.Members().Contains(node):
		g.finish(t, ErrMemberUnknown)
		return
	}
	e := &g.election
	g.master.until = 0
	e.handing, e.target, e.quiet = t, node, g.now+e.lease
	g.observe(event.Event{Kind: event.MasterDrop, Peer: node})
	if e.bid == nil { // a renewal under way would outrun it
		e.hand(g)
	}
}

// Master is the master that this node knows of, nodeid.None if its lease has
// ended, the version of the last election, and when the lease ends here.
func (g *Group) Master() (node nodeid.ID, version uint64, until time.Duration) {
	m := &g.master
	if g.now >= m.until {
		return nodeid.None, m.v.Version, m.until
	}
	return m.v.Master, m.v.Version, m.until
}

// leased: in a fenced group, another node's lease runs. This node then neither
// proposes nor promises anything to others than the master, so that nothing
// is decided that the master does not decide itself.
//
// Fencing makes it safe to read at the master without asking anybody. Only
// the master proposes. It has executed its own election, so that whatever was
// decided before is in its state; what is decided behind it is decided by its
// own accept rounds, and executed here before anybody hears of it: to finish
// a round of the master without it takes a prepare, which needs a promise of
// another node, and every node that is behind the election refuses it until
// it has counted the lease to its end, which is later than the master's own
// count. A proposal is put together for one instance, by a node that is
// master with everything below executed, so none of a deposed master takes
// effect behind the next election.
func (g *Group) leased() bool {
	return g.cfg.Fence && g.master.v.Master != g.cfg.Me && g.now < g.master.until
}

// isMaster: this node holds the lease.
func (g *Group) isMaster() bool {
	return g.master.v.Master == g.cfg.Me && g.now < g.master.until && !g.history.active
}

// SetMasterLease changes what the next bid asks for; less than a second is
// ignored.
func (g *Group) SetMasterLease(lease time.Duration) {
	if lease >= leaseMin {
		g.election.lease = lease
	}
}
