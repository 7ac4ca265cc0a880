package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind says what a world's groups make use of.
type Kind uint8

const (
	Any         Kind = iota // the seed decides
	Static                  // nothing but the log
	Members                 // the membership is in the log and changes
	Masters                 // a master is elected
	Both                    // both
	Checkpoints             // any of these, and logs are cleaned
	kinds
)

var kindNames = [kinds]string{"any", "static", "members", "masters", "both", "checkpoints"}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind returns the kind with a name.
func ParseKind(name string) (Kind, error) {
	if i := slices.Index(kindNames[:], name); i >= 0 {
		return Kind(i), nil
	}
	return 0, fmt.Errorf("no such kind of world: %q, want one of %v", name, kindNames)
}

// worldPlan says who there is besides the first members, and what the groups
// make use of.
type worldPlan struct {
	members   bool
	spares    int  // nodes that may be taken in
	followers int  // nodes that only learn
	stranger  bool // a node of another cluster
	master    bool
	fence     bool
	change    bool // the state machines are asked before a value is proposed
	lease     time.Duration
	reads     int     // per cent of a client's operations that do not go through the log
	mute      nodeSet // nodes that do not know of reads, as original ones

	checkpoints bool   // state machines are durable and logs are cleaned
	hold        uint64 // instances that a log keeps at least
	every       [2]int // one in so many instances is followed by a checkpoint, by machine
	shadow      bool   // there is a second state machine
	rare        uint64 // which gets one in so many of the operations that it could get, 0 for none
	idle        uint8  // a third one that never gets an entry: 0 none, 1 without a checkpoint, 2 that could make one
	cautious    bool   // first starts are taken for what may be a node that was wiped
	rotten      int    // per thousand of blocks that leave their sender wrong
}

// total is how many nodes there are.
func (p *Plan) total() int {
	n := p.Nodes + p.world.spares + p.world.followers
	if p.world.stranger {
		n++
	}
	return n
}

// drawWorld draws what a kind of world has, from a stream of chance of its own.
func (p *Plan) drawWorld(kind Kind) {
	r := stream(p.Seed, streamWorld)
	p.Kind = kind
	if k := pick(r, Static, Members, Masters, Both); kind == Any || kind == Checkpoints {
		kind = k
	}
	if p.Kind == Any {
		p.Kind = kind
	}
	defer p.drawCheckpoints()
	x := &p.world
	x.reads = pick(r, 0, 10, 50)
	if r.IntN(3) == 0 {
		x.mute = nodeSet(r.Uint64N(1 << p.Nodes))
	}
	x.followers = pick(r, 0, 0, 0, 1, 2)
	if kind == Members || kind == Both {
		p.drawMembers(r)
	}
	if kind == Masters || kind == Both {
		p.drawMasters(r)
	}
	p.spread(r)
}

// drawCheckpoints lets some worlds clean their logs.
func (p *Plan) drawCheckpoints() {
	r := stream(p.Seed, streamCheckpoints)
	some := r.IntN(3) == 0 && p.any
	if p.Kind != Checkpoints && !some {
		return
	}
	p.Kind = Checkpoints
	x := &p.world
	x.checkpoints, x.shadow = true, r.IntN(2) == 0
	x.hold = pick(r, uint64(1), 5, 20, 100)
	x.every = [2]int{pick(r, 1, 4, 30), pick(r, 1, 10, 100)}
	x.rotten = pick(r, 0, 0, 20)
	x.cautious = r.IntN(2) == 0
	defer p.drawIdle(r)
	p.load.losses, p.load.executeMany = 0, false // of machines without a checkpoint
	// A node without anything belongs to whom claims it first.
	if r.IntN(3) > 0 && !x.stranger {
		gap := pick(r, 2*time.Second, 10*time.Second)
		for at := between(r, gap, 3*gap); at < p.Chaos; at += between(r, gap/2, 2*gap) {
			p.Faults = append(p.Faults, Fault{Kind: Wipe, At: at, For: pick(r, 0, between(r, 0, 5*time.Second)), Node: r.IntN(p.Nodes + x.spares), X: r.Int64()})
		}
	}
	// A node that may never vote again could leave the others without what
	// nobody keeps any more.
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind == BitFlip })
}

// drawIdle draws machines that get entries seldom, or never.
func (p *Plan) drawIdle(r *rand.Rand) {
	p.world.rare = pick(r, uint64(2), 2, 50, 300, 0)
	p.world.idle = pick(r, uint8(0), 0, 1, 2)
}

// drawMembers draws changes of the membership. A node that may never vote
// again could leave a membership of two without a majority, so no bits turn.
func (p *Plan) drawMembers(r *rand.Rand) {
	p.world.members = true
	p.world.spares = 1 + r.IntN(4)
	p.world.stranger = r.IntN(4) == 0
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind == BitFlip })
	gap := pick(r, 300*time.Millisecond, 2*time.Second, 8*time.Second)
	for at := between(r, 0, 2*gap); at < p.Chaos; at += between(r, gap/10, 2*gap) {
		f := Fault{Kind: pick(r, AddNode, AddNode, RemoveNode, RemoveNode, ReplaceNode, TwoChanges), At: at, X: r.Int64()}
		f.Node, f.Peer = r.IntN(p.Nodes), r.IntN(p.Nodes)
		p.Faults = append(p.Faults, f)
	}
	if p.world.stranger {
		p.Faults = append(p.Faults, Fault{Kind: StrangerJoins, At: between(r, time.Second, p.Chaos), For: time.Second})
	}
}

// drawMasters draws leases and how they are handed over. Clocks stay within
// what leases promise.
func (p *Plan) drawMasters(r *rand.Rand) {
	x := &p.world
	x.master, x.fence, x.change = true, r.IntN(2) == 0, r.IntN(3) == 0
	x.lease = pick(r, time.Second, time.Second, 1500*time.Millisecond, 3*time.Second)
	p.drift = pick(r, driftLimit, min(p.drift, driftLimit))
	for i := range p.Faults {
		if f := &p.Faults[i]; f.Kind == Drift {
			f.X = f.X * driftLimit / 50000
		}
	}
	if r.IntN(3) == 0 {
		return
	}
	gap := pick(r, time.Second, 5*time.Second)
	for at := between(r, 0, 2*gap); at < p.Chaos; at += between(r, gap/10, 2*gap) {
		p.Faults = append(p.Faults, Fault{Kind: HandOver, At: at, X: r.Int64()})
	}
}

// driftLimit is the rate, in millionths, up to which clocks may be fast or slow
// while a lease holds its promise (docs/leases.md): a master whose clock is slow
// by d counts 7/8 of a lease, and others that are fast by d count all of it, so
// the master ends first while (1+d)/(1-d) <= 8/7, which is d <= 1/15. A
// hundredth less leaves room for rounding.
const driftLimit = 1_000_000 / 15 * 99 / 100

// spread lets some of the accidents happen to the nodes that joined the
// cluster later, and some partitions run between them.
func (p *Plan) spread(r *rand.Rand) {
	total := p.total()
	if total == p.Nodes {
		return
	}
	for i := range p.Faults {
		f := &p.Faults[i]
		if f.Node = r.IntN(total); f.Node == f.Peer {
			f.Peer = (f.Node + 1) % total
		}
		if f.Kind == Partition || f.Kind == OneWay {
			f.X = 1 + r.Int64N(1<<total-1)
		}
	}
}
