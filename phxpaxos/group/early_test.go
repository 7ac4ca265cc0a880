package group

import (
	"maps"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// newEarly is three nodes that know each other for this library's and send
// every full batch, two proposals, before its turn. Node 0 has won one. kinds counts the packets
// of the kinds that matter here from then on; lose, if set, drops packets.
func newEarly(t *testing.T, edit func(*Config)) (c *cluster, kinds map[paxos.Kind]int, lose *func(paxos.Kind, packet) bool) {
	t.Helper()
	c = newCluster(t, 3, func(cfg *Config) {
		cfg.Siblings, cfg.Features = &otherGroups{}, agreed
		cfg.EarlyBytesMin, cfg.BatchCountMax = 1, 2
		if edit != nil {
			edit(cfg)
		}
	})
	c.pass(3 * time.Second) // for the digests
	c.await(c.propose(0, "first"), "first value, which node 0 wins")
	kinds, lose = map[paxos.Kind]int{}, new(func(paxos.Kind, packet) bool)
	c.drop = func(p packet) bool {
		k := kindOf(t, p.data)
		switch k {
		case paxos.Accept, paxos.EarlyValue, paxos.AcceptEarly, paxos.EarlyMissed:
			kinds[k]++
		}
		return *lose != nil && (*lose)(k, p)
	}
	return c, kinds, lose
}

func sameKinds(t *testing.T, got, want map[paxos.Kind]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("packets sent: %v, want %v", got, want)
	}
}

// The batch behind the one under way goes ahead, and its accept only names it.
func TestAcceptNamesTheValueThatWentAhead(t *testing.T) {
	c, kinds, _ := newEarly(t, nil)
	for _, v := range []string{"a", "b", "c", "d"} {
		c.propose(0, v)
	}
	c.run()
	c.sameHistory("0/0 first", "1/0 a", "1/1 b", "2/0 c", "2/1 d")
	sameKinds(t, kinds, map[paxos.Kind]int{paxos.Accept: 2, paxos.EarlyValue: 2, paxos.AcceptEarly: 2})
	for i, n := range c.nodes {
		if n.g.early.kept.value != nil {
			t.Errorf("node %d keeps a value that was named", i)
		}
	}
}

// A member that lacks the value asks for the whole accept and votes.
func TestLostValueIsSentAgain(t *testing.T) {
	c, kinds, lose := newEarly(t, nil)
	deaf := c.nodes[1].id
	*lose = func(k paxos.Kind, p packet) bool {
		return k == paxos.EarlyValue && p.to == deaf || p.to == c.nodes[2].id
	}
	for _, v := range []string{"a", "b", "c", "d"} {
		c.propose(0, v)
	}
	c.run() // without any timer: node 2 hears nothing, so node 1 has to vote
	if got := c.nodes[0].g.Instance(); got != 3 {
		t.Fatalf("instance %d, want 3", got)
	}
	sameKinds(t, kinds, map[paxos.Kind]int{paxos.Accept: 3, paxos.EarlyValue: 2, paxos.AcceptEarly: 2, paxos.EarlyMissed: 1})
}

// Only a member that misses the value under way is sent it.
func TestWhoIsSentTheWholeAccept(t *testing.T) {
	c, kinds, lose := newEarly(t, nil)
	for _, v := range []string{"a", "b", "c", "d"} {
		c.propose(0, v)
	}
	*lose = func(k paxos.Kind, p packet) bool { return k == paxos.AcceptEarly }
	n := c.nodes[0]
	ask := func(from nodeid.ID, number uint64, want int) {
		t.Helper()
		before := kinds[paxos.Accept]
		n.g.Receive(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &paxos.Message{Kind: paxos.EarlyMissed, From: from, Instance: 2, Early: number}))
		c.run()
		if got := kinds[paxos.Accept] - before; got != want {
			t.Errorf("number %d from %v: %d accepts, want %d", number, from, got, want)
		}
	}
	c.run()
	number := n.g.queue.current.number
	ask(c.nodes[1].id, 0, 0)
	ask(c.nodes[1].id, number-1, 0)
	ask(77, number, 0)
	ask(c.nodes[1].id, number, 1)
	if n.g.Instance() != 3 {
		t.Fatalf("instance %d, want 3", n.g.Instance())
	}
	ask(c.nodes[1].id, number, 0) // decided
}

// A round that is lost is repeated with whole accepts, whatever was named.
func TestSecondAcceptIsWhole(t *testing.T) {
	c, kinds, lose := newEarly(t, nil)
	for _, v := range []string{"a", "b", "c", "d"} {
		c.propose(0, v)
	}
	*lose = func(k paxos.Kind, p packet) bool { return k == paxos.AcceptEarly }
	c.pass(5 * time.Second)
	c.sameHistory("0/0 first", "1/0 a", "1/1 b", "2/0 c", "2/1 d")
	sameKinds(t, kinds, map[paxos.Kind]int{paxos.Accept: 4, paxos.EarlyValue: 2, paxos.AcceptEarly: 2})
}

// What is proposed is what waits when its turn has come, not what waited when
// it went ahead: not with a proposal that was given up, nor with one whose
// ticket stands for another value by now.
func TestValueThatIsOutdatedIsNotProposed(t *testing.T) {
	for _, again := range []string{"", "e"} {
		c, kinds, lose := newEarly(t, nil)
		var tickets []*Ticket
		for _, v := range []string{"a", "b", "c", "d"} {
			tickets = append(tickets, c.propose(0, v))
		}
		*lose = func(k paxos.Kind, p packet) bool { return k == paxos.Accept }
		c.run()
		if kinds[paxos.EarlyValue] != 2 {
			t.Fatalf("%v, want an early value", kinds)
		}
		*lose = nil
		want := []string{"0/0 first", "1/0 a", "1/1 b", "2/0 c"}
		c.nodes[0].g.Cancel(tickets[3], ErrTimeout)
		if again != "" {
			c.nodes[0].g.Flush() // the ticket comes back
			tickets[3].Value = []byte(again)
			c.nodes[0].g.Propose(tickets[3])
			want = append(want, "2/1 "+again)
		}
		c.pass(5 * time.Second)
		c.sameHistory(want...)
		if kinds[paxos.AcceptEarly] != 0 {
			t.Errorf("%v: a value that is outdated was named", kinds)
		}
	}
}

// Values go ahead only among nodes that are known to understand it.
func TestNothingGoesAheadToOthers(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"a member that sends no digests":  func(cfg *Config) { cfg.Siblings = nil },
		"packets without our CRC":         func(cfg *Config) { cfg.PacketCRC, cfg.Features = false, feature.State{} },
		"values that are changed at last": func(cfg *Config) { cfg.ChangeBeforePropose = true },
		"small values":                    func(cfg *Config) { cfg.EarlyBytesMin = 1000 },
		"a batch with room":               func(cfg *Config) { cfg.BatchCountMax = 10 },
		"switched off":                    func(cfg *Config) { cfg.EarlyBytesMin = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c, kinds, _ := newEarly(t, edit)
			c.propose(0, "a")
			c.nodes[0].g.Flush()
			for _, v := range []string{"b", "c", "d"} {
				c.propose(0, v)
			}
			c.run()
			if kinds[paxos.EarlyValue]+kinds[paxos.AcceptEarly] != 0 || c.nodes[2].g.Instance() < 2 {
				t.Errorf("%v, instance %d", kinds, c.nodes[2].g.Instance())
			}
		})
	}
}

// Who does not win would send for nothing.
func TestNothingGoesAheadOfALostRound(t *testing.T) {
	c, kinds, _ := newEarly(t, nil)
	c.await(c.propose(1, "rival"), "rival")
	for _, v := range []string{"a", "b", "c", "d"} {
		c.propose(0, v)
	}
	c.nodes[0].g.Flush()
	c.nodes[0].g.SendEarly()
	if c.nodes[0].g.early.number != 0 {
		t.Errorf("%v behind an instance of somebody else", kinds)
	}
	c.run() // which it wins
	for _, v := range []string{"e", "f", "g", "h"} {
		c.propose(0, v)
	}
	if c.run(); c.nodes[0].g.early.number == 0 {
		t.Errorf("%v behind an own one", kinds)
	}
}

// Nobody is there to send it to, and the next one who is would hear it named.
func TestNothingGoesAheadAlone(t *testing.T) {
	c, kinds, _ := newEarly(t, func(cfg *Config) { cfg.UseMembers = true })
	c.await(c.propose(0, "a"), "cluster")
	for _, gone := range []int{2, 1} {
		change := &Ticket{}
		c.nodes[0].g.ChangeMembers(change, nodeid.None, c.nodes[gone].id)
		c.await(change, "removal")
	}
	clear(kinds)
	for _, v := range []string{"b", "c", "d", "e"} {
		c.propose(0, v)
	}
	c.run()
	if c.nodes[0].g.queue.next.number != 0 || kinds[paxos.EarlyValue] != 0 || c.nodes[0].g.early.number != 0 {
		t.Errorf("%v, number %d", kinds, c.nodes[0].g.early.number)
	}
}

// A node keeps a value only of a member, for a while, and one at most; and it
// takes it only for the accept of that member which names it.
func TestWhoseValueIsKept(t *testing.T) {
	c, _, _ := newEarly(t, func(cfg *Config) { cfg.UseMembers = true })
	c.await(c.propose(0, "a"), "cluster")
	n, stranger := c.nodes[1], nodeid.ID(77)
	hear := func(m paxos.Message, crc bool) {
		n.g.Receive(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: n.g.Cluster(), CRC: crc}, &m))
	}
	early := func(from nodeid.ID, number uint64, value string) paxos.Message {
		return paxos.Message{Kind: paxos.EarlyValue, From: from, Instance: 9, Early: number, Value: []byte(value)}
	}
	me0, me2 := c.nodes[0].id, c.nodes[2].id
	for i, step := range []struct {
		m    paxos.Message
		crc  bool
		want string
	}{
		{early(stranger, 5, "x"), true, ""},
		{early(me0, 5, "x"), false, ""},
		{early(me0, 0, "x"), true, ""},
		{early(me0, 5, ""), true, ""},
		{early(me0, 5, "x"), true, "x"},
		{early(me0, 6, "y"), true, "y"},
		{paxos.Message{Kind: paxos.AcceptEarly, From: me0, Instance: 9, Early: 5, Ballot: paxos.Ballot{Number: 9, Node: me0}}, true, "y"},
		{paxos.Message{Kind: paxos.AcceptEarly, From: me2, Instance: 9, Early: 6, Ballot: paxos.Ballot{Number: 9, Node: me2}}, true, "y"},
		{paxos.Message{Kind: paxos.AcceptEarly, From: me0, Instance: 9, Early: 6, Ballot: paxos.Ballot{Number: 9, Node: me0}}, false, "y"},
		{paxos.Message{Kind: paxos.AcceptEarly, From: me0, Instance: 9, Early: 6, Ballot: paxos.Ballot{Number: 9, Node: me0}}, true, ""},
		{early(me2, 7, "z"), true, "z"},
	} {
		if hear(step.m, step.crc); string(n.g.early.kept.value) != step.want {
			t.Fatalf("step %d, %v: keeps %q, want %q", i, &step.m, n.g.early.kept.value, step.want)
		}
	}
	if n.g.Deadline() > c.now+earlyLife {
		t.Errorf("deadline %v at %v", n.g.Deadline(), c.now)
	}
	c.pass(earlyLife)
	if n.g.early.kept.value != nil {
		t.Error("a value that nobody names is kept for ever")
	}
}
