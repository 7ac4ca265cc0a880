package group

import (
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// otherGroups are the siblings of a group that carries digests, seen by a test.
type otherGroups struct {
	ahead    []int
	covers   [][]nodeid.ID
	features []feature.State

	standings []wire.Standing // by group, if there are any
	compared  []wire.Standing
}

func (o *otherGroups) Instance(group int) uint64 { return uint64(group) }
func (o *otherGroups) Ahead(group int, _ nodeid.ID, _ uint64) {
	o.ahead = append(o.ahead, group)
}
func (o *otherGroups) Standing(group int) (s wire.Standing) {
	if group < len(o.standings) {
		return o.standings[group]
	}
	return s
}
func (o *otherGroups) Compare(_ int, _ nodeid.ID, s wire.Standing) {
	o.compared = append(o.compared, s)
}
func (o *otherGroups) Cover(nodes []nodeid.ID)  { o.covers = append(o.covers, nodes) }
func (o *otherGroups) Features(s feature.State) { o.features = append(o.features, s) }

// agreed is the state of a cluster whose members have all been upgraded before.
var agreed = feature.State{Level: feature.Newest, Limit: feature.NoLimit, Cluster: nodeid.Cluster{1}, Version: 0}

// carriers makes every node's group carry digests of four groups.
func carriers(others *[]*otherGroups) func(*Config) {
	return func(cfg *Config) {
		o := &otherGroups{}
		*others = append(*others, o)
		cfg.Siblings, cfg.Groups = o, 4
		cfg.Features = agreed
	}
}

func (c *cluster) asks() (asks []int) {
	for _, n := range c.nodes {
		asks = append(asks, n.count[event.LearnAsk])
	}
	return asks
}

func kindOf(t *testing.T, data []byte) paxos.Kind {
	t.Helper()
	p, err := wire.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	var m paxos.Message
	if err := p.Message(&m); err != nil {
		t.Fatal(err)
	}
	return m.Kind
}

// A group whose members all send digests asks no more, and still learns what
// it missed.
func TestDigestsTakeThePlaceOfAsking(t *testing.T) {
	var others []*otherGroups
	c := newCluster(t, 3, carriers(&others))
	c.pass(10 * time.Second)
	before := c.asks()
	c.pass(time.Minute)
	for i, n := range c.asks() {
		if n != before[i] {
			t.Errorf("node %d asked %d times in a minute", i, n-before[i])
		}
	}
	c.drop = func(p packet) bool { return p.to == c.nodes[2].id }
	c.propose(0, "a")
	c.run()
	if len(c.nodes[2].rec.entries) != 0 {
		t.Fatal("node 2 was not cut off")
	}
	c.drop = nil
	c.pass(4 * time.Second)
	c.sameHistory("0/0 a")
	for i, o := range others {
		if len(o.covers) != 2 || len(o.covers[1]) != 2 {
			t.Errorf("node %d told the other groups that they are covered by %v", i, o.covers)
		}
		if len(o.ahead) != 0 {
			t.Errorf("node %d believes others to be ahead in groups %v", i, o.ahead)
		}
	}
}

// One member that sends none, as an original node, is asked as ever.
func TestMemberWithoutDigestsIsAsked(t *testing.T) {
	var others []*otherGroups
	c := newCluster(t, 3, carriers(&others))
	silent := c.nodes[2].id
	c.drop = func(p packet) bool { return p.from == silent && kindOf(t, p.data) == paxos.Digest }
	c.pass(10 * time.Second)
	before := c.asks()
	c.pass(time.Minute)
	for i, n := range c.asks()[:2] {
		if n < before[i]+15 {
			t.Errorf("node %d asked only %d times in a minute", i, n-before[i])
		}
	}
	if got := c.asks()[2]; got != before[2] {
		t.Errorf("the silent one hears digests of both others, and asked %d times", got-before[2])
	}
}

// Who falls silent does not cover any more, and a node that was alone for a
// while asks again.
func TestCoverEnds(t *testing.T) {
	var others []*otherGroups
	c := newCluster(t, 3, carriers(&others))
	c.pass(10 * time.Second)
	before := c.asks()
	c.drop = func(p packet) bool { return true }
	c.pass(30 * time.Second)
	for i, n := range c.asks() {
		if n < before[i]+5 {
			t.Errorf("node %d asked only %d times", i, n-before[i])
		}
	}
	if last := others[0].covers[len(others[0].covers)-1]; len(last) != 0 {
		t.Errorf("still covered by %v", last)
	}
}

// A digest speaks for every group that its sender has.
func TestDigestConcernsTheOtherGroups(t *testing.T) {
	var others []*otherGroups
	c := newCluster(t, 3, carriers(&others))
	g, from := c.nodes[0].g, c.nodes[1].id
	hear := func(d wire.Digest) {
		g.digests.hear(g, &paxos.Message{Kind: paxos.Digest, From: from, Value: wire.AppendDigest(nil, &d)})
	}
	hear(wire.Digest{Groups: 4, Instances: []uint64{0, 1, 9, 9}}) // they are at 0, 1, 2 and 3
	if got := others[0].ahead; len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("told groups %v, want 2 and 3", got)
	}
	if len(others[0].covers) != 1 {
		t.Error("the sender does not cover")
	}
	from = c.nodes[2].id
	hear(wire.Digest{Groups: 3, Instances: []uint64{0, 0, 0}}) // it lacks a group
	hear(wire.Digest{Groups: 9, First: 7, Instances: []uint64{5}})
	hear(wire.Digest{Groups: 9, First: 4, Instances: []uint64{5, 5, 5, 5, 5}}) // more than there are here
	if len(others[0].ahead) != 2 {
		t.Errorf("told groups %v", others[0].ahead)
	}
	g.digests.hear(g, &paxos.Message{Kind: paxos.Digest, From: from, Value: []byte{1}})
	if c.nodes[0].count[event.PacketMalformed] != 1 {
		t.Error("a broken digest was not noticed")
	}
}
