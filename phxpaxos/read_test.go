package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// What was acknowledged at one node is read at every other one, at once.
func TestReadIndexSeesWhatWasAcknowledged(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 1, nil)
	ctx := await.Context(t)
	for i := range 60 {
		r := put(t, c.nodes[i%3], fmt.Sprint(i))
		for k, n := range c.nodes {
			executed, err := n.ReadIndex(ctx, 0)
			if err != nil || executed <= r.Instance {
				t.Fatalf("node %d read at %d behind instance %d: %v", k, executed, r.Instance, err)
			}
			if seen := len(c.machines[k].values(0)); seen < i+1 {
				t.Fatalf("node %d has executed %d values of %d", k, seen, i+1)
			}
			if local, err := n.LocalRead(0); err != nil || local < executed {
				t.Fatalf("node %d has executed %d locally: %v", k, local, err)
			}
		}
	}
}

// Reads end when their callers say so, and with the node.
func TestReadErrors(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 1, func(_ int, o *Options) { o.ProposeTimeout = 100 * time.Millisecond })
	ctx, n := await.Context(t), c.nodes[0]
	_, err := n.ReadIndex(ctx, 7)
	wants(t, "no such group", err, ErrGroup, -5)
	_, err = n.LeaseRead(7)
	wants(t, "no such group", err, ErrGroup, -5)
	_, err = n.LocalRead(7)
	wants(t, "no such group", err, ErrGroup, -5)
	c.hub.cut(func(nodeid.ID, nodeid.ID) bool { return true })
	_, err = n.ReadIndex(ctx, 0)
	wants(t, "no majority", err, ErrTimeout, 404)
	must(t, n.SetTimeout(0))
	gone, cancel := context.WithCancelCause(ctx)
	why := errors.New("the caller has left")
	results := make(chan error)
	for range 2 {
		go func() { _, err := n.ReadIndex(gone, 0); results <- err }()
	}
	cancel(why)
	for range 2 {
		err := <-results
		wants(t, "cancelled", err, ErrTimeout, 404)
		wants(t, "cancelled", err, why, 404)
	}
	go func() { _, err := n.ReadIndex(context.Background(), 0); results <- err }()
	await.True(t, "the read is under way", func() bool { return underWay(t, n) == 1 })
	must(t, n.Close())
	wants(t, "closing", <-results, ErrClosed, -1)
	_, err = n.ReadIndex(ctx, 0)
	wants(t, "closed", err, ErrClosed, -1)
	_, err = n.LeaseRead(0)
	wants(t, "closed", err, ErrClosed, -1)
	_, err = n.LocalRead(0)
	wants(t, "closed", err, ErrClosed, -1)
}

// Readers that wait at the same time share a round.
func TestReadersShareRounds(t *testing.T) { bubble(t, readersShareRounds) }

func readersShareRounds(t *testing.T) {
	c := newCluster(t, 3, 1, nil)
	ctx, n := await.Context(t), c.nodes[1]
	put(t, c.nodes[0], "value")
	const readers = 200
	c.hub.cut(func(nodeid.ID, nodeid.ID) bool { return true })
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			if executed, err := n.ReadIndex(ctx, 0); err != nil || executed == 0 {
				t.Errorf("read at %d: %v", executed, err)
			}
		})
	}
	await.True(t, "all wait", func() bool { return underWay(t, n) == readers })
	before := c.nodes[0].Count(event.PacketIn)
	c.hub.cut(nil)
	wg.Wait()
	if asked := c.nodes[0].Count(event.PacketIn) - before; asked > readers/4 {
		t.Errorf("%d readers that waited together sent a member %d packets", readers, asked)
	}
}

// underWay counts what a node's first group has been given and not ended.
func underWay(t *testing.T, n *Node) (count int) {
	t.Helper()
	l := n.loops[0]
	must(t, l.do(func(machine) {
		for p := l.unended.next; p != &l.unended; p = p.next {
			count++
		}
	}))
	return count
}

// The master of a fenced group reads without a message, also when it is cut
// off, until its lease ends; and never afterwards.
func TestLeaseRead(t *testing.T) { bubble(t, leaseRead) }

func leaseRead(t *testing.T) {
	c := fenced(t, time.Second)
	m := leads(t, c, "value")
	n := c.nodes[m]
	executed, err := n.LeaseRead(0)
	if err != nil || executed < 2 {
		t.Fatalf("read at %d: %v", executed, err)
	}
	me := c.options[m].MyNode
	c.hub.cut(func(from, to nodeid.ID) bool { return from == me || to == me })
	if _, err := n.LeaseRead(0); err != nil {
		t.Errorf("cut off within the lease: %v", err)
	}
	await.True(t, "the lease ends", func() bool { _, err = n.LeaseRead(0); return err != nil })
	wants(t, "behind the lease", err, ErrNotMaster, -1)
	var next int
	await.True(t, "another one proposes", func() bool {
		for i := range c.nodes {
			if i != m {
				if _, err := c.nodes[i].Propose(await.Context(t), 0, 1, []byte("newer")); err == nil {
					next = i
					return true
				}
			}
		}
		return false
	})
	if _, err := n.LeaseRead(0); !errors.Is(err, ErrNotMaster) {
		t.Errorf("the old master read %v behind the new one's write", err)
	}
	if _, err := c.nodes[next].LeaseRead(0); err != nil {
		t.Errorf("the new master: %v", err)
	}
}

// The master sends a value out and hears nothing any more. Another node that
// holds a vote for it must not show the value while the master may still
// answer without it.
func TestLeaseReadAfterReadIndexElsewhere(t *testing.T) {
	bubble(t, leaseReadAfterReadIndexElsewhere)
}

func leaseReadAfterReadIndexElsewhere(t *testing.T) {
	c := fenced(t, 2*time.Second)
	m := leads(t, c, "value 1")
	leads(t, c, "value 2") // from here on the master need not prepare
	other := (m + 1) % 3
	me := c.options[m].MyNode
	_, err := c.nodes[other].ReadIndex(await.Context(t), 0)
	must(t, err)
	c.hub.cut(func(_, to nodeid.ID) bool { return to == me })
	late, cancel := context.WithCancel(await.Context(t))
	defer cancel()
	var lost atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := c.nodes[m].Propose(late, 0, 1, []byte("in doubt"))
		lost.Store(err != nil)
	}()
	reached := false
	await.True(t, "the lease ends", func() bool {
		_, err := c.nodes[other].ReadIndex(await.Context(t), 0)
		must(t, err)
		read := len(c.machines[other].values(0)) == 3
		if _, err := c.nodes[m].LeaseRead(0); err == nil {
			if read && len(c.machines[m].values(0)) < 3 {
				t.Error("the master still reads without a value that was read elsewhere")
			}
			return false
		}
		reached = reached || read
		return read || c.nodes[other].IsMaster(0) || c.nodes[3-m-other].IsMaster(0)
	})
	if !reached {
		t.Log("the value reached nobody this time")
	}
	cancel()
	<-done
	if !lost.Load() {
		t.Error("the proposal was acknowledged to a node that heard nothing")
	}
}

// BenchmarkRead measures reads beside writes, three nodes in this process over
// memory. Readers work while ten callers write as fast as they can.
func BenchmarkRead(b *testing.B) {
	kinds := []struct {
		name   string
		master bool
		read   func(n *Node) (uint64, error)
	}{
		{"LeaseRead/master", true, func(n *Node) (uint64, error) { return n.LeaseRead(0) }},
		{"ReadIndex/master", true, func(n *Node) (uint64, error) { return n.ReadIndex(context.Background(), 0) }},
		{"ReadIndex/other", false, func(n *Node) (uint64, error) { return n.ReadIndex(context.Background(), 0) }},
	}
	for _, kind := range kinds {
		for _, readers := range []int{1, 100} {
			for _, writers := range []int{0, 10} {
				b.Run(fmt.Sprintf("%s/readers=%d/writers=%d", kind.name, readers, writers), func(b *testing.B) {
					benchmarkRead(b, kind.master, readers, writers, kind.read)
				})
			}
		}
	}
}

func benchmarkRead(b *testing.B, master bool, readers, writers int, read func(*Node) (uint64, error)) {
	c := newCluster(b, 3, 1, func(_ int, o *Options) {
		o.UseMaster, o.Fence, o.StateMachines = true, true, []sm.StateMachine{quiet{}}
	})
	m := masterOf(b, c)
	n := c.nodes[m]
	if !master {
		n = c.nodes[(m+1)%3]
	}
	stop := make(chan struct{})
	var written atomic.Int64
	var writing, reading sync.WaitGroup
	for range writers {
		writing.Go(func() {
			value := make([]byte, 100)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.nodes[m].Propose(context.Background(), 0, 1, value); err != nil {
					b.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	written.Store(0)
	for r := range readers {
		count := b.N / readers
		if r < b.N%readers {
			count++
		}
		reading.Go(func() {
			for range count {
				if _, err := read(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	reading.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
	b.ReportMetric(float64(written.Load())/b.Elapsed().Seconds(), "writes/s")
	close(stop)
	writing.Wait()
}
