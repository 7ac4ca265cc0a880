package memnet_test

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/memnet"
)

func newHub(t *testing.T, o memnet.Options) *memnet.Hub {
	t.Helper()
	h, err := memnet.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestConformance(t *testing.T) {
	for name, f := range map[string]memnet.Faults{
		"perfect": {},
		"bad":     {Loss: 0.02, Repeat: 0.1, DelayMax: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, memnet.Options{Seed: 1, Faults: f})
			networktest.Suite{
				New:     func(_ testing.TB, me nodeid.ID) network.Network { return h.Network(me) },
				Guarded: true,
			}.Run(t)
		})
	}
}

// arrival is a packet, by the number in it, and when it came.
type arrival struct {
	number uint64
	at     time.Duration
}

// start starts a node and returns where its packets are written down. The
// caller has to close it.
func start(t *testing.T, h *memnet.Hub, id nodeid.ID) (network.Network, *[]arrival) {
	t.Helper()
	n, begin, all := h.Network(id), time.Now(), new([]arrival)
	if err := n.Start(func(p []byte) {
		*all = append(*all, arrival{binary.BigEndian.Uint64(p), time.Since(begin)})
	}); err != nil {
		t.Fatal(err)
	}
	return n, all
}

func numbered(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// The fate of packets is that of the seed and the two nodes, whatever else
// goes on.
func TestSameSeedSameFate(t *testing.T) {
	run := func(seed uint64, noise bool) (all []arrival) {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(t, memnet.Options{Seed: seed, Faults: memnet.Faults{Loss: 0.3, Repeat: 0.1, DelayMin: time.Second, DelayMax: time.Minute}})
			a, _ := start(t, h, 1)
			b, got := start(t, h, 2)
			c, _ := start(t, h, 3)
			for i := range 300 {
				if noise {
					c.Send(2, numbered(1000+i), network.Stream)
					b.Send(1, numbered(2000+i), network.Stream)
				}
				a.Send(2, numbered(i), network.Stream)
			}
			time.Sleep(time.Hour)
			for _, n := range []network.Network{a, b, c} {
				n.Close()
			}
			for _, g := range *got {
				if g.number < 1000 {
					all = append(all, g)
				}
			}
		})
		return all
	}
	first := run(1, false)
	if again := run(1, true); !slices.Equal(first, again) {
		t.Error("the fate of packets depends on others")
	}
	if other := run(2, false); slices.Equal(first, other) {
		t.Error("another seed gives the same")
	}
	inOrder := slices.IsSortedFunc(first, func(a, b arrival) int { return int(a.number) - int(b.number) })
	if inOrder || len(first) < 150 || len(first) > 300 {
		t.Errorf("%d packets, in order %v", len(first), inOrder)
	}
	for _, g := range first {
		if g.at < time.Second || g.at > time.Minute+time.Second {
			t.Errorf("a packet was under way for %v", g.at)
		}
	}
}

func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, memnet.Options{})
		nodes, got := map[nodeid.ID]network.Network{}, map[nodeid.ID]*[]arrival{}
		for id := nodeid.ID(1); id <= 4; id++ {
			nodes[id], got[id] = start(t, h, id)
			defer nodes[id].Close()
		}
		// reach is who hears whom, "12" for 1 to 2.
		reach := func() (pairs []int) {
			for from := range nodes {
				for to := range nodes {
					nodes[from].Send(to, numbered(int(from*10+to)), network.Datagram)
				}
			}
			synctest.Wait()
			for _, g := range got {
				for _, a := range *g {
					pairs = append(pairs, int(a.number))
				}
				*g = nil
			}
			slices.Sort(pairs)
			return pairs
		}
		all := []int{12, 13, 14, 21, 23, 24, 31, 32, 34, 41, 42, 43}
		is := func(what string, want []int) {
			t.Helper()
			if pairs := reach(); !slices.Equal(pairs, want) {
				t.Errorf("%s: %v, want %v", what, pairs, want)
			}
		}
		is("at first", all)
		h.Partition([]nodeid.ID{1}, []nodeid.ID{2})
		is("1, 2 and the others", []int{34, 43})
		h.Partition([]nodeid.ID{1, 2})
		is("1 and 2", []int{12, 21, 34, 43})
		h.Cut(3, 4)
		is("3 does not reach 4", []int{12, 21, 43})
		h.Heal()
		is("healed", all)
		if err := h.SetLinkFaults(2, 1, memnet.Faults{Loss: 1}); err != nil {
			t.Fatal(err)
		}
		is("2 to 1 is lost", slices.DeleteFunc(slices.Clone(all), func(n int) bool { return n == 21 }))
		if err := h.SetFaults(memnet.Faults{}); err != nil {
			t.Fatal(err)
		}
		is("no faults", all)
		c := h.Counts()
		if c.Sent != 7*12 || c.Lost != 1 || c.Cut != 10+8+9 || c.Delivered != c.Sent-c.Lost-c.Cut {
			t.Errorf("counts %+v", c)
		}
	})
}

// A packet under way outlives the node's life; one that arrives while the node
// is down, or is sent then, is lost.
func TestFormerLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, memnet.Options{Faults: memnet.Faults{DelayMin: time.Minute, DelayMax: time.Minute}})
		a, _ := start(t, h, 1)
		defer a.Close()
		b, got := start(t, h, 2)
		a.Send(2, numbered(1), network.Stream)
		b.Close()
		a.Send(2, numbered(2), network.Stream)
		b, again := start(t, h, 2)
		if err := h.Network(2).Start(func([]byte) {}); err == nil {
			t.Error("two lives at once")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(*got) != 0 || len(*again) != 1 || (*again)[0].number != 1 {
			t.Errorf("the first life got %v, the second %v", *got, *again)
		}
		a.Send(2, numbered(3), network.Stream)
		b.Close()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b, third := start(t, h, 2)
		defer b.Close()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(*third) != 0 {
			t.Errorf("the third life got %v", *third)
		}
		if c := h.Counts(); c.Down != 2 || c.Delivered != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, memnet.Options{QueuePacketsMax: 10, QueueBytesMax: 100, Faults: memnet.Faults{DelayMin: time.Second, DelayMax: time.Second}})
		a, _ := start(t, h, 1)
		defer a.Close()
		b, got := start(t, h, 2)
		defer b.Close()
		for i := range 20 {
			a.Send(2, numbered(i), network.Stream)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for range 20 {
			a.Send(2, make([]byte, 30), network.Stream)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(*got) != 13 || h.Counts().Overflow != 27 {
			t.Errorf("%d packets, counts %+v, want 13", len(*got), h.Counts())
		}
	})
}

func TestOptions(t *testing.T) {
	for _, o := range []memnet.Options{
		{Faults: memnet.Faults{Loss: 1.1}}, {Faults: memnet.Faults{Loss: -0.1}}, {Faults: memnet.Faults{Loss: math.NaN()}},
		{Faults: memnet.Faults{Repeat: 2}}, {Faults: memnet.Faults{DelayMin: -1}}, {Faults: memnet.Faults{DelayMin: 2, DelayMax: 1}},
		{Faults: memnet.Faults{DelayMax: 2 * time.Hour}}, {QueuePacketsMax: -1}, {QueueBytesMax: -1},
	} {
		if _, err := memnet.New(o); !errors.Is(err, memnet.ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	h := newHub(t, memnet.Options{})
	bad := memnet.Faults{Loss: 2}
	if h.SetFaults(bad) == nil || h.SetLinkFaults(1, 2, bad) == nil {
		t.Error("bad faults are taken")
	}
	if err := h.Network(0).Start(func([]byte) {}); err == nil {
		t.Error("node 0 is started")
	}
	if err := h.Network(1).Start(nil); err == nil {
		t.Error("started without a receive function")
	}
}
