package paxos

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// historical is leader with the full history on, at an instance whose chain
// before it is known.
func historical(t *testing.T, instance uint64) (*Core, *box) {
	c, b := newCore(t, State{Instance: instance, LastChain: 77})
	c.SetHistory(true)
	c.Propose([]byte("v"))
	saves, _ := b.take(c)
	c.Saved(saves[0].Seq)
	c.Step(&Message{Kind: PrepareReply, From: n2, Instance: instance, Ballot: Ballot{1, 0}})
	return c, b
}

// The hash looks at every byte; the original's checksum at one in eight.
func TestValueHashSeesEveryBit(t *testing.T) {
	if a, b := []byte("pay:+1"), []byte("pay:+2"); ChainChecksum(0, 0, a) != ChainChecksum(0, 0, b) || ValueHash(a) == ValueHash(b) {
		t.Fatal("the values of the finding")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{1, 7, 8, 9, 31, 32, 33, 1000, 1 << 20} {
		value := make([]byte, size)
		for i := range value {
			value[i] = byte(r.IntN(256))
		}
		want := ValueHash(value)
		for range min(8*size, 200) {
			at, bit := r.IntN(size), byte(1)<<r.IntN(8)
			value[at] ^= bit
			if ValueHash(value) == want {
				t.Fatalf("byte %d of %d", at, size)
			}
			value[at] ^= bit
		}
	}
}

// A block begins anew, whatever was before; within one, everything before it
// in the block counts.
func TestHistoryChain(t *testing.T) {
	const first = 3 * HistoryBlock
	a := HistoryChain(first, 0, 5)
	if a == 0 || a != HistoryChain(first, 99, 5) {
		t.Errorf("first of a block: %x", a)
	}
	if HistoryChain(first+1, 0, 5) != 0 || HistoryChain(first, 1, 0) != 0 {
		t.Error("a chain that is not known")
	}
	base := HistoryChain(first+1, a, 5)
	for name, other := range map[string]uint64{
		"instance": HistoryChain(first+2, a, 5), "value": HistoryChain(first+1, a, 6), "chain before": HistoryChain(first+1, a+1, 5),
	} {
		if other == base {
			t.Errorf("the %s does not count", name)
		}
	}
}

// While the history is off, nothing is computed, stated or stored, and what
// others state has no effect.
func TestHistoryOffIsSilent(t *testing.T) {
	c, b := leader(t)
	saves, sent := b.take(c)
	c.Step(&Message{Kind: AcceptReply, From: n2, Ballot: Ballot{1, 0}, Sum: 12345})
	c.Saved(saves[0].Seq)
	if c.Chosen() == nil || c.Chosen().Sum != 0 || c.Chosen().Chain != 0 || saves[0].Record.Sum != 0 || saves[0].Record.Chain != 0 {
		t.Errorf("chosen %+v, saved %+v", c.Chosen(), saves)
	}
	c.Advance()
	_, more := b.take(c)
	for _, m := range append(sent, more...) {
		if m.Sum != 0 || m.Chain != 0 {
			t.Errorf("stated: %v", &m)
		}
	}
	c.Step(&Message{Kind: Accept, From: n2, Instance: 1, Ballot: Ballot{5, n2}, Value: []byte("x"), Chain: 1, Sum: 1})
	if _, ok := c.TakeDispute(); ok {
		t.Error("a dispute")
	}
	if _, v := c.Accepted(); string(v) != "x" {
		t.Error("not accepted")
	}
}

func TestHistoryIsStatedAndStored(t *testing.T) {
	const instance = 300
	c, b := historical(t, instance)
	saves, sent := b.take(c)
	sum := ValueHash([]byte("v"))
	chain := HistoryChain(instance, 77, sum)
	for _, m := range sent {
		if m.Kind == Accept && (m.Sum != sum || m.Chain != 77) {
			t.Errorf("%v", &m)
		}
	}
	if r := saves[0].Record; r.Sum != sum || r.Chain != chain {
		t.Errorf("record %+v", r)
	}
	c.Saved(saves[0].Seq)
	c.Step(&Message{Kind: AcceptReply, From: n2, Instance: instance, Ballot: Ballot{1, 0}, Sum: sum})
	if c.Chosen() == nil || c.Chosen().Chain != chain {
		t.Fatalf("chosen %+v", c.Chosen())
	}
	_, sent = b.take(c)
	if m := sent[0]; m.Kind != Success || m.Sum != sum || m.Chain != 77 {
		t.Errorf("%v", &m)
	}
	c.Advance()
	if c.LastChain() != chain {
		t.Error("the chain does not go on")
	}
	c.Step(&Message{Kind: Accept, From: n2, Instance: instance + 1, Ballot: Ballot{5, n2}, Value: []byte("x"), Chain: chain})
	saves, _ = b.take(c)
	c.Saved(saves[len(saves)-1].Seq)
	_, sent = b.take(c)
	if len(sent) != 1 || sent[0].Kind != AcceptReply || sent[0].Sum != ValueHash([]byte("x")) {
		t.Errorf("vote %v", sent)
	}
	c.SetHistory(false)
	if c.LastChain() != 0 {
		t.Error("still known")
	}
}

// A vote for other bytes does not count; one that states no hash, as an
// original node's, does.
func TestVoteForOtherBytesDoesNotCount(t *testing.T) {
	for _, test := range []struct {
		sum    uint64
		chosen bool
	}{{ValueHash([]byte("w")), false}, {ValueHash([]byte("v")), true}, {0, true}} {
		c, b := historical(t, 300)
		saves, _ := b.take(c)
		c.Saved(saves[0].Seq)
		c.Step(&Message{Kind: AcceptReply, From: n2, Instance: 300, Ballot: Ballot{1, 0}, Sum: test.sum})
		if (c.Chosen() != nil) != test.chosen || (b.seen[event.ValueDiffers] > 0) == test.chosen {
			t.Errorf("sum %x: chosen %v", test.sum, c.Chosen())
		}
	}
}

// One flipped bit in a value on its way, whichever it is, and whoever sends
// it: the receiver drops the message.
func TestDamagedValueIsDropped(t *testing.T) {
	value := bytes.Repeat([]byte("0123456789"), 20)
	sum := ValueHash(value)
	for at := range value {
		bad := bytes.Clone(value)
		bad[at] ^= 1 << (at % 8)
		c, b := newCore(t, State{Instance: 300, LastChain: 77})
		c.SetHistory(true)
		c.Step(&Message{Kind: Accept, From: n2, Instance: 300, Ballot: Ballot{5, n2}, Value: bad, Sum: sum, Chain: 77})
		c.Step(&Message{Kind: LearnValue, From: n2, Instance: 300, Ballot: Ballot{5, n2}, Value: bad, Sum: sum})
		if accepted, _ := c.Accepted(); !accepted.IsNull() || c.Chosen() != nil || b.seen[event.ValueDiffers] != 2 {
			t.Fatalf("byte %d: accepted %v, chosen %v", at, accepted, c.Chosen())
		}
		c.Propose([]byte("own"))
		saves, _ := b.take(c)
		c.Saved(saves[0].Seq)
		c.Step(&Message{Kind: PrepareReply, From: n2, Instance: 300, Ballot: Ballot{1, 0}, PreAccepted: Ballot{5, n2}, Value: bad, Sum: sum})
		if b.seen[event.AcceptStart] != 0 {
			t.Fatalf("byte %d: a promise that reports it counts", at)
		}
		c.Step(&Message{Kind: LearnValue, From: n3, Instance: 300, Ballot: Ballot{5, n2}, Value: value, Sum: sum})
		if c.Chosen() == nil || c.Chosen().Sum != sum {
			t.Fatal("the whole value is not learned")
		}
	}
}

// A success means the sender's value, not whatever is here under its ballot.
func TestSuccessMeansTheSameBytes(t *testing.T) {
	for _, kept := range []bool{true, false} { // the vote is of this life, or of one without the history
		s := State{Instance: 300, LastChain: 77}
		if !kept {
			s.Promised, s.Accepted, s.Value = Ballot{5, n2}, Ballot{5, n2}, []byte("x")
		}
		c, b := newCore(t, s)
		c.SetHistory(true)
		if kept {
			c.Step(&Message{Kind: Accept, From: n2, Instance: 300, Ballot: Ballot{5, n2}, Value: []byte("x")})
		}
		c.Step(&Message{Kind: Success, From: n2, Instance: 300, Ballot: Ballot{5, n2}, Sum: ValueHash([]byte("y"))})
		if c.Chosen() != nil || b.seen[event.ValueDiffers] != 1 {
			t.Fatal("chosen")
		}
		c.Step(&Message{Kind: Success, From: n2, Instance: 300, Ballot: Ballot{5, n2}, Sum: ValueHash([]byte("x"))})
		if c.Chosen() == nil {
			t.Fatal("not chosen")
		}
	}
}

// A message that rests on another history has no effect but the dispute, and
// does not stop the core: one word proves nothing.
func TestOtherHistoryIsADispute(t *testing.T) {
	for _, m := range []Message{
		{Kind: Accept, Ballot: Ballot{5, n2}, Value: []byte("x")},
		{Kind: LearnValue, Ballot: Ballot{5, n2}, Value: []byte("x"), LastChecksum: 9},
		{Kind: Success, Ballot: Ballot{5, n2}},
	} {
		c, _ := newCore(t, State{Instance: 300, LastChain: 77, LastChecksum: 8,
			Promised: Ballot{5, n2}, Accepted: Ballot{5, n2}, Value: []byte("a")})
		c.SetHistory(true)
		m.From, m.Instance, m.Chain, m.Checked = n2, 300, 78, true
		c.Step(&m)
		d, ok := c.TakeDispute()
		if _, v := c.Accepted(); !ok || d != (Dispute{n2, 299}) || c.Chosen() != nil || c.Err() != nil || string(v) != "a" {
			t.Errorf("%v: %v, accepted %q, chosen %v, %v", &m, d, v, c.Chosen(), c.Err())
		}
		if _, ok := c.TakeDispute(); ok {
			t.Error("taken twice")
		}
	}
}

// A value that has changed in this node's own memory stops it before another
// node builds on it.
func TestChangedMemoryStopsTheCore(t *testing.T) {
	value := []byte("as it was accepted")
	c, b := newCore(t, State{Instance: 300, LastChain: 77})
	c.SetHistory(true)
	c.Step(&Message{Kind: Accept, From: n2, Instance: 300, Ballot: Ballot{5, n2}, Value: value})
	value[3] ^= 4
	c.Step(&Message{Kind: Prepare, From: n3, Instance: 300, Ballot: Ballot{6, n3}})
	if _, sent := b.take(c); !errors.Is(c.Err(), ErrCorrupt) || len(sent) != 0 {
		t.Errorf("acceptor: %v, sent %v", c.Err(), sent)
	}

	own := []byte("as it was proposed")
	c, b = newCore(t, State{Instance: 300, LastChain: 77})
	c.SetHistory(true)
	c.Propose(own)
	saves, _ := b.take(c)
	c.Saved(saves[0].Seq)
	c.Step(&Message{Kind: PrepareReply, From: n2, Instance: 300, Ballot: Ballot{1, 0}})
	own[3] ^= 4
	c.Tick(TimingFor(false, false).AcceptFirst) // nobody votes for what does not match its hash
	if !errors.Is(c.Err(), ErrCorrupt) {
		t.Errorf("proposer: %v", c.Err())
	}
}

func BenchmarkValueHash(b *testing.B) {
	for _, size := range []int{100, 100 << 10, 1 << 20} {
		value := make([]byte, size)
		b.Run(sizeName(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				ValueHash(value)
			}
		})
	}
}

func sizeName(size int) string {
	if size < 1<<10 {
		return "small"
	}
	return map[bool]string{true: "1MiB", false: "100KiB"}[size == 1<<20]
}
