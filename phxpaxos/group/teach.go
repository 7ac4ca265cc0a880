package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

const (
	lessonMax      = 8               // learners taught at once; more have to ask again
	lessonBytesMax = 4 << 20         // unacknowledged bytes in one lesson, at least one value
	lessonIdle     = 5 * time.Second // a lesson without progress ends
	variablesGap   = 50              // a learner further behind is told membership and master too
)

// teacher sends chosen values to nodes that missed them (spec/protocol.md
// section 11). The original serves one node at a time.
type teacher struct {
	lessons  []*lesson
	pupils   []stray // followers of this node, by when they last asked
	window   uint64
	idle     time.Duration
	deadline time.Duration // when the next lesson may have to end, 0 for none
}

// lesson is one node being taught. Values next-1 … acked+1 are on their way.
type lesson struct {
	node     nodeid.ID
	started  bool   // the node took the offer
	next     uint64 // to be sent
	acked    uint64 // the node is at least here
	last     uint32 // checksum of the record sent before, 0 if none
	chain    uint64 // of the full history through that record, 0 if not known
	sizes    []int  // of the values on their way, oldest first
	bytes    int    // their sum
	full     bool   // the window is, until the node acknowledges
	first    uint64 // instance of sizes[0]
	progress time.Duration
}

func (t *teacher) init(large bool) {
	t.window, t.idle = 21, lessonIdle
	if large {
		t.window, t.idle = 5, 12*lessonIdle
	}
}

// onAsk answers a node that says where it is.
func (t *teacher) onAsk(g *Group, m *paxos.Message) {
	if !g.history.asked(g, m) {
		return
	}
	g.observe(event.Event{Kind: event.LearnAsked, Peer: m.From, Instance: m.Instance})
	if m.Followed == g.cfg.Me {
		t.follow(g, m.From)
	}
	t.offer(g, m.From, m.Instance)
}

// follow takes note of a follower of this node.
func (t *teacher) follow(g *Group, node nodeid.ID) {
	for i := range t.pupils {
		if t.pupils[i].id == node {
			t.pupils[i].seen = g.now
			return
		}
	}
	if len(t.pupils) < strayMax {
		t.pupils = append(t.pupils, stray{node, g.now})
	}
}

// relay sends a value to the followers as soon as it is decided here
// (spec/protocol.md section 12). The original relays only what it learned
// from its proposer; relaying all lets followers be chained.
func (t *teacher) relay(g *Group, c *paxos.Chosen) {
	if len(t.pupils) == 0 {
		return
	}
	timing := &g.cfg.Timing
	life := 3 * (timing.AskMin + timing.AskSpan)
	kept := t.pupils[:0]
	for _, p := range t.pupils {
		if g.now-p.seen >= life {
			continue
		}
		kept = append(kept, p)
		g.observe(event.Event{Kind: event.LearnSend, Peer: p.id, Instance: c.Instance, Size: len(c.Value)})
		g.send(&paxos.Message{Kind: paxos.LearnValue, To: p.id, Instance: c.Instance, Ballot: c.Ballot,
			Value: c.Value, LastChecksum: g.core.LastChecksum(), Chain: g.core.LastChain(), Sum: c.Sum})
	}
	t.pupils = kept
}

// help offers lessons to a proposer that works at a decided instance. The
// original leaves it to find out by itself. An accept under the ballot that
// decided is only late.
func (t *teacher) help(g *Group, m *paxos.Message) {
	if m.Instance >= g.core.Instance() || m.Instance+1 == g.core.Instance() && m.Ballot == g.core.LastBallot() {
		return
	}
	t.offer(g, m.From, m.Instance)
}

// offer starts to teach a node that is at instance, if it is behind.
func (t *teacher) offer(g *Group, node nodeid.ID, instance uint64) {
	if instance >= g.core.Instance() {
		return
	}
	if instance >= g.minChosen {
		if instance+1 == g.core.Instance() && instance < g.Readable() {
			t.sendOne(g, node, instance)
			return
		}
		if t.enrol(g, node, instance) == nil {
			g.observe(event.Event{Kind: event.LearnBusy, Peer: node})
			return
		}
	}
	t.sendOffer(g, node, instance)
}

// sendOffer tells a node at instance how far this one is, and what it keeps.
// Who needs a checkpoint needs to know the members, too.
func (t *teacher) sendOffer(g *Group, node nodeid.ID, instance uint64) {
	m := paxos.Message{Kind: paxos.Offer, To: node, Instance: instance, Now: g.core.Instance(), MinChosen: g.minChosen}
	if g.core.Instance()-instance > variablesGap || instance < g.minChosen {
		m.HasVariables, m.SystemVariables, m.MasterVariables = true, g.system.snapshot(), g.master.snapshot()
		m.Features = g.features.offer(g)
	}
	g.observe(event.Event{Kind: event.LearnOffer, Peer: node, Instance: instance})
	g.send(&m)
}

// sendOne answers a node that lacks just one value without a conversation.
func (t *teacher) sendOne(g *Group, node nodeid.ID, instance uint64) {
	r, ok := g.kept(instance)
	if !ok || r.Accepted.IsNull() {
		return
	}
	g.observe(event.Event{Kind: event.LearnSend, Peer: node, Instance: instance, Size: len(r.Value)})
	g.send(&paxos.Message{Kind: paxos.LearnValue, To: node, Instance: instance, Ballot: r.Accepted, Value: r.Value, Sum: r.Sum})
}

// enrol reserves a lesson. A running one for the same place goes on.
func (t *teacher) enrol(g *Group, node nodeid.ID, instance uint64) *lesson {
	for _, l := range t.lessons {
		if l.node != node {
			continue
		}
		if !l.started || instance < l.acked || g.now-l.progress >= t.idle {
			*l = lesson{node: node, next: instance, acked: instance, first: instance, progress: g.now}
		}
		return l
	}
	if len(t.lessons) >= lessonMax {
		return nil
	}
	l := &lesson{node: node, next: instance, acked: instance, first: instance, progress: g.now}
	t.lessons = append(t.lessons, l)
	t.rearm()
	return l
}

func (t *teacher) find(node nodeid.ID) *lesson {
	for _, l := range t.lessons {
		if l.node == node {
			return l
		}
	}
	return nil
}

func (t *teacher) onConfirm(g *Group, m *paxos.Message) {
	l := t.find(m.From)
	if l == nil || m.Instance < g.minChosen || m.Instance >= g.core.Instance() {
		g.observe(event.Event{Kind: event.LearnConfirmUnknown, Peer: m.From, Instance: m.Instance})
		return
	}
	g.observe(event.Event{Kind: event.LearnConfirmed, Peer: m.From, Instance: m.Instance})
	*l = lesson{node: l.node, started: true, next: m.Instance, acked: m.Instance, first: m.Instance, progress: g.now}
	t.rearm()
	t.pump(g)
}

func (t *teacher) onAck(g *Group, m *paxos.Message) {
	g.observe(event.Event{Kind: event.LearnAcked, Peer: m.From, Instance: m.Instance})
	l := t.find(m.From)
	if l == nil || !l.started || m.Instance <= l.acked || m.Instance >= l.next {
		return
	}
	l.acked, l.progress = m.Instance, g.now
	n := 0
	for n < len(l.sizes) && l.first+uint64(n) <= m.Instance {
		l.bytes -= l.sizes[n]
		n++
	}
	l.first += uint64(n)
	l.sizes = l.sizes[:copy(l.sizes, l.sizes[n:])]
	t.rearm()
	t.pump(g)
}

// pump sends what the windows allow. Only records that the disk has reported
// are sent: before, the log may still hold an older record of the instance,
// which would teach a value that was not chosen.
func (t *teacher) pump(g *Group) {
	if len(t.lessons) == 0 || g.err != nil || g.history.active {
		return
	}
	kept := t.lessons[:0]
	for _, l := range t.lessons {
		if !l.started || t.teach(g, l) {
			kept = append(kept, l)
		}
	}
	clear(t.lessons[len(kept):])
	t.lessons = kept
	t.rearm()
}

// teach sends values to one node and reports whether the lesson goes on.
func (t *teacher) teach(g *Group, l *lesson) bool {
	readable := g.Readable()
	for l.next < readable && l.next <= l.acked+t.window && (l.bytes < lessonBytesMax || len(l.sizes) == 0) {
		r, ok := g.kept(l.next)
		if !ok || r.Accepted.IsNull() {
			return false
		}
		g.observe(event.Event{Kind: event.TeachRead, Peer: l.node, Instance: l.next})
		g.observe(event.Event{Kind: event.LearnSend, Peer: l.node, Instance: l.next, Size: len(r.Value)})
		g.send(&paxos.Message{Kind: paxos.LearnValue, To: l.node, Instance: l.next, Ballot: r.Accepted,
			Value: r.Value, LastChecksum: l.last, NeedAck: true, Chain: l.chain, Sum: r.Sum})
		l.last, l.chain = r.Checksum, r.Chain
		l.sizes = append(l.sizes, len(r.Value))
		l.bytes += len(r.Value)
		l.next++
	}
	if full := l.next < readable; full != l.full {
		l.full = full
		if full {
			g.observe(event.Event{Kind: event.TeachAckWait, Peer: l.node, Instance: l.acked})
		}
	}
	return l.next < g.core.Instance()
}

// tick ends the lessons of nodes that fell silent.
func (t *teacher) tick(g *Group) {
	if t.deadline == 0 || g.now < t.deadline {
		return
	}
	kept := t.lessons[:0]
	for _, l := range t.lessons {
		if g.now-l.progress < t.idle {
			kept = append(kept, l)
			continue
		}
		if l.started {
			g.observe(event.Event{Kind: event.TeachAckTimeout, Peer: l.node, Instance: l.acked})
		}
	}
	clear(t.lessons[len(kept):])
	t.lessons = kept
	t.rearm()
}

func (t *teacher) rearm() {
	t.deadline = 0
	for _, l := range t.lessons {
		if at := l.progress + t.idle; t.deadline == 0 || at < t.deadline {
			t.deadline = at
		}
	}
}
