package group

import (
	"slices"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// wiped takes a node's disk away and starts it again with the same peers.
func (c *cluster) wiped(node int) *testNode {
	n, ids := c.nodes[node], slices.Clone(c.nodes[node].ids())
	n.log, n.vars = map[uint64][]byte{}, map[Variable][]byte{}
	before := n.edit
	n.edit = func(cfg *Config) {
		if before != nil {
			before(cfg)
		}
		cfg.CheckHistory = true
	}
	n.start(ids)
	return n
}

// Of two members both are needed, so a wiped one votes soon. It must not vote
// at instances that are long decided: the other one may have been wiped before
// it, and packets of that one's former life would find a second quorum
// (simulator: seed 656 of checkpoints worlds with 2 nodes and 2 groups).
func TestWipedNodeOfTwoDoesNotVoteInThePast(t *testing.T) {
	c := newCluster(t, 2, nil)
	for range 10 {
		c.propose(0, "v")
		c.run()
	}
	n := c.wiped(1)
	c.drop = func(p packet) bool { // it learns instances 0 to 4
		return p.to == n.id && n.g.Instance() >= 5
	}
	c.pass(10 * time.Second)
	if n.g.Instance() != 5 || n.g.Votes() {
		t.Fatalf("instance %d, votes %v", n.g.Instance(), n.g.Votes())
	}
	receive := func(m paxos.Message) {
		n.g.Receive(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &m))
		c.run()
	}
	c.drop = func(packet) bool { return true }
	other := c.nodes[0].id
	voted := func() bool {
		ballot, _ := n.g.core.Accepted()
		return !ballot.IsNull()
	}
	receive(paxos.Message{Kind: paxos.Accept, From: other, Instance: 5, Ballot: paxos.Ballot{Number: 9, Node: other}, Value: []byte("x")})
	if voted() {
		t.Error("it voted at an instance that is decided")
	}
	c.drop = func(p packet) bool { return p.to == n.id && n.g.Instance() >= 10 }
	c.pass(10 * time.Second)
	if n.g.Instance() != 10 {
		t.Fatalf("instance %d, the other one %d", n.g.Instance(), c.nodes[0].g.Instance())
	}
	c.drop = func(packet) bool { return true }
	receive(paxos.Message{Kind: paxos.Accept, From: other, Instance: 10, Ballot: paxos.Ballot{Number: 9, Node: other}, Value: []byte("x")})
	if !voted() {
		t.Error("it did not vote where the other one is")
	}
}

// A wiped node that has learned instance 0 and starts again finds the record
// of its lesson. That is no vote of its own, from which it could tell that the
// cluster was new when it came (simulator: seed 1264 of checkpoints worlds with
// 3 nodes and 4 groups).
func TestLessonIsNoVote(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.propose(0, "a")
	c.run()
	n := c.wiped(2)
	c.drop = func(p packet) bool {
		open, err := wire.Open(p.data)
		var m paxos.Message
		return err == nil && open.Message(&m) == nil && m.Kind == paxos.Drive
	}
	for range 2 {
		c.pass(5 * time.Second)
		if n.g.Instance() != 1 || n.g.Votes() {
			t.Fatalf("instance %d, votes %v, after its vote there was forgotten", n.g.Instance(), n.g.Votes())
		}
		n.start(n.ids())
	}
}

// Two lessons of instance 0, of which the second comes before the first is on
// disk, are no vote either (seed 79 of checkpoints worlds with 5 nodes and 1
// group).
func TestTwoLessonsAreNoVote(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.UseMembers = true })
	a := c.propose(0, "a") // behind the members, whose lesson waits for the disk
	c.await(a, "first value")
	n := c.wiped(2)
	n.stall = true
	c.drop = func(p packet) bool {
		open, err := wire.Open(p.data)
		var m paxos.Message
		return err == nil && open.Message(&m) == nil && m.Kind == paxos.Drive
	}
	c.pass(10 * time.Second)
	n.stall = false
	c.pass(5 * time.Second)
	if n.g.Instance() != 2 || n.g.Votes() {
		t.Fatalf("instance %d, votes %v, after its votes were forgotten", n.g.Instance(), n.g.Votes())
	}
}

// One other node at instance 0 does not make the cluster new: it may never have
// learned what the wiped node decided with the third (seed 9292 of checkpoints
// worlds with 3 nodes and 4 groups).
func TestOneNodeAtTheBeginningIsNotEnough(t *testing.T) {
	c := newCluster(t, 3, nil)
	away := c.nodes[2].id
	c.drop = func(p packet) bool { return p.to == away || p.from == away }
	for range 3 {
		c.propose(0, "v")
		c.run()
	}
	n, gone := c.wiped(1), c.nodes[0].id
	c.drop = func(p packet) bool { return p.to == gone || p.from == gone }
	c.pass(15 * time.Second)
	if n.g.Votes() {
		t.Error("its caution has ended")
	}
}

// What a wiped node has forgotten it cannot answer for when it reads (seed 1854
// of checkpoints worlds with 3 nodes and 2 groups).
func TestWipedNodeDoesNotAnswerItself(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.propose(0, "v")
	c.run()
	behind := c.nodes[0].id
	c.drop = func(p packet) bool { return p.to == behind || p.from == behind }
	for range 3 {
		c.propose(1, "v")
		c.run()
	}
	n, ahead := c.wiped(2), c.nodes[1].id
	c.drop = func(p packet) bool { return p.to == ahead || p.from == ahead }
	read := &Ticket{}
	n.g.Read(read)
	c.pass(3 * time.Second)
	if slices.Contains(n.done, read) && read.Err == nil {
		t.Errorf("a read ended at instance %d, 4 are acknowledged", read.Instance)
	}
}

// A round of reads may begin while this node cannot answer, and needs its answer
// when it can (seed 30938 of checkpoints worlds with 2 nodes and 2 groups).
func TestReaderAnswersItselfOnceItMay(t *testing.T) {
	c := newCluster(t, 2, func(cfg *Config) { cfg.Fence = true })
	n := c.nodes[1]
	n.g.master.v.Master, n.g.master.until = c.nodes[0].id, 1<<62      // whose lease keeps this node from using the log
	n.g.newcomer = newcomer{active: true, at: 1 << 62, save: 1 << 62} // for ever
	read := &Ticket{}
	n.g.Read(read)
	c.pass(time.Second)
	if slices.Contains(n.done, read) {
		t.Fatal("one answer of two was enough")
	}
	n.g.newcomer = newcomer{}
	c.pass(2 * time.Second)
	if !slices.Contains(n.done, read) || read.Err != nil {
		t.Errorf("the read has not ended: %+v", read)
	}
}

// Original nodes do not answer the question how far they are. Where they say
// that they are at instance 0, the cluster is new and nothing has to be waited
// for.
func TestNewClusterOfOriginalNodesStartsAtOnce(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.CheckHistory, cfg.UseMembers = true, true })
	c.drop = func(p packet) bool {
		open, err := wire.Open(p.data)
		var m paxos.Message
		return err == nil && open.Message(&m) == nil && m.Kind == paxos.HistoryReply
	}
	first := c.propose(0, "first")
	c.pass(5 * time.Second)
	if first.Err != nil || first.Instance != 1 {
		t.Errorf("%+v, want it behind the members", first)
	}
	c.sameHistory("1/0 first")
}
