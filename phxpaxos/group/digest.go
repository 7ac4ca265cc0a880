package group

import (
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// digestChunk is how many groups one message states: at most 40 KB, so that
// a node with many groups does not hold up the packets behind it.
const digestChunk = 4096

// Siblings is the other groups of the node, for the group that carries the
// node's digests. Its methods return at once. They may be called from within
// any method of that group, and may call other groups, but not that one.
type Siblings interface {
	// Instance is the current instance of a group, or an older one.
	Instance(group int) uint64
	// Ahead has to lead to Group.Ahead of that group.
	Ahead(group int, node nodeid.ID, instance uint64)
	// Standing is Group.Standing of a group, or an older one.
	Standing(group int) wire.Standing
	// Compare has to lead to Group.Compare of that group.
	Compare(group int, node nodeid.ID, s wire.Standing)
	// Cover has to lead to Group.Cover of all other groups. nodes is shared
	// and not modified any more.
	Cover(nodes []nodeid.ID)
	// Features has to lead to Group.SetFeatures of all other groups.
	Features(s feature.State)
}

// digests tells the other nodes, for all groups of this node in one message,
// where they are, and takes the same from them. Without it every group asks
// every member every few seconds; ten thousand idle groups would keep two
// nodes busy with that alone.
//
// A group is covered while each other member of it sends digests. It then
// does not ask as long as it lacks nothing (paxos.Core.SetCovered), and has
// no deadline. Original nodes ignore digests and send none, so with one of
// them among the members the group goes on asking. A node that falls silent
// stops to cover after three periods.
//
// Only the carrier, the node's first group, does any of this; the others are
// told what concerns them.
type digests struct {
	at      time.Duration // of the next one, 0 if this group does not carry them
	speaks  []stray       // the nodes that sent one, and when they did last
	covers  []nodeid.ID   // those of them that did so lately
	decoded wire.Digest
	buf     []uint64
	shown   shown
}

func (d *digests) init(g *Group, now time.Duration) {
	if g.carries() {
		d.at = now + g.digestPeriod()/8 + g.chance(g.digestPeriod()/8)
	}
}

// carries: a packet without our CRC is one of the original's byte for byte,
// and those know no digests.
func (g *Group) carries() bool {
	return g.cfg.Siblings != nil && g.cfg.PacketCRC && g.cfg.Following == nodeid.None
}

func (g *Group) digestPeriod() time.Duration { return g.cfg.Timing.AskMin }

func (g *Group) chance(span time.Duration) time.Duration {
	return time.Duration(g.cfg.Rand.IntN(int(span/time.Millisecond)+1)) * time.Millisecond
}

// tick sends what is due and forgets who fell silent.
func (d *digests) tick(g *Group) {
	if d.at == 0 || g.now < d.at || g.err != nil {
		return
	}
	d.at = g.now + g.digestPeriod() + g.chance(g.digestPeriod()/8)
	for first := 0; first < g.cfg.Groups; first += digestChunk {
		d.buf = d.buf[:0]
		for i := first; i < min(first+digestChunk, g.cfg.Groups); i++ {
			d.buf = append(d.buf, d.instance(g, i))
		}
		value := wire.AppendDigest(nil, &wire.Digest{Groups: g.cfg.Groups, First: first, Instances: d.buf})
		g.send(&paxos.Message{Kind: paxos.Digest, Instance: g.core.Instance(), Value: value, Features: g.features.announcement(),
			History: d.shown.next(g, first, d.buf)})
	}
	g.features.heartbeat(g)
	d.recount(g)
}

func (d *digests) instance(g *Group, group int) uint64 {
	if group == g.cfg.Index {
		return g.core.Instance()
	}
	return g.cfg.Siblings.Instance(group)
}

// hear takes a digest of another node.
func (d *digests) hear(g *Group, m *paxos.Message) {
	if d.at == 0 {
		return
	}
	if err := wire.DecodeDigest(m.Value, &d.decoded); err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Peer: m.From, Size: len(m.Value), Err: err})
		return
	}
	n := &d.decoded
	for i, theirs := range n.Instances {
		group := n.First + i
		if group >= g.cfg.Groups || theirs <= d.instance(g, group) {
			continue
		}
		if group == g.cfg.Index {
			g.core.Ahead(m.From, theirs)
		} else {
			g.cfg.Siblings.Ahead(group, m.From, theirs)
		}
	}
	d.compare(g, m)
	// A node with fewer groups says nothing about the others.
	if n.Groups < g.cfg.Groups || n.First+len(n.Instances) < n.Groups {
		return
	}
	i := slices.IndexFunc(d.speaks, func(s stray) bool { return s.id == m.From })
	switch {
	case i >= 0:
		d.speaks[i].seen = g.now
	case len(d.speaks) < strayMax:
		d.speaks = append(d.speaks, stray{m.From, g.now})
	}
	d.recount(g)
}

// recount tells all groups who covers them, if that has changed.
func (d *digests) recount(g *Group) {
	life := 3 * (g.digestPeriod() + g.digestPeriod()/8)
	d.speaks = slices.DeleteFunc(d.speaks, func(s stray) bool { return g.now-s.seen >= life })
	same := len(d.speaks) == len(d.covers)
	for i := range d.speaks {
		same = same && d.covers[i] == d.speaks[i].id
	}
	if same {
		return
	}
	covers := make([]nodeid.ID, len(d.speaks)) // a new one: the groups share the last
	for i := range d.speaks {
		covers[i] = d.speaks[i].id
	}
	d.covers = covers
	g.Cover(covers)
	g.cfg.Siblings.Cover(covers)
}

// Ahead tells that a node has been seen at an instance of this group.
func (g *Group) Ahead(node nodeid.ID, instance uint64) {
	if g.err != nil {
		return
	}
	g.core.Ahead(node, instance)
	g.settle()
}

// Cover says which nodes send digests. nodes is not modified any more.
func (g *Group) Cover(nodes []nodeid.ID) { g.covers = nodes }

// covered: every other member says by itself where it is.
func (g *Group) covered() bool {
	if len(g.covers) == 0 || g.cfg.Following != nodeid.None || g.system.isAhead {
		return false
	}
	members := g.core.Members()
	for _, id := range members {
		if id != g.cfg.Me && !slices.Contains(g.covers, id) {
			return false
		}
	}
	return members.Contains(g.cfg.Me)
}
