package phxpaxos

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// rolling is a load on a cluster whose nodes come and go.
type rolling struct {
	mu     sync.Mutex
	alive  []*Node
	acked  map[string]bool
	doubt  map[string]bool
	times  []time.Duration // of acknowledgements
	start  time.Time
	number atomic.Int64
	stop   chan struct{}
}

func (r *rolling) node(client int) *Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive[client%len(r.alive)]
}

func (r *rolling) replace(old, by *Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alive[slices.Index(r.alive, old)] = by
}

// client proposes unique values, at another node when one refuses.
func (r *rolling) client(t *testing.T, id int) {
	for ; ; id++ {
		value := fmt.Sprint(r.number.Add(1))
		for {
			select {
			case <-r.stop:
				return
			default:
			}
			_, err := r.node(id).Propose(await.Context(t), 0, 1, []byte(value))
			if errors.Is(err, ErrNotMember) { // it is chosen nowhere
				id++
				continue
			}
			r.mu.Lock()
			switch {
			case err == nil:
				r.acked[value] = true
				r.times = append(r.times, time.Since(r.start))
			case errors.Is(err, ErrClosed):
				r.doubt[value] = true
			default:
				t.Error(err)
			}
			r.mu.Unlock()
			break
		}
	}
}

func (r *rolling) gap() (largest time.Duration) {
	slices.Sort(r.times)
	for i := 1; i < len(r.times); i++ {
		largest = max(largest, r.times[i]-r.times[i-1])
	}
	return largest
}

// Three nodes are replaced by three others, one after the other, under 50
// clients: nothing is lost, nothing executed twice, and the clients wait for
// no more than moments.
func TestRollingReplacement(t *testing.T) {
	noLeaks(t)
	c := realCluster(t, 6, 1, func(i int, o *Options) {
		o.Nodes, o.UseMembership = slices.Clone(o.Nodes[:3]), true
	})
	// The new nodes are only started when it is their turn.
	for i := 3; i < 6; i++ {
		must(t, c.nodes[i].Close())
		c.machines[i] = newRegister(1)
		c.options[i].StateMachines = []sm.StateMachine{c.machines[i]}
		c.nodes[i] = nil
	}
	ctx := await.Context(t)
	r := &rolling{alive: slices.Clone(c.nodes[:3]), acked: map[string]bool{}, doubt: map[string]bool{}, start: time.Now(), stop: make(chan struct{})}
	var wg sync.WaitGroup
	for id := range 50 {
		wg.Go(func() { r.client(t, id) })
	}
	acked := func() int { r.mu.Lock(); defer r.mu.Unlock(); return len(r.acked) }
	more := func(count int) {
		target := acked() + count
		await.True(t, "the clients go on", func() bool { return acked() >= target })
	}
	more(500)
	for i := range 3 {
		joins, leaves := i+3, i
		c.options[joins].Nodes, _, _ = r.node(0).Members(0)
		c.start(joins)
		await.True(t, "the new node catches up", func() bool {
			there, _ := c.nodes[joins].NowInstanceID(0)
			here, _ := r.node(0).NowInstanceID(0)
			return there+10 >= here
		})
		must(t, c.nodes[leaves].ChangeMember(ctx, 0, c.options[leaves].MyNode, c.options[joins].MyNode))
		r.replace(c.nodes[leaves], c.nodes[joins])
		more(500)
		must(t, c.nodes[leaves].Close())
		c.nodes[leaves] = nil
		more(500)
	}
	took := time.Since(r.start)
	close(r.stop)
	wg.Wait()
	t.Logf("%d values in %v; the largest gap between two acknowledgements was %v", acked(), took.Round(time.Millisecond), r.gap().Round(time.Millisecond))
	must(t, func() error { _, err := c.nodes[3].ReadIndex(ctx, 0); return err }())
	want := len(c.machines[3].values(0))
	for i := 3; i < 6; i++ {
		await.True(t, "all have the same", func() bool { return len(c.machines[i].values(0)) == want })
		if got := c.machines[i].values(0); !slices.Equal(got, c.machines[3].values(0)) {
			t.Errorf("node %d differs", i)
		}
	}
	r.check(t, c.machines[3].values(0))
}

// check compares what was executed with what was acknowledged.
func (r *rolling) check(t *testing.T, executed []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, v := range executed {
		if seen[v] {
			t.Errorf("value %s was executed twice", v)
		}
		seen[v] = true
		if !r.acked[v] && !r.doubt[v] {
			t.Errorf("value %s was executed and refused", v)
		}
	}
	for v := range r.acked {
		if !seen[v] {
			t.Errorf("value %s was acknowledged and is lost", v)
		}
	}
}
