package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

func withHistory(cfg *Config) { cfg.FullHistory = true }

// decided is a cluster with the full history that has executed some values.
func decided(t *testing.T, size, values int, edit func(*Config)) *cluster {
	t.Helper()
	c := newCluster(t, size, func(cfg *Config) {
		withHistory(cfg)
		if edit != nil {
			edit(cfg)
		}
	})
	c.run()
	for i := range values {
		c.await(c.propose(0, fmt.Sprintf("pay:+%d", i%10)), "value")
	}
	return c
}

// forge gives a node another history from an instance on, in which every hash
// is right, and starts it again: as if other values had been chosen there.
func (c *cluster) forge(node int, from uint64) {
	c.t.Helper()
	n := c.nodes[node]
	ids := slices.Clone(n.g.Members())
	top, _, _ := n.Max()
	var last uint64
	for i := uint64(0); i <= top; i++ {
		var r paxos.Record
		if err := wire.DecodeRecord(n.log[i], &r); err != nil {
			c.t.Fatal(err)
		}
		if r.Accepted.IsNull() {
			continue
		}
		if i == from {
			r.Value = slices.Clone(r.Value)
			r.Value[len(r.Value)-1] ^= 1
		}
		if i >= from {
			r.Sum = paxos.ValueHash(r.Value)
			r.Chain = paxos.HistoryChain(i, last, r.Sum)
			n.log[i] = wire.AppendRecord(nil, &r)
		}
		last = r.Chain
	}
	n.start(ids)
}

// undecided lets a node that starts again be at the instance where it was: the
// newest record of a log counts as undecided.
func (c *cluster) undecided(node int) {
	n := c.nodes[node]
	next := n.g.Instance()
	n.log[next] = wire.AppendRecord(nil, &paxos.Record{Instance: next, Promised: n.g.core.Promised()})
}

// stopped checks that the given nodes, and no others, have stopped because
// their history differs from an instance on.
func (c *cluster) stopped(from uint64, want ...int) {
	c.t.Helper()
	for i, n := range c.nodes {
		err := n.g.Err()
		if !slices.Contains(want, i) {
			if err != nil {
				c.t.Errorf("node %d has stopped: %v", i, err)
			}
			continue
		}
		if !errors.Is(err, paxos.ErrDiverged) || !errors.Is(err, ErrGroupFailed) || !strings.Contains(err.Error(), fmt.Sprintf("from instance %d on", from)) {
			c.t.Errorf("node %d: %v, want that its history differs from instance %d on", i, err, from)
		}
	}
}

// The original's checksum does not see the difference between pay:+1 and
// pay:+2. A node with another history stops, whether it votes, proposes, or
// has nothing to do, and the others go on.
func TestAnotherHistoryIsFound(t *testing.T) {
	for name, act := range map[string]func(c *cluster){
		"it is to vote":   func(c *cluster) { c.await(c.propose(0, "next"), "next") },
		"it proposes":     func(c *cluster) { c.propose(2, "next"); c.pass(3 * time.Second) },
		"it asks at once": func(c *cluster) { c.run() },
	} {
		t.Run(name, func(t *testing.T) {
			c := decided(t, 3, 20, nil)
			if name != "it asks at once" {
				c.drop = func(p packet) bool { return kindOf(t, p.data) == paxos.AskForLearn }
			}
			c.forge(2, 7)
			act(c)
			c.drop = nil
			c.pass(time.Second)
			c.stopped(7, 2)
			if n := len(c.nodes[2].rec.entries); n > 20 {
				t.Errorf("it executed %d values", n)
			}
			tk := c.propose(1, "later")
			c.await(tk, "later")
			if tk.Err != nil {
				t.Errorf("the others: %v", tk.Err)
			}
		})
	}
}

// Idle groups are compared by heartbeats alone.
func TestIdleHistoriesAreCompared(t *testing.T) {
	var others []*otherGroups
	c := decided(t, 3, 5, carriers(&others))
	c.drop = func(p packet) bool { return kindOf(t, p.data) == paxos.AskForLearn }
	c.undecided(2)
	c.forge(2, 3)
	c.pass(10 * time.Second)
	c.stopped(3, 2)
}

// The other groups of the node are called where their heartbeats may differ,
// and not where they are at another instance, do not know, or agree.
func TestHeartbeatsOfSiblings(t *testing.T) {
	var others []*otherGroups
	c := decided(t, 2, 1, carriers(&others))
	same := wire.Standing{Instance: 1, Chain: 5}
	others[0].standings = []wire.Standing{{}, same, {Instance: 2, Chain: 6}, {Instance: 3}}
	others[1].standings = []wire.Standing{{}, same, {Instance: 2, Chain: 7}, {Instance: 3, Chain: 9}}
	c.pass(10 * time.Second)
	for i, o := range others {
		if len(o.compared) == 0 || slices.ContainsFunc(o.compared, func(s wire.Standing) bool { return s.Group != 2 || s.Instance != 2 }) {
			t.Errorf("node %d is to compare %+v", i, o.compared)
		}
	}
	sent := 0
	c.drop = func(p packet) bool {
		open, _ := wire.Open(p.data)
		var m paxos.Message
		if open.Message(&m) == nil {
			sent += len(m.History)
		}
		return false
	}
	c.pass(10 * time.Second)
	if sent != 0 {
		t.Errorf("%d bytes are stated again and again", sent)
	}
}

// A node that was away with another history is found before it is taught
// anything.
func TestAnotherHistoryIsNotTaught(t *testing.T) {
	c := decided(t, 3, 20, nil)
	away := c.nodes[2].id
	c.drop = func(p packet) bool { return p.from == away || p.to == away }
	for i := range 100 {
		c.await(c.propose(0, fmt.Sprint(i)), "value")
	}
	c.forge(2, 7)
	c.drop = nil
	c.pass(5 * time.Second)
	c.stopped(7, 2)
	if n := len(c.nodes[2].rec.entries); n > 19 { // what it had before; its newest record is not final
		t.Errorf("it executed %d values", n)
	}
}

// Without a majority that agrees all nodes stop, also where one that could
// tell is not there, once it had time to come.
func TestWithoutAMajorityAllStop(t *testing.T) {
	t.Run("two nodes", func(t *testing.T) {
		c := decided(t, 2, 20, nil)
		c.forge(1, 7)
		c.pass(time.Second)
		c.stopped(7, 0, 1)
	})
	t.Run("one of three is away", func(t *testing.T) {
		c := decided(t, 3, 20, nil)
		away := c.nodes[1].id
		c.drop = func(p packet) bool { return p.from == away || p.to == away }
		c.forge(2, 7)
		tk := c.propose(0, "must wait")
		c.pass(comparePatience - 3*time.Second)
		c.stopped(7)
		if slices.Contains(c.nodes[0].done, tk) || c.nodes[0].g.Instance() != 20 {
			t.Errorf("node 0 went on: %+v", tk)
		}
		c.pass(6 * time.Second)
		c.stopped(7, 0, 2)
	})
	t.Run("it comes back in time", func(t *testing.T) {
		c := decided(t, 3, 20, nil)
		away := c.nodes[1].id
		c.drop = func(p packet) bool { return p.from == away || p.to == away }
		c.forge(2, 7)
		tk := c.propose(0, "must wait")
		c.pass(comparePatience - 3*time.Second)
		c.drop = nil
		c.pass(3 * time.Second)
		c.stopped(7, 2)
		c.await(tk, "what waited")
		if tk.Err != nil {
			t.Error(tk.Err)
		}
	})
}

// A word that no statement of the members confirms stops nobody: not that of
// a member that says something else when it is asked, nor that of a stranger,
// nor one without our CRC.
func TestOneWordStopsNobody(t *testing.T) {
	c := decided(t, 3, 20, nil)
	n := c.nodes[0]
	say := func(m paxos.Message, crc bool) {
		n.g.Receive(wire.AppendMessage(nil, wire.Header{CRC: crc}, &m))
	}
	accept := paxos.Message{Kind: paxos.Accept, From: c.nodes[2].id, Instance: 20, Chain: 12345,
		Ballot: paxos.Ballot{Number: 99, Node: c.nodes[2].id}, Value: []byte("a value")}
	say(accept, true)
	if n.count[event.HistoryDiffers] != 1 || !n.g.history.active {
		t.Fatal("no comparison")
	}
	c.run()
	if n.count[event.HistoryCompared] != 1 || n.g.history.active {
		t.Fatal("it does not end")
	}
	say(accept, true) // just now its members agreed
	accept.From = nodeid.ID(77<<32 | 1)
	say(accept, true)
	forged := wire.AppendHistory(nil, &wire.History{Chains: slices.Repeat([]uint64{9}, 20)})
	say(paxos.Message{Kind: paxos.HistoryCompare, From: accept.From, Value: forged}, true)
	say(paxos.Message{Kind: paxos.HistoryCompareReply, From: c.nodes[1].id, Value: forged}, false)
	say(paxos.Message{Kind: paxos.HistoryCompareReply, From: c.nodes[1].id, Value: []byte{255}}, true)
	if n.count[event.HistoryDiffers] != 1 {
		t.Error("another comparison")
	}
	tk := c.propose(0, "next")
	c.await(tk, "next")
	c.stopped(0)
}

// A read waits for the verdict: what is executed here may be another history.
func TestReadWaitsForTheVerdict(t *testing.T) {
	c := decided(t, 3, 20, nil)
	c.drop = func(p packet) bool { return kindOf(t, p.data) == paxos.AskForLearn }
	c.undecided(2)
	c.forge(2, 7)
	n := c.nodes[2]
	r := &Ticket{}
	n.g.Read(r)
	c.await(r, "read before it is known")
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	n.g.Receive(wire.AppendMessage(nil, wire.Header{CRC: true}, &paxos.Message{Kind: paxos.Success, From: c.nodes[0].id,
		Instance: 20, Ballot: paxos.Ballot{Number: 1, Node: c.nodes[0].id}, Chain: 12345}))
	c.drop = func(p packet) bool {
		return kindOf(t, p.data) == paxos.HistoryCompare || kindOf(t, p.data) == paxos.HistoryCompareReply
	}
	r = &Ticket{}
	n.g.Read(r)
	c.pass(5 * time.Second)
	if slices.Contains(n.done, r) {
		t.Fatalf("the read ended: %+v", r)
	}
	c.drop = nil
	c.pass(2 * time.Second)
	if !errors.Is(r.Err, paxos.ErrDiverged) {
		t.Errorf("%+v", r)
	}
}

// A follower is no member: it stops if a majority of the members has another
// history, and counts for no other node.
func TestFollowerWithAnotherHistory(t *testing.T) {
	c := decided(t, 3, 5, nil)
	ids := slices.Clone(c.nodes[0].g.Members())
	leader := c.nodes[0].id
	c.nodes[0].edit = func(cfg *Config) { withHistory(cfg); cfg.Following = leader }
	f := c.add(11115, ids)
	c.pass(5 * time.Second)
	if len(f.rec.entries) != 5 {
		t.Fatalf("it executed %q", f.rec.entries)
	}
	c.await(c.propose(0, "next"), "next")
	c.forge(3, 2)
	c.pass(5 * time.Second)
	c.stopped(2, 3)
}

// A record whose value changed on its way to the disk is not taught: its node
// stops, and another one teaches.
func TestChangedRecordIsNotTaught(t *testing.T) {
	c := decided(t, 3, 3, nil)
	away := c.nodes[2].id
	c.drop = func(p packet) bool { return p.from == away || p.to == away }
	for i := range 20 {
		c.await(c.propose(0, fmt.Sprint(i)), "value")
	}
	want := slices.Clone(c.nodes[1].rec.entries)
	data := c.nodes[0].log[10]
	var r paxos.Record
	if err := wire.DecodeRecord(data, &r); err != nil {
		t.Fatal(err)
	}
	r.Value[len(r.Value)-1] ^= 1 // a part of data
	c.drop = nil
	c.pass(20 * time.Second)
	if err := c.nodes[0].g.Err(); err != nil && !errors.Is(err, paxos.ErrCorrupt) {
		t.Error(err)
	}
	if !slices.Equal(c.nodes[2].rec.entries, want) {
		t.Errorf("learned %q", c.nodes[2].rec.entries)
	}
	cfg := Config{Groups: 1, Me: c.nodes[0].id, Members: c.nodes[1].g.Members(), PacketCRC: true, FullHistory: true,
		StateMachines: []sm.StateMachine{&recorder{id: 1}}, Rand: c.nodes[1].g.cfg.Rand}
	if _, err := Open(cfg, c.nodes[0], 0); !errors.Is(err, paxos.ErrCorrupt) {
		t.Errorf("its next start: %v", err)
	}
}

// Switched on while nodes run, chains begin at the next block.
func TestHistoryIsSwitchedOn(t *testing.T) {
	c := newCluster(t, 3, nil)
	for range paxos.HistoryBlock - 2 {
		c.await(c.propose(0, "v"), "value")
	}
	for _, n := range c.nodes {
		n.g.setFullHistory(true)
	}
	for i := range 4 {
		c.await(c.propose(i%3, "v"), "value")
		known := c.nodes[0].g.Standing().Chain != 0
		if want := c.nodes[0].g.Instance() > paxos.HistoryBlock; known != want {
			t.Errorf("before instance %d the chain is known: %v", c.nodes[0].g.Instance(), known)
		}
	}
	c.pass(time.Second)
	for _, n := range c.nodes {
		if n.g.Standing().Chain != c.nodes[0].g.Standing().Chain {
			t.Error("nodes have different chains")
		}
	}
	for _, n := range c.nodes {
		n.g.setFullHistory(false)
	}
	c.await(c.propose(1, "v"), "value")
	var r paxos.Record
	if err := wire.DecodeRecord(c.nodes[0].log[c.nodes[0].g.Instance()-1], &r); err != nil || r.Chain != 0 || r.Sum != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	plain := newCluster(t, 1, func(cfg *Config) { withHistory(cfg); cfg.PacketCRC = false })
	plain.await(plain.propose(0, "v"), "value")
	if plain.nodes[0].g.Standing().Chain != 0 {
		t.Error("without our CRC")
	}
}

// digester is a state machine whose state depends on more than its entries.
type digester struct {
	recorder
	scheme string
	state  uint64
	asked  []int
	err    error
}

func (d *digester) DigestScheme() string { return d.scheme }
func (d *digester) StateDigest(int) (uint64, error) {
	d.asked = append(d.asked, len(d.entries))
	return d.state, d.err
}

// Nodes whose states differ though their histories are equal are found.
func TestStatesAreCompared(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(machines []*digester)
		stop []int
	}{
		"equal":          {func([]*digester) {}, nil},
		"one differs":    {func(m []*digester) { m[1].state = 9 }, []int{1}},
		"all differ":     {func(m []*digester) { m[1].state, m[2].state = 8, 9 }, []int{0, 1, 2}},
		"another scheme": {func(m []*digester) { m[1].state, m[1].scheme = 9, "b" }, nil},
		"not known":      {func(m []*digester) { m[1].state, m[1].err = 9, errors.New("no") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var machines []*digester
			c := newCluster(t, 3, func(cfg *Config) {
				withHistory(cfg)
				var others []*otherGroups
				carriers(&others)(cfg)
				d := &digester{recorder: recorder{id: 1}, scheme: "a", state: 7}
				machines = append(machines, d)
				cfg.StateMachines = []sm.StateMachine{d}
			})
			test.edit(machines)
			for i := range sm.DigestEvery + 1 {
				c.propose(0, fmt.Sprint(i))
				c.run()
			}
			c.pass(10 * time.Second)
			c.stopped(sm.DigestEvery-1, test.stop...)
			for i, m := range machines {
				if len(m.asked) != 1 || m.asked[0] != sm.DigestEvery {
					t.Errorf("node %d is asked after %v entries", i, m.asked)
				}
			}
		})
	}
}

// A replay takes the digest too, but not where the state machine's checkpoint
// reaches beyond the instance.
func TestStateDigestOfAReplay(t *testing.T) {
	c := newCluster(t, 1, withHistory)
	for i := range sm.DigestEvery + 3 {
		c.propose(0, fmt.Sprint(i))
		c.run()
	}
	n := c.nodes[0]
	for _, covered := range []bool{false, true} {
		d := &digester{recorder: recorder{id: 1}, scheme: "a", state: 7}
		var machine sm.StateMachine = d
		if covered {
			machine = &durableDigester{d}
		}
		cfg := Config{Groups: 1, Me: n.id, Members: n.g.Members(), PacketCRC: true, FullHistory: true,
			StateMachines: []sm.StateMachine{machine}, Rand: n.g.cfg.Rand}
		g, err := Open(cfg, n, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Standing().State.Digest != 0; got == covered {
			t.Errorf("covered %v: the digest is known: %v", covered, got)
		}
	}
}

// durableDigester has a checkpoint of the instance after the digest's.
type durableDigester struct{ *digester }

func (d *durableDigester) CheckpointInstance(int) uint64 { return sm.DigestEvery }
