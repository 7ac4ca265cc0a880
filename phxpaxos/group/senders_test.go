package group

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const outsider nodeid.ID = 99<<32 | 1234

// kindsOfThisVersion are all kinds of messages, by their wire numbers.
func kindsOfThisVersion() (kinds []paxos.Kind) {
	for k := paxos.Kind(0); k < 2000; k++ {
		if k.String() != fmt.Sprintf("Kind(%d)", int32(k)) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Every kind of message has a row, and no stranger may do more with it than a
// member, and a stranger decides nothing.
func TestAdmissionTableIsComplete(t *testing.T) {
	kinds := kindsOfThisVersion()
	if len(kinds) < 20 {
		t.Fatalf("%d kinds are found", len(kinds))
	}
	decides := []paxos.Kind{paxos.Prepare, paxos.Accept, paxos.AcceptEarly, paxos.PrepareReply, paxos.AcceptReply, paxos.Success,
		paxos.ReadReply, paxos.HistoryReply, paxos.Drive, paxos.Digest, paxos.EarlyValue, paxos.EarlyMissed}
	for _, k := range kinds {
		row, ok := admissions[k]
		if !ok {
			t.Errorf("%v has no row", k)
		}
		if slices.Contains(decides, k) && (row[unknown] == accept || row[unknown] == ifAsked) {
			t.Errorf("%v of an unknown node is handled", k)
		}
		if row[stranger] == remember || row[stranger] == ifAsked {
			t.Errorf("%v of a node that does not state the identity makes this node ask it", k)
		}
	}
	if len(admissions) != len(kinds) {
		t.Errorf("%d rows for %d kinds", len(admissions), len(kinds))
	}
}

func (n *testNode) receive(m paxos.Message, identity nodeid.Cluster) {
	n.g.Receive(wire.AppendMessage(nil, wire.Header{Cluster: n.g.Cluster(), CRC: true, Identity: identity}, &m))
	n.g.Flush()
}

// attacks are messages by which a node that is no member could write a value,
// become master, or stop the others, had they an effect.
func attacks(from nodeid.ID, at uint64) []paxos.Message {
	value := []byte("\x01\x00\x00\x00evil")
	master := wire.AppendMasterVariables(nil, &wire.MasterVariables{Master: from, Version: at + 5, LeaseMillis: 24 * 3600 * 1000})
	system := wire.AppendSystemVariables(nil, &wire.SystemVariables{Cluster: 7, Members: []nodeid.ID{from}, Version: at + 5})
	high := paxos.Ballot{Number: 1 << 40, Node: from}
	return []paxos.Message{
		{Kind: paxos.LearnValue, Instance: at, Ballot: high, Value: value},
		{Kind: paxos.LearnValue, Instance: at, Ballot: high, Value: value, NeedAck: true},
		{Kind: paxos.Prepare, Instance: at, Ballot: high},
		{Kind: paxos.Accept, Instance: at, Ballot: high, Value: value},
		{Kind: paxos.Success, Instance: at, Ballot: high},
		{Kind: paxos.AcceptReply, Instance: at, Ballot: high},
		{Kind: paxos.Offer, Instance: at, Now: at + 100, HasVariables: true, MasterVariables: master, SystemVariables: system},
		{Kind: paxos.Offer, Instance: at, Now: 1 << 50, MinChosen: 1 << 49, HasVariables: true},
		{Kind: paxos.AskForLearn, Instance: 1 << 50},
		{Kind: paxos.AskForLearn, Instance: 1<<64 - 1},
		{Kind: paxos.Digest, Instance: 1 << 50, Value: wire.AppendDigest(nil, &wire.Digest{Groups: 1, Instances: []uint64{1 << 50}})},
		{Kind: paxos.Confirm, Instance: at},
		{Kind: paxos.LearnAck, Instance: at},
		{Kind: paxos.AskCheckpoint, Instance: at},
		{Kind: paxos.Drive, Instance: at},
	}
}

// What a node that is no member says changes nothing, with and without a kept
// membership, whatever it states as its cluster.
func TestOutsidersChangeNothing(t *testing.T) {
	for _, kept := range []bool{false, true} {
		for _, identity := range []nodeid.Cluster{{}, {1}, {7}} {
			t.Run(fmt.Sprintf("kept membership %v, identity %v", kept, identity), func(t *testing.T) {
				c := newCluster(t, 3, func(cfg *Config) { cfg.UseMembers, cfg.UseMaster, cfg.Features = kept, true, agreed })
				c.pass(2 * time.Second)
				c.await(c.propose(c.masters()[0], "a"), "a")
				c.pass(5 * time.Second)
				n := c.nodes[1]
				at, promised, members := n.g.Instance(), n.g.core.Promised(), n.g.Members()
				master, _, _ := n.g.Master()
				for _, m := range attacks(outsider, at) {
					m.From = outsider
					n.receive(m, identity)
					if n.g.Instance() != at || n.g.Highest() > at+1 || n.g.core.Promised() != promised || n.g.Err() != nil || n.g.core.Chosen() != nil {
						t.Fatalf("%v: instance %d (was %d), highest %d, promise %v, %v", &m, n.g.Instance(), at, n.g.Highest(), n.g.core.Promised(), n.g.Err())
					}
				}
				if now, _, _ := n.g.Master(); now != master || !slices.Equal(n.g.Members(), members) || n.g.system.isAhead {
					t.Errorf("master %v (was %v), members %v", now, master, n.g.Members())
				}
				if b := c.propose(1, "b"); true {
					c.await(b, "b afterwards")
					if b.Err != nil {
						t.Error(b.Err)
					}
				}
				if n.count[event.MessageNotMember]+n.count[event.PacketForeignCluster] == 0 {
					t.Error("nothing was counted")
				}
			})
		}
	}
}

// A learned value that this node did not ask for is no news: the node asks its
// sender, and learns what is chosen.
func TestValueThatWasNotAskedFor(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.run()
	n, from := c.nodes[0], c.nodes[1].id
	c.now += time.Minute
	for _, n := range c.nodes {
		n.g.core.SetCovered(true)
		n.g.now = c.now
		n.g.core.Tick(c.now - time.Nanosecond)
	}
	n.g.asked = asked{}
	n.receive(paxos.Message{Kind: paxos.LearnValue, From: from, Ballot: paxos.Ballot{Number: 3, Node: from}, Value: []byte("\x01\x00\x00\x00evil")}, nodeid.Cluster{})
	if n.g.Instance() != 0 || n.count[event.MessageNotAsked] != 1 {
		t.Fatalf("instance %d, counted %d", n.g.Instance(), n.count[event.MessageNotAsked])
	}
	if !slices.ContainsFunc(c.wire, func(p packet) bool { return p.to == from && kindOf(t, p.data) == paxos.AskForLearn }) {
		t.Error("the sender is not asked")
	}
}

// What cannot be changes nothing, also from a member.
func TestAbsurdNumbersOfAMember(t *testing.T) {
	c := newCluster(t, 3, withMaster)
	c.pass(2 * time.Second)
	c.await(c.propose(0, "a"), "a")
	n, from := c.nodes[0], c.nodes[1].id
	at := n.g.Instance()
	for _, m := range []paxos.Message{
		{Kind: paxos.AskForLearn, Instance: instanceMax + 1},
		{Kind: paxos.Offer, Instance: at, Now: instanceMax + 1},
		{Kind: paxos.Offer, Instance: at, Now: at, MinChosen: at + 1},
		{Kind: paxos.Prepare, Instance: ^uint64(0), Ballot: paxos.Ballot{Number: 9, Node: from}},
	} {
		m.From = from
		before := n.count[event.MessageAbsurd]
		n.receive(m, nodeid.Cluster{})
		if n.g.Highest() > at+1 || n.count[event.MessageAbsurd] != before+1 {
			t.Errorf("%v: highest %d, counted %d", &m, n.g.Highest(), n.count[event.MessageAbsurd]-before)
		}
	}
}

// What a teacher says of the master has to be possible, and does not last.
func TestMasterThatATeacherTellsOf(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.MasterLease = 3 * time.Second })
	c.await(c.propose(0, "a"), "a")
	c.pass(3 * time.Second)
	n, from, other := c.nodes[0], c.nodes[1].id, c.nodes[2].id
	at := n.g.Instance()
	offer := func(v wire.MasterVariables, now uint64) (nodeid.ID, time.Duration) {
		n.receive(paxos.Message{Kind: paxos.Offer, From: from, Instance: at, Now: now, HasVariables: true,
			MasterVariables: wire.AppendMasterVariables(nil, &v)}, nodeid.Cluster{})
		master, _, until := n.g.Master()
		return master, until - c.now
	}
	const day = 24 * 3600 * 1000
	if m, _ := offer(wire.MasterVariables{Master: outsider, Version: at, LeaseMillis: day}, at+100); m != nodeid.None {
		t.Errorf("an outsider is master: %v", m)
	}
	if m, _ := offer(wire.MasterVariables{Master: other, Version: at + 100, LeaseMillis: 1000}, at+100); m != nodeid.None {
		t.Errorf("an election that the teacher has not executed counts: %v", m)
	}
	if m, _ := offer(wire.MasterVariables{Master: other, Version: at, LeaseMillis: day}, at+100); m != nodeid.None {
		t.Errorf("a lease of a day counts: %v", m)
	}
	if m, left := offer(wire.MasterVariables{Master: other, Version: at, LeaseMillis: 9000}, at+100); m != other || left != 9*time.Second {
		t.Errorf("master %v for %v, want %v for 9 s", m, left, other)
	}
}

// A cluster that has taken over the address of a member of another one does
// not merge with it: neither executes a value of the other, and both go on.
func TestSecondClusterAtAMembersAddress(t *testing.T) {
	for _, kept := range []bool{false, true} {
		for _, ahead := range []int{0, 3, 30} {
			t.Run(fmt.Sprintf("kept membership %v, %d values", kept, ahead), func(t *testing.T) {
				edit := func(identity byte) func(*Config) {
					return func(cfg *Config) {
						cfg.UseMembers, cfg.CheckHistory = kept, true
						cfg.Features = agreed
						cfg.Features.Cluster = nodeid.Cluster{identity}
					}
				}
				one := newCluster(t, 3, edit(1))
				for i := range 10 {
					one.await(one.propose(0, fmt.Sprint("one ", i)), "value of the first cluster")
				}
				two := newCluster(t, 3, edit(2))
				for i := range ahead {
					two.await(two.propose(0, fmt.Sprint("two ", i)), "value of the second cluster")
				}
				before := slices.Clone(two.nodes[2].rec.entries)
				// The second cluster has its third member at the address of the first one's.
				lost, taker := one.nodes[2], two.nodes[2]
				one.nodes[2] = taker
				taker.c = one
				for _, n := range one.nodes {
					n.g.Tick(max(one.now, two.now))
				}
				one.now = max(one.now, two.now)
				one.pass(10 * time.Second)
				for i := range 5 {
					v := one.propose(i%2, fmt.Sprint("later ", i))
					one.await(v, "value of the first cluster afterwards")
					if v.Err != nil {
						t.Fatal(v.Err)
					}
				}
				if !slices.Equal(taker.rec.entries, before) || taker.g.Err() != nil || one.nodes[0].g.Err() != nil {
					t.Errorf("the second cluster's node executed %q, had %q; %v, %v", taker.rec.entries, before, taker.g.Err(), one.nodes[0].g.Err())
				}
				if len(one.nodes[0].rec.entries) != 15 || len(lost.rec.entries) != 10 {
					t.Errorf("the first cluster has %d values, the lost node %d", len(one.nodes[0].rec.entries), len(lost.rec.entries))
				}
				if one.nodes[0].count[event.PacketForeignCluster] == 0 && taker.count[event.PacketForeignCluster] == 0 {
					t.Error("nothing was counted")
				}
			})
		}
	}
}

// A node whose list is mostly of another cluster proposes nothing and says so.
func TestMajorityOfAnotherCluster(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.Features = agreed })
	c.await(c.propose(0, "a"), "a")
	n := c.nodes[0]
	foreign := func(from int) {
		n.receive(paxos.Message{Kind: paxos.AskForLearn, From: c.nodes[from].id, Instance: 1}, nodeid.Cluster{9})
	}
	foreign(1)
	if err := n.g.refuse(&Ticket{SM: 1}); err != nil {
		t.Errorf("one member of another cluster stops this node: %v", err)
	}
	foreign(2)
	if err := n.g.refuse(&Ticket{SM: 1}); !errors.Is(err, ErrForeignCluster) {
		t.Errorf("two of three members are of another cluster: %v", err)
	}
	n.g.now += foreignLife
	if err := n.g.refuse(&Ticket{SM: 1}); err != nil {
		t.Errorf("it is believed for ever: %v", err)
	}
}

// A node without a log takes the identity that a majority of its list states,
// and nothing from a cluster that only one node states.
func TestBlankNodeJoinsAMajority(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.Features = agreed })
	for range 3 {
		c.await(c.propose(0, "a"), "a")
	}
	blank := c.nodes[2]
	blank.log, blank.vars = map[uint64][]byte{}, map[Variable][]byte{}
	blank.edit = func(cfg *Config) { cfg.CheckHistory = true }
	blank.start(c.nodes[0].ids())
	learn := paxos.Message{Kind: paxos.LearnValue, From: c.nodes[0].id, Ballot: paxos.Ballot{Number: 5, Node: c.nodes[0].id}, Value: []byte("\x01\x00\x00\x00evil")}
	blank.g.Flush()
	blank.receive(learn, nodeid.Cluster{9})
	if blank.g.Instance() != 0 || !blank.g.Features().Cluster.IsZero() {
		t.Fatalf("instance %d, identity %v after the word of one node", blank.g.Instance(), blank.g.Features().Cluster)
	}
	c.pass(10 * time.Second)
	if blank.g.Instance() != c.nodes[0].g.Instance() || len(blank.rec.entries) != 3 || blank.g.senders.joined != agreed.Cluster {
		t.Errorf("instance %d, joined %v", blank.g.Instance(), blank.g.senders.joined)
	}
}

// upgraded lets every node carry heartbeats, so that they agree on a level;
// what they stored is what they start with.
func upgraded(t *testing.T, size int, edit func(*Config)) *cluster {
	c := newCluster(t, size, func(cfg *Config) {
		cfg.Siblings, cfg.CheckHistory = &otherGroups{}, true
		if edit != nil {
			edit(cfg)
		}
	})
	return c
}

func (c *cluster) features() (all []feature.State) {
	for _, n := range c.nodes {
		all = append(all, n.g.Features())
	}
	return all
}

func (c *cluster) level() (level feature.Level) {
	level = feature.NoLimit
	for _, s := range c.features() {
		level = min(level, s.Level)
	}
	return level
}

// restart starts a node again with what its disk has. With an older version
// it carries no heartbeats of this one and executes no change.
func (n *testNode) restart(old bool) {
	n.t.Helper()
	edit := n.edit
	n.edit = func(cfg *Config) {
		edit(cfg)
		cfg.StateMachines = []sm.StateMachine{n.rec}
		if data, ok := n.vars[Features]; ok {
			s, err := feature.DecodeState(data)
			if err != nil {
				n.t.Fatal(err)
			}
			cfg.Features = s
		}
		if old {
			cfg.Siblings, cfg.Features = nil, feature.State{}
		}
	}
	ids := n.ids()
	n.start(ids)
	n.edit = edit
}

// The level rises when every member supports it, not before, and all know the
// same state and state the same identity.
func TestLevelRisesWhenAllSupportIt(t *testing.T) {
	old := true
	c := upgraded(t, 3, func(cfg *Config) {
		if old {
			cfg.Siblings = nil
		}
		old = false // the first node is of an older version
	})
	c.await(c.propose(1, "a"), "a")
	c.pass(30 * time.Second)
	if l := c.level(); l != feature.Base {
		t.Fatalf("level %d though one member is of an older version", l)
	}
	c.nodes[0].restart(false)
	c.pass(30 * time.Second)
	all := c.features()
	if all[0].Level != feature.Newest || all[0].Cluster.IsZero() || all[0] != all[1] || all[1] != all[2] {
		t.Errorf("states %+v", all)
	}
	n := c.nodes[0].g.Instance()
	c.pass(2 * time.Minute)
	if got := c.nodes[0].g.Instance(); got != n {
		t.Errorf("%d more values in two idle minutes", got-n)
	}
}

// Silence does not lower the level; a command does, and sets a limit.
func TestLevelFallsByCommand(t *testing.T) {
	c := upgraded(t, 3, nil)
	c.await(c.propose(0, "a"), "a")
	c.pass(20 * time.Second)
	if c.level() != feature.Newest {
		t.Fatalf("states %+v", c.features())
	}
	identity := c.nodes[0].g.Features().Cluster
	away := c.nodes[2]
	c.nodes = c.nodes[:2]
	c.pass(10 * time.Minute)
	if c.level() != feature.Newest {
		t.Fatalf("silence lowered the level: %+v", c.features())
	}
	c.nodes = append(c.nodes, away)
	limit := func(l feature.Level) {
		t.Helper()
		tk := &Ticket{}
		c.nodes[1].g.RestrictFeatures(tk, l)
		c.await(tk, "limit")
		if tk.Err != nil {
			t.Fatal(tk.Err)
		}
	}
	c.pass(20 * time.Second)
	limit(feature.Base)
	c.pass(5 * time.Minute)
	for i, s := range c.features() {
		if s.Level != feature.Base || s.Limit != feature.Base || s.Cluster != identity || !c.nodes[i].g.identity().IsZero() {
			t.Errorf("node %d: %+v, states %v", i, s, c.nodes[i].g.identity())
		}
	}
	limit(feature.NoLimit)
	c.pass(time.Minute)
	if c.level() != feature.Newest || c.nodes[2].g.Features().Cluster != identity {
		t.Errorf("after the limit: %+v", c.features())
	}
}

// What a member announced counts no longer when it has gone back to a version
// that announces nothing, or sends the original's packets: the level stays
// although the limit is lifted too early.
func TestAnnouncementOfAFormerLife(t *testing.T) {
	for name, crc := range map[string]bool{"heartbeat of an older version": true, "packet without our CRC": false} {
		c := upgraded(t, 3, nil)
		c.await(c.propose(0, "a"), "a")
		c.pass(20 * time.Second)
		limit := func(l feature.Level) {
			t.Helper()
			tk := &Ticket{}
			c.nodes[0].g.RestrictFeatures(tk, l)
			c.await(tk, "limit")
			if tk.Err != nil {
				t.Fatal(tk.Err)
			}
		}
		limit(feature.Base)
		c.pass(20 * time.Second)
		old := c.nodes[2]
		old.restart(true)
		m := paxos.Message{Kind: paxos.Digest, From: old.id, Value: wire.AppendDigest(nil, &wire.Digest{Groups: 1, Instances: []uint64{1}})}
		if !crc {
			m = paxos.Message{Kind: paxos.AskForLearn, From: old.id, Instance: old.g.Instance()}
		}
		for _, n := range c.nodes[:2] {
			n.g.Receive(wire.AppendMessage(nil, wire.Header{Cluster: n.g.Cluster(), CRC: crc}, &m))
			n.g.Flush()
		}
		limit(feature.NoLimit)
		c.pass(time.Minute)
		for i, s := range c.features()[:2] {
			if s.Level != feature.Base || s.Limit != feature.NoLimit {
				t.Errorf("%s: node %d is at %+v", name, i, s)
			}
		}
		old.restart(false)
		c.pass(time.Minute)
		if c.level() != feature.Newest {
			t.Errorf("%s: after the member came back: %+v", name, c.features())
		}
	}
}

// Nodes go back to an older version and come again, one after the other, at
// every level; nobody stops, and all agree in the end.
func TestDowngradeAndUpgradeAgain(t *testing.T) {
	for _, lowered := range []bool{true, false} {
		c := upgraded(t, 3, nil)
		value := 0
		write := func() {
			t.Helper()
			v := c.propose(value%3, fmt.Sprint(value))
			value++
			c.await(v, "value")
			if v.Err != nil {
				t.Fatalf("lowered %v, value %d: %v", lowered, value, v.Err)
			}
		}
		write()
		c.pass(20 * time.Second)
		if lowered {
			tk := &Ticket{}
			c.nodes[0].g.RestrictFeatures(tk, feature.Base)
			c.await(tk, "limit")
		}
		for _, old := range []bool{true, false} {
			for _, n := range c.nodes {
				n.restart(old)
				c.pass(20 * time.Second)
				write()
				write()
			}
		}
		c.pass(time.Minute)
		all := c.features()
		if all[0] != all[1] || all[1] != all[2] || !lowered && all[0].Level != feature.Newest {
			t.Errorf("lowered %v: %+v", lowered, all)
		}
		c.sameHistory(c.nodes[0].rec.entries...)
		if n := len(c.nodes[0].rec.entries); n != value {
			t.Errorf("%d values executed, %d acknowledged", n, value)
		}
	}
}

// While a member does not state the identity no feature is used that it does
// not know; it votes and is learned from as in a cluster without features.
func TestMemberWithoutTheIdentity(t *testing.T) {
	c := newCluster(t, 3, func(cfg *Config) { cfg.Features = agreed })
	c.await(c.propose(0, "a"), "a")
	n, from := c.nodes[0], c.nodes[1].id
	at, ballot := n.g.Instance(), paxos.Ballot{Number: 1 << 20, Node: from}
	accept := paxos.Message{Kind: paxos.Accept, From: from, Instance: at, Ballot: ballot, Value: []byte("\x01\x00\x00\x00b")}
	n.receive(accept, nodeid.Cluster{})
	if n.g.level() != agreed.Level {
		t.Fatal("one packet that overtook another switches the features off")
	}
	n.g.now += statedLife
	n.receive(accept, nodeid.Cluster{})
	if b, _ := n.g.core.Accepted(); b != ballot || n.g.level() != feature.Base || n.g.identity() != agreed.Cluster || n.count[event.MemberWithoutFeatures] != 1 {
		t.Errorf("accepted %v, level %d, states %v", b, n.g.level(), n.g.identity())
	}
	n.receive(paxos.Message{Kind: paxos.AskForLearn, From: from, Instance: at}, agreed.Cluster)
	if n.g.level() != agreed.Level {
		t.Error("the member states the identity again, and the features are still off")
	}
}

// A node that does not support the level in force does not start, and says
// what to do.
func TestNodeTooOldForTheLevel(t *testing.T) {
	for _, edit := range []func(*Config){
		func(cfg *Config) { cfg.Features.Level = feature.Newest + 1 },
		func(cfg *Config) { cfg.PacketCRC = false },
	} {
		n := &testNode{t: t, c: &cluster{t: t}, id: 1<<32 | 1, log: map[uint64][]byte{}, vars: map[Variable][]byte{}, count: map[event.Kind]int{}}
		cfg := Config{Groups: 1, Me: n.id, Members: paxos.NewMembership([]nodeid.ID{n.id}), Rand: rand.New(rand.NewPCG(1, 1)), PacketCRC: true, Features: agreed,
			BatchCountMax: 1, BatchBytesMax: 1, ValueBytesMax: 100}
		edit(&cfg)
		if _, err := Open(cfg, n, 0); err == nil {
			t.Errorf("%+v: started", cfg.Features)
		}
	}
}

// A user cannot change the level by a proposal.
func TestChangeOfTheLevelIsNoProposal(t *testing.T) {
	c := upgraded(t, 1, nil)
	tk := &Ticket{SM: sm.None, Value: feature.AppendChange(nil, feature.Change{Level: 1, Cluster: nodeid.Cluster{1}, Follows: feature.NoVersion})}
	c.nodes[0].g.Propose(tk)
	c.run()
	if !errors.Is(tk.Err, ErrReserved) {
		t.Error(tk.Err)
	}
}
