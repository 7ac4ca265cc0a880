package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

// lineEvery is how often a run that nobody watches prints a line.
const lineEvery = 10 * time.Second

// settle is how long everything may take to be equal again.
const settle = 60 * time.Second

// reopenEvery: the node itself is closed and opened every so many times.
const reopenEvery = 10

// ack is a proposal that ended well.
type ack struct {
	group  int
	result []byte
}

// tally counts what happened.
type tally struct {
	mu                               sync.Mutex
	acks                             []ack // not judged yet
	acked, lost, kills, stops, opens int
}

// chaos kills the process of node 0 again and again.
func chaos(ctx context.Context, s settings, dir string, out io.Writer) (err error) {
	fmt.Fprintf(out, "seed %d\n", s.seed)
	c, err := newCluster(dir, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	every := uint64(checkpointEvery)
	if s.memory {
		every = 0
	}
	if err := errors.Join(c.startPlugin(0, every), c.startTwin(1), c.startTwin(2)); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(s.seed, 1))
	var t tally
	show := progress.New(out, lineEvery)
	defer show.End()
	for round := 1; round <= s.kills; round++ {
		if err := c.round(ctx, r, &t, round%reopenEvery == 0, every); err != nil {
			return fmt.Errorf("round %d, seed %d: %w", round, s.seed, err)
		}
		show.At(float64(round)/float64(s.kills), fmt.Sprintf("%d of %d, %d values acknowledged, all states equal", round, s.kills, t.acked))
	}
	show.End()
	n := c.nodes[0]
	fmt.Fprintf(out, "all states equal after each of %d rounds: %d killed, %d stopped, node opened again %d times; %d values acknowledged with the right result, %d calls without a known result\n",
		s.kills, t.kills, t.stops, t.opens, t.acked, t.lost)
	fmt.Fprintf(out, "events: the group waited %d times, fell back %d times, was level again %d times\n",
		n.events.of(event.ExecuteFailed), n.events.of(event.RewindBegin), n.events.of(event.RewindEnd))
	return nil
}

// round is one kill under load and the comparison behind it.
func (c *cluster) round(ctx context.Context, r *rand.Rand, t *tally, reopen bool, every uint64) error {
	pid, err := c.nodes[0].pid(ctx)
	if err != nil {
		return err
	}
	load, stop := context.WithCancel(ctx)
	defer stop()
	var callers sync.WaitGroup
	for i := range c.set.callers {
		seed := r.Uint64()
		callers.Go(func() { c.caller(load, rand.New(rand.NewPCG(seed, uint64(i))), t, reopen) })
	}
	time.Sleep(time.Duration(r.Int64N(int64(100 * time.Millisecond)))) // the moment is what is random here
	sig := syscall.SIGKILL
	if r.IntN(5) == 0 {
		sig = syscall.SIGSTOP
		t.stops++
	} else {
		t.kills++
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal the process: %w", err)
	}
	if reopen {
		t.opens++
		if err := errors.Join(c.nodes[0].close(), c.startPlugin(0, every)); err != nil {
			return err
		}
	}
	time.Sleep(time.Duration(r.Int64N(int64(50 * time.Millisecond))))
	stop()
	callers.Wait()
	return c.equal(ctx, t)
}

// caller proposes values until ctx is done; a call that runs is waited for.
func (c *cluster) caller(ctx context.Context, r *rand.Rand, t *tally, spare bool) {
	for ctx.Err() == nil {
		n := c.nodes[1+r.IntN(2)]
		if !spare && r.IntN(2) == 0 { // while it is opened again others are asked
			n = c.nodes[0]
		}
		group := r.IntN(c.set.groups)
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
		result, err := n.Propose(call, group, ledger.ID, fmt.Appendf(nil, "%x", r.Uint64()))
		cancel()
		t.mu.Lock()
		if err == nil {
			t.acks = append(t.acks, ack{group, result.Output})
			t.acked++
		} else {
			t.lost++
		}
		t.mu.Unlock()
		if err != nil && !errors.Is(err, phxpaxos.ErrExecuteFailed) {
			return
		}
	}
}

// equal waits until all nodes have executed the same, and compares states and
// results.
func (c *cluster) equal(ctx context.Context, t *tally) error {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for g := range c.set.groups {
		if err := c.level(ctx, g); err != nil {
			return err
		}
		got, err := c.nodes[0].state(ctx, g)
		if err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		for i, n := range c.nodes[1:] {
			if want := n.twin.State(g); got != want {
				return fmt.Errorf("group %d: the process of node 0 has %+v, node %d has %+v", g, got, i+1, want)
			}
		}
	}
	for _, a := range t.acks {
		if !c.nodes[1].twin.has(a.group, a.result) {
			return fmt.Errorf("group %d: the result %q was acknowledged, no other node had it", a.group, a.result)
		}
	}
	t.acks = t.acks[:0]
	return nil
}

// level waits until all nodes are at the same instance of a group. One that
// missed the last value would ask for it some seconds later; reading makes it
// ask at once.
func (c *cluster) level(ctx context.Context, group int) error {
	for {
		var at []uint64
		for i, n := range c.nodes {
			if _, err := n.ReadIndex(ctx, group); err != nil {
				return fmt.Errorf("node %d group %d: %w", i, group, err)
			}
			now, err := n.NowInstanceID(group)
			if err != nil {
				return fmt.Errorf("node %d group %d: %w", i, group, err)
			}
			at = append(at, now)
		}
		if at[0] == at[1] && at[1] == at[2] {
			return nil
		}
	}
}
