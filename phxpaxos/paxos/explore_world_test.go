package paxos

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// exploreSet is a set of messages.
type exploreSet [exploreWords]uint64

const (
	exploreWords       = 9
	exploreMessagesMax = 64 * exploreWords
)

func (s *exploreSet) add(id int)      { s[id>>6] |= 1 << (id & 63) }
func (s *exploreSet) has(id int) bool { return s[id>>6]>>(id&63)&1 != 0 }

// exploreBounds says what is explored.
type exploreBounds struct {
	nodes      int    // 3 … exploreNodesMax
	instances  uint64 // 1 … exploreInstancesMax
	prepares   perNode
	crashes    perNode
	crashTotal uint64 // of all nodes together
	tries      uint64 // values a caller gives up and replaces at one instance, plus one

	eager        eagerNodes // saves of this node are done at once
	slowExecute  bool       // executing a decided value takes a while
	retryQueue   bool       // keep the real queue of early messages
	executeFirst bool       // as in Config: an own value is announced once it is executed
	syncLearned  bool       // as in Config, for every value
	strict       bool       // assert what has to be durable, not only agreement
	plain        bool       // without the reductions of explore_reduce_test.go
	hazards      Hazards
	fault        exploreFault
	statesMax    int
}

type (
	perNode    [exploreNodesMax]uint64
	eagerNodes [exploreNodesMax]bool
)

// exploreFault is a fault that the explorer itself brings in, to see that it
// would be found.
type exploreFault int

const (
	faultNone          exploreFault = iota
	faultDiskLies                   // saves are reported at once and lost by a crash
	faultForgetPromise              // a restart brings back the vote and not the promise
	faultForgetVote                 // a restart brings back the promise and not the vote
	faultLoseOwnVote                // the record of an own vote holds no vote
	faultQuorumOfOne                // every node thinks that it is alone
	faultTeachUnread                // the teacher reads records that are not final yet
)

// exploreLocal is one frozen node with what is known of its next steps.
type exploreLocal struct {
	frozen string
	sent   exploreSet
	looked exploreSet    // messages whose effect is known
	edges  []exploreEdge // of messages that have one
	halves []uint16      // messages that only count towards a quorum
	own    []exploreEdge // of what needs no message
	ownSet bool
	deaf   exploreSet // messages that have no effect any more
	judged int        // so many messages are sorted into deaf or not
	chosen [exploreInstancesMax]uint8
	crash  uint8 // crashes so far
	bad    string
}

type exploreEdge struct {
	what uint16 // the message, or an own step
	also uint16 // the message before, if there are two, else the same
	to   uint32
}

// Own steps, in the high byte; the low byte is a count.
const (
	stepPropose = iota << 8
	stepAbandon
	stepTimer
	stepExecute
	stepSaved
	stepCrash
)

// explorer visits every state that can be reached within its bounds. A state
// is one frozen node per node of the cluster and nothing else: the network is
// the set of all that was ever sent, which the nodes remember.
type explorer struct {
	exploreBounds

	values    []byte // values[i] is i; a value is one of these bytes
	checksums []uint32
	messages  []Message
	ids       map[exploreKey]int
	locals    []*exploreLocal
	index     map[string]uint32
	dropped   map[exploreDrop]uint32
	scratch   []byte

	states      *exploreStates
	transitions uint64
	depth       int
	violation   string
	violated    uint32
	took        time.Duration
}

// exploreKey is a message in comparable form.
type exploreKey struct {
	kind             Kind
	from, to         nodeid.ID
	instance         uint64
	ballot, accepted Ballot
	rejectedBy       uint64
	value            string
	last             uint32
}

func newExplorer(b exploreBounds) *explorer {
	x := &explorer{exploreBounds: b, ids: map[exploreKey]int{}, index: map[string]uint32{}, dropped: map[exploreDrop]uint32{}, checksums: []uint32{0}}
	for i := range 256 {
		x.values = append(x.values, byte(i))
	}
	x.states = newExploreStates(b.nodes)
	return x
}

// value is what the given call of Propose proposes: every call has its own.
func (x *explorer) value(me nodeid.ID, instance, crashes, try uint64) []byte {
	i := 1 + ((uint64(me)*exploreInstancesMax+instance)*2+crashes)*2 + try
	return x.values[i : i+1 : i+1]
}

func (x *explorer) valueName(b uint8) string {
	i := uint64(b) - 1
	return fmt.Sprintf("n%d/i%d/life%d/try%d", i/8, i/4%2, i/2%2, i%2)
}

func (x *explorer) checksumPlace(sum uint32) uint8 {
	for i, s := range x.checksums {
		if s == sum {
			return uint8(i)
		}
	}
	if len(x.checksums) == 256 {
		panic("explore: too many checksums")
	}
	x.checksums = append(x.checksums, sum)
	return uint8(len(x.checksums) - 1)
}

// intern returns the number of a message.
func (x *explorer) intern(m *Message) int {
	k := exploreKey{m.Kind, m.From, m.To, m.Instance, m.Ballot, m.PreAccepted, m.RejectedBy, string(m.Value), m.LastChecksum}
	if m.Kind == LearnValue {
		k.from = nodeid.None // the teacher does not matter
	}
	id, ok := x.ids[k]
	if !ok {
		id = len(x.messages)
		if id == exploreMessagesMax {
			panic("explore: too many messages")
		}
		x.ids[k] = id
		x.messages = append(x.messages, *m)
		x.messages[id].Checked = false
	}
	return id
}

type exploreRand struct{}

func (exploreRand) IntN(int) int { return 0 }

func (x *explorer) coreConfig(me nodeid.ID) Config {
	cfg := Config{Me: me, Timing: TimingFor(false, false), Rand: exploreRand{}, Hazards: x.hazards,
		ExecuteFirst: x.executeFirst}
	if x.syncLearned {
		cfg.SyncLearned = func([]byte) bool { return true }
	}
	if x.fault == faultQuorumOfOne {
		cfg.Members = Membership{me}
		return cfg
	}
	for i := range x.nodes {
		cfg.Members = append(cfg.Members, nodeid.ID(i+1))
	}
	return cfg
}

// localOf returns the number of n's frozen form.
func (x *explorer) localOf(n *exploreNode) uint32 {
	if !x.plain && n.bad == "" {
		n.reduce()
	}
	frozen := x.freeze(n)
	if i, ok := x.index[string(frozen)]; ok && n.bad == "" {
		return i
	}
	l := &exploreLocal{frozen: string(frozen), sent: n.sent, chosen: n.chosen, crash: uint8(n.crashes), bad: n.bad}
	i := uint32(len(x.locals))
	x.locals = append(x.locals, l)
	if n.bad == "" {
		x.index[l.frozen] = i
	}
	return i
}

// hear returns the state after message id, or the same.
func (x *explorer) hear(at uint32, id int) uint32 {
	l := x.locals[at]
	n := x.clone(l.frozen)
	m := &x.messages[id]
	if m.To != nodeid.None && m.To != n.me || !x.plain && n.deaf(m) {
		return at
	}
	n.deliver(id, x.clone(l.frozen))
	return x.localOf(n)
}

// step takes an own step of a node, and reports whether it can be taken within
// the bounds.
func (x *explorer) step(n *exploreNode, what uint16) bool {
	c, k := n.core, int(what&0xff)
	switch what &^ 0xff {
	case stepPropose:
		if x.prepares[n.me-1] == 0 || c.instance >= x.instances || c.Chosen() != nil || c.Proposing() || n.tries >= x.tries {
			return false
		}
		if n.tries == 0 && c.proposer.hasValue {
			panic("explore: a value that nobody proposed")
		}
		n.tries++
		c.Propose(x.value(n.me, c.instance, n.crashes, n.tries-1))
	case stepAbandon:
		if !c.Proposing() || n.tries >= x.tries {
			return false
		}
		c.Abandon()
	case stepTimer:
		if !c.Proposing() {
			return false
		}
		for armed := c.proposer.timer; c.proposer.timer == armed; {
			at, _ := c.Deadline() // there may be an ask before; asks do not count
			c.Tick(at)
		}
	case stepExecute:
		if c.Chosen() == nil {
			return false
		}
		n.execute()
	case stepSaved:
		if k == 0 || k > len(n.tail)-n.written {
			return false
		}
		n.saved(k)
	case stepCrash:
		if n.crashes >= x.crashes[n.me-1] || k > len(n.tail) {
			return false
		}
		n.crash(k)
		return true
	}
	n.settle()
	return n.prepares <= x.prepares[n.me-1]
}

// ownSteps fills in what a node can do without a message.
func (x *explorer) ownSteps(at uint32) {
	l := x.locals[at]
	l.ownSet = true
	for _, base := range []uint16{stepPropose, stepAbandon, stepTimer, stepExecute, stepSaved, stepCrash} {
		for k := range uint16(32) {
			if k > 0 && base != stepSaved && base != stepCrash {
				break
			}
			n := x.clone(l.frozen)
			if !x.step(n, base|k) {
				if k > 0 || base != stepSaved {
					break
				}
				continue
			}
			if to := x.localOf(n); to != at {
				l.own = append(l.own, exploreEdge{base | k, 0, to})
			}
		}
	}
}

// learnEdges finds out what messages do to a node that it has not seen yet.
func (x *explorer) learnEdges(at uint32, heard *exploreSet) {
	l := x.locals[at]
	for w := range heard {
		for rest := heard[w] &^ l.looked[w]; rest != 0; rest &= rest - 1 {
			id := w<<6 + bits.TrailingZeros64(rest)
			l.looked.add(id)
			x.learnEdge(at, id)
		}
	}
}

func (x *explorer) learnEdge(at uint32, id int) {
	l := x.locals[at]
	to := x.hear(at, id)
	if to == at {
		return
	}
	if !x.onlyCounts(at, to, id) {
		l.edges = append(l.edges, exploreEdge{uint16(id), uint16(id), to})
		return
	}
	for _, other := range l.halves {
		if both := x.hear(to, int(other)); both != to && !x.onlyCounts(to, both, int(other)) {
			l.edges = append(l.edges, exploreEdge{uint16(id), other, both})
		}
	}
	l.halves = append(l.halves, uint16(id))
}

// onlyCounts reports whether message id brought nothing but a yes that is not
// a majority yet. Whatever happens next but the other yes makes it as if it
// had not come, so such states need no visit (three nodes: two yes are
// enough).
func (x *explorer) onlyCounts(before, after uint32, id int) bool {
	m := &x.messages[id]
	if x.nodes != 3 || x.plain || m.Kind != PrepareReply && m.Kind != AcceptReply || m.Rejected() || !m.PreAccepted.IsNull() || x.locals[after].bad != "" {
		return false
	}
	a, b := x.clone(x.locals[before].frozen), x.clone(x.locals[after].frozen)
	p, q := &a.core.proposer, &b.core.proposer
	return p.number == q.number && p.preparing == q.preparing && p.accepting == q.accepting && a.core.instance == b.core.instance
}

// successors calls f with every state behind the given one; what is behind
// is f's business, it may stop by returning false.
func (x *explorer) successors(state []uint32, f func(node int, e exploreEdge, message bool) bool) {
	crashed := uint64(0)
	for _, at := range state {
		crashed += uint64(x.locals[at].crash)
	}
	for i, at := range state {
		l := x.locals[at]
		var heard exploreSet
		unknown := false
		for j, other := range state {
			if j == i {
				continue
			}
			for w := range heard {
				heard[w] |= x.locals[other].sent[w]
			}
		}
		for w := range heard {
			unknown = unknown || heard[w]&^l.looked[w] != 0
		}
		if unknown {
			x.learnEdges(at, &heard)
		}
		if !l.ownSet {
			x.ownSteps(at)
		}
		for _, e := range l.edges {
			if heard.has(int(e.what)) && heard.has(int(e.also)) && !f(i, e, true) {
				return
			}
		}
		for _, e := range l.own {
			if e.what&^0xff == stepCrash && crashed >= x.crashTotal {
				continue
			}
			if !f(i, e, false) {
				return
			}
		}
	}
}

// run explores breadth first until nothing new is found, or a violation.
func (x *explorer) run() {
	begun := time.Now()
	defer func() { x.took = time.Since(begun) }()
	state := make([]uint32, x.nodes)
	for i := range state {
		n := &exploreNode{x: x, me: nodeid.ID(i + 1)}
		n.start()
		state[i] = x.localOf(n)
	}
	x.states.add(state, 0)
	next := make([]uint32, x.nodes)
	level := uint32(1) // where the next level begins
	for at := uint32(0); at < x.states.count && x.violation == ""; at++ {
		if at == level {
			x.depth++
			level = x.states.count
		}
		if x.statesMax > 0 && int(x.states.count) > x.statesMax {
			x.violation = fmt.Sprintf("more than %d states", x.statesMax)
			return
		}
		x.states.get(at, state)
		x.successors(state, func(node int, e exploreEdge, _ bool) bool {
			x.transitions++
			copy(next, state)
			next[node] = e.to
			x.forget(next)
			if place, isNew := x.states.add(next, at); isNew {
				if x.violation = x.check(next, node); x.violation != "" {
					x.violated = place
					return false
				}
			}
			return true
		})
	}
}

// check returns what is wrong with a state after a step of one of its nodes.
func (x *explorer) check(state []uint32, node int) string {
	own := x.locals[state[node]]
	for i, v := range own.chosen {
		for j, at := range state {
			if o := x.locals[at].chosen[i]; v != 0 && o != 0 && o != v {
				return fmt.Sprintf("two values of instance %d: %s at n%d, %s at n%d", i, x.valueName(v), node+1, x.valueName(o), j+1)
			}
		}
	}
	return own.bad
}
