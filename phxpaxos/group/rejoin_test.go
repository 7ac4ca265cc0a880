package group

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// apart drops all packets from and to nodes.
func (c *cluster) apart(ids ...nodeid.ID) {
	c.drop = func(p packet) bool { return slices.Contains(ids, p.from) || slices.Contains(ids, p.to) }
}

// A cluster of four has lost a member; a second one comes back empty. Three of
// four are there, which is a quorum, and the two that have the history agree.
func TestBlankNodeOfFourWithOneDown(t *testing.T) {
	c := newCluster(t, 4, func(cfg *Config) { cfg.Features, cfg.CheckHistory = agreed, true })
	for range 3 {
		c.await(c.propose(0, "a"), "a")
	}
	c.apart(c.nodes[0].id)
	c.pass(time.Second)
	blank := c.nodes[3]
	blank.edit = func(cfg *Config) { cfg.CheckHistory = true }
	blank = c.wiped(3)
	c.pass(5 * time.Minute)
	if blank.g.Instance() != c.nodes[1].g.Instance() {
		t.Errorf("instance %d of %d, identity %v, %d packets refused", blank.g.Instance(), c.nodes[1].g.Instance(),
			blank.g.Features().Cluster, blank.count[event.PacketForeignCluster])
	}
}

// With a kept membership a dead member is replaced by a new node, which is
// started with the old list and itself.
func TestDeadMemberIsReplaced(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.UseMembers, cfg.CheckHistory, cfg.Features = true, true, agreed })
	c.await(c.propose(0, "a"), "a")
	dead := c.nodes[2].id
	c.apart(dead)
	ids := slices.Clone(c.nodes[0].ids())
	c.nodes[0].edit = func(cfg *Config) { cfg.UseMembers, cfg.CheckHistory = true, true }
	id, _ := nodeid.Parse("127.0.0.1:11120")
	n := c.add(11120, append(ids, id))
	tk := &Ticket{}
	c.nodes[0].g.ChangeMembers(tk, n.id, dead)
	c.await(tk, "change")
	if tk.Err != nil {
		t.Fatal(tk.Err)
	}
	c.pass(5 * time.Minute)
	t.Logf("instance %d of %d, identity %v, foreign %v", n.g.Instance(), c.nodes[0].g.Instance(), n.g.Features().Cluster, n.count)
	v := c.propose(0, "b")
	c.await(v, "b")
	if v.Err != nil || n.g.Instance() != c.nodes[0].g.Instance() {
		t.Errorf("instance %d of %d, identity %v, %v", n.g.Instance(), c.nodes[0].g.Instance(), n.g.Features().Cluster, v.Err)
	}
}

// A group of a node whose first group failed before it knew the level: one of
// the others is down, so its vote is needed.
func TestGroupWhoseFirstGroupFailed(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(10 * time.Second)
	for _, n := range c.nodes[:2] {
		n.g.SetFeatures(agreed)
	}
	c.apart(c.nodes[1].id) // it is down for a while
	c.pass(time.Minute)
	v := c.propose(0, "b")
	c.pass(5 * time.Minute)
	if !v.executed || v.Err != nil {
		t.Errorf("nothing is decided by two of three: %+v, %v", v, c.nodes[0].count)
	}
}

// Two of three nodes go back to the version before, though the level was not
// lowered. The third is the one that clients use.
func TestVotesOfOlderNodesAfterADowngrade(t *testing.T) {
	c := upgraded(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(30 * time.Second)
	if c.level() != feature.Newest {
		t.Fatal("level")
	}
	for _, n := range c.nodes[1:] {
		n.restart(true)
		c.pass(20 * time.Second)
	}
	v := c.propose(0, "b")
	c.pass(5 * time.Minute)
	if !v.executed || v.Err != nil {
		t.Errorf("nothing is decided: %+v", v)
	}
}

// A cluster of one node grows by a node of the version before.
func TestOneNodeGrowsByAnOlderOne(t *testing.T) {
	c := newCluster(t, 1, func(cfg *Config) { cfg.UseMembers, cfg.Features, cfg.Siblings = true, agreed, &otherGroups{} })
	c.await(c.propose(0, "a"), "a")
	c.nodes[0].edit = func(cfg *Config) { cfg.UseMembers = true }
	n := c.add(11120, c.nodes[0].ids())
	tk := &Ticket{}
	c.nodes[0].g.ChangeMembers(tk, n.id, nodeid.None)
	c.await(tk, "change")
	if tk.Err != nil {
		t.Fatal(tk.Err)
	}
	c.pass(time.Minute)
	t.Logf("new node at %d of %d, features %+v", n.g.Instance(), c.nodes[0].g.Instance(), n.g.Features())
	v := c.propose(0, "b")
	c.pass(5 * time.Minute)
	if !v.executed || v.Err != nil {
		t.Errorf("nothing is decided: %+v", v)
	}
}

// A node of a cluster of two that has no identity yet gets one packet from a
// node of another cluster, at the other member's address.
func TestOnePacketGivesAnIdentity(t *testing.T) {
	c := upgraded(t, 2, nil)
	n := c.nodes[0]
	// Nothing is agreed yet: heartbeats have not passed.
	c.await(c.propose(0, "a"), "a")
	if !n.g.Features().Cluster.IsZero() {
		t.Fatal("agreed too early")
	}
	n.receive(paxos.Message{Kind: paxos.AskForLearn, From: c.nodes[1].id, Instance: 1}, nodeid.Cluster{9})
	if id := n.g.Features().Cluster; !id.IsZero() {
		t.Errorf("a node with a log of its own takes the identity %v at one packet, and stores it: %v", id, n.vars[Features] != nil)
	}
	c.pass(time.Minute)
	if id := c.nodes[1].g.Features().Cluster; id == (nodeid.Cluster{9}) {
		t.Errorf("and passes it on to its own cluster: %+v", c.features())
	}
	v := c.propose(0, "b")
	c.await(v, "b")
}

// The same for a node of three that was started once with the wrong list.
func TestWrongListOnceGivesAnIdentity(t *testing.T) {
	c := upgraded(t, 3, nil)
	for i := range 3 {
		c.await(c.propose(0, fmt.Sprint("a", i)), "a")
	}
	n := c.nodes[2]
	for _, from := range c.nodes[:2] {
		n.receive(paxos.Message{Kind: paxos.AskForLearn, From: from.id, Instance: 1}, nodeid.Cluster{9})
	}
	c.pass(time.Minute)
	v := c.propose(0, "b")
	c.await(v, "b")
	c.pass(time.Minute)
	all := c.features()
	if all[0].Cluster == (nodeid.Cluster{9}) {
		t.Errorf("the cluster took the identity of another one: %+v", all)
	}
	if n.g.Instance() != c.nodes[0].g.Instance() || all[2] != all[0] {
		t.Errorf("it is refused for ever: instance %d of %d, %+v", n.g.Instance(), c.nodes[0].g.Instance(), all)
	}
}

// older makes nodes speak as those of the version before: nothing that they
// send or get has the identity or an announcement in it. (A node that
// senders_test.go restarts as an older one adopts the identity and states it.)
func (c *cluster) older(ids ...nodeid.ID) {
	strip := func(p packet) []byte {
		w, err := wire.Open(p.data)
		if err != nil || w.Command != wire.CommandPaxos {
			return p.data
		}
		var m paxos.Message
		if w.Message(&m) != nil {
			return p.data
		}
		m.Features = nil
		return wire.AppendMessage(nil, wire.Header{Group: w.Group, Cluster: w.Cluster, CRC: true}, &m)
	}
	c.drop = func(p packet) bool {
		if !slices.Contains(ids, p.from) && !slices.Contains(ids, p.to) {
			return false
		}
		for _, n := range c.nodes {
			if n.id == p.to {
				n.g.Receive(slices.Clone(strip(p)))
			}
		}
		return true
	}
}

// Two of three nodes go back to the version before, though the level was not
// lowered. Clients use the third.
func TestRealDowngradeOfTwo(t *testing.T) {
	c := upgraded(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(30 * time.Second)
	if c.level() != feature.Newest {
		t.Fatal("level")
	}
	for i, n := range c.nodes[1:] {
		c.older(c.nodes[1].id, c.nodes[1+i].id)
		n.restart(true)
		c.pass(20 * time.Second)
	}
	v := c.propose(0, "b")
	c.pass(5 * time.Minute)
	if !v.executed || v.Err != nil {
		t.Errorf("nothing is decided: %+v %v", v, c.nodes[0].count)
	}
	w := c.propose(1, "c")
	c.pass(20 * time.Second)
	t.Logf("after a value of an older node: %v %v", w.executed, v.executed)
}

// One of three nodes goes back, and another one is down.
func TestRealDowngradeOfOne(t *testing.T) {
	c := upgraded(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(30 * time.Second)
	old, down := c.nodes[1], c.nodes[2]
	c.older(old.id)
	old.restart(true)
	c.pass(20 * time.Second)
	before := c.drop
	c.drop = func(p packet) bool { return p.from == down.id || p.to == down.id || before(p) }
	v := c.propose(0, "b")
	c.pass(5 * time.Minute)
	if !v.executed || v.Err != nil {
		t.Errorf("nothing is decided: %+v %v", v, c.nodes[0].count)
	}
}

// A node that is behind learns from the only one that is up, which went back.
func TestLearnsFromAnOlderNode(t *testing.T) {
	c := upgraded(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(30 * time.Second)
	old, down, behind := c.nodes[1], c.nodes[2], c.nodes[0]
	c.older(old.id)
	old.restart(true)
	c.pass(20 * time.Second)
	before := c.drop
	c.drop = func(p packet) bool { return p.from == behind.id || p.to == behind.id || before(p) }
	for i := range 5 {
		v := c.propose(1, fmt.Sprint(i))
		c.await(v, "value of two")
		if v.Err != nil {
			t.Fatal(v.Err)
		}
	}
	c.drop = func(p packet) bool { return p.from == down.id || p.to == down.id || before(p) }
	v := c.propose(1, "late")
	c.pass(5 * time.Minute)
	if behind.g.Instance() < old.g.Instance() || !v.executed {
		t.Errorf("at %d of %d, %v: %+v", behind.g.Instance(), old.g.Instance(), behind.count, v)
	}
}

// A cluster of one node, which is at level 1 by itself, grows by a node of the
// version before.
func TestOneNodeGrowsByARealOlderOne(t *testing.T) {
	c := newCluster(t, 1, func(cfg *Config) { cfg.UseMembers, cfg.Siblings = true, &otherGroups{} })
	c.await(c.propose(0, "a"), "a")
	c.pass(time.Minute)
	if c.level() != feature.Newest {
		t.Fatal("level")
	}
	c.nodes[0].edit = func(cfg *Config) { cfg.UseMembers = true }
	n := c.add(11120, slices.Clone(c.nodes[0].ids()))
	c.older(n.id)
	tk := &Ticket{}
	c.nodes[0].g.ChangeMembers(tk, n.id, nodeid.None)
	c.await(tk, "change")
	if tk.Err != nil {
		t.Fatal(tk.Err)
	}
	c.pass(time.Minute)
	t.Logf("new node at %d of %d, features %+v", n.g.Instance(), c.nodes[0].g.Instance(), n.g.Features())
	v := c.propose(0, "b")
	c.pass(5 * time.Minute)
	if !v.executed || v.Err != nil {
		t.Errorf("nothing is decided: %+v %v", v, c.nodes[0].count)
	}
}

// Two of three nodes lost their disks. The third one is there, and says in
// every packet that instance 0 is long decided; so the two decide nothing.
func TestTwoWipedNodesDecideNothingAnew(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.Features, cfg.CheckHistory = agreed, true })
	c.await(c.propose(0, "acknowledged"), "a")
	c.await(c.propose(0, "acknowledged too"), "b")
	for _, i := range []int{1, 2} {
		c.nodes[i].edit = func(cfg *Config) { cfg.CheckHistory = true }
		c.wiped(i)
	}
	c.pass(time.Minute)
	v := c.propose(1, "another value")
	c.pass(time.Minute)
	if v.executed {
		t.Errorf("instance %d is decided anew: %q on one node, %q on another; %v", v.Instance, c.nodes[0].rec.entries, c.nodes[1].rec.entries, c.features())
	}
}

// The operator lowers the level, as the documentation asks for before a
// downgrade, while one member is down. It comes back with the same version.
func TestNodeThatWasDownWhenTheLevelWasLowered(t *testing.T) {
	for _, count := range []int{1, 5, 300} {
		c := upgraded(t, 3, nil)
		c.await(c.propose(0, "a"), "a")
		c.pass(30 * time.Second)
		if c.level() != feature.Newest {
			t.Fatal("level")
		}
		away := c.nodes[2]
		c.apart(away.id)
		tk := &Ticket{}
		c.nodes[0].g.RestrictFeatures(tk, feature.Base)
		c.await(tk, "limit")
		if tk.Err != nil {
			t.Fatal(tk.Err)
		}
		for i := range count {
			c.await(c.propose(0, fmt.Sprint(i)), "value")
		}
		c.pass(time.Minute)
		away.restart(false)
		c.drop = nil
		c.pass(5 * time.Minute)
		if away.g.Instance() != c.nodes[0].g.Instance() {
			t.Errorf("%d values later: at %d of %d", count, away.g.Instance(), c.nodes[0].g.Instance())
		}
		// One of the others goes: its vote is needed.
		c.apart(c.nodes[1].id)
		v := c.propose(0, "b")
		c.pass(time.Minute)
		if !v.executed {
			t.Errorf("%d values later: nothing is decided by two of three", count)
		}
	}
}

// The same as TestTwoWipedNodesDecideNothingAnew with a kept membership.
func TestTwoWipedNodesWithMembers(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.Features, cfg.CheckHistory, cfg.UseMembers = agreed, true, true })
	c.await(c.propose(0, "acknowledged"), "a")
	for _, i := range []int{1, 2} {
		c.nodes[i].edit = func(cfg *Config) { cfg.CheckHistory, cfg.UseMembers = true, true }
		c.wiped(i)
	}
	c.pass(time.Minute)
	v := c.propose(1, "another value")
	c.pass(time.Minute)
	if v.executed {
		t.Errorf("instance %d is decided anew: %q on one node, %q on another; %v", v.Instance, c.nodes[0].rec.entries, c.nodes[1].rec.entries, c.features())
	}
}

// A member is down while the other two are converted, or lose what they have
// stored of the features in another way: they wait for its word, and it does
// not take theirs.
func TestTwoNodesThatForgotTheLevel(t *testing.T) {
	c := upgraded(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(30 * time.Second)
	if c.level() != feature.Newest {
		t.Fatal("level")
	}
	away := c.nodes[2]
	c.apart(away.id)
	for _, n := range c.nodes[:2] {
		delete(n.vars, Features)
		n.restart(false)
		c.pass(time.Minute)
	}
	c.pass(20 * time.Second)
	for i := range 5 {
		v := c.propose(0, fmt.Sprint(i))
		c.pass(30 * time.Second)
		if !v.executed {
			t.Fatalf("value %d is not decided: %+v; %+v latest %v instance %d err %v waiting %d", i, c.features(), v, c.nodes[0].g.core.IsLatest(), c.nodes[0].g.Instance(), c.nodes[0].g.Err(), len(c.nodes[0].g.queue.waiting))
		}
	}
	c.pass(time.Minute)
	away.restart(false)
	c.drop = nil
	c.pass(5 * time.Minute)
	if away.g.Instance() != c.nodes[0].g.Instance() || c.level() != feature.Newest {
		t.Errorf("at %d of %d, %+v", away.g.Instance(), c.nodes[0].g.Instance(), c.features())
	}
}

// A node of a cluster of two starts for the first time while another cluster
// still has the other member's address. Then the right one comes.
func TestNewNodeOfTwoIsGivenAnIdentity(t *testing.T) {
	c := newCluster(t, 2, func(cfg *Config) { cfg.CheckHistory, cfg.Siblings = true, &otherGroups{} })
	n := c.nodes[0]
	n.receive(paxos.Message{Kind: paxos.AskForLearn, From: c.nodes[1].id, Instance: 0}, nodeid.Cluster{9})
	v := c.propose(0, "a")
	c.pass(time.Minute)
	if !v.executed || n.g.Features().Cluster == (nodeid.Cluster{9}) {
		t.Errorf("executed %v, %+v", v.executed, c.features())
	}
}
