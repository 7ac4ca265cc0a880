package phxpaxos

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// forgetful is a register that can lose everything.
type forgetful struct {
	*register
	lost  atomic.Bool
	mu    sync.Mutex
	wakes map[int]func()
}

func newForgetful(id sm.ID) *forgetful {
	return &forgetful{register: newRegister(id), wakes: map[int]func(){}}
}

func (f *forgetful) Execute(e sm.Entry) ([]byte, error) {
	if f.lost.Load() {
		return nil, sm.ErrInterrupted
	}
	return f.register.Execute(e)
}

func (f *forgetful) Rewound(int) (uint64, bool) {
	return sm.NoCheckpoint, f.lost.CompareAndSwap(true, false)
}

func (f *forgetful) OnRewind(group int, wake func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes[group] = wake
}

// forget loses the state of a group and says so.
func (f *forgetful) forget(group int) {
	f.register.mu.Lock()
	f.seen[group] = nil
	f.register.mu.Unlock()
	f.lost.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes[group]()
}

// A group that has nothing to do notices at once that its state machine fell
// back, also one that was added later.
func TestStateMachineThatFellBackWakesItsGroup(t *testing.T) {
	bubble(t, stateMachineThatFellBackWakesItsGroup)
}

func stateMachineThatFellBackWakesItsGroup(t *testing.T) {
	first, late := newForgetful(1), newForgetful(2)
	c := newCluster(t, 1, 1, func(_ int, o *Options) { o.StateMachines = []sm.StateMachine{first} })
	n, ctx := c.nodes[0], await.Context(t)
	if err := n.AddStateMachine(late); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for _, id := range []sm.ID{1, 2} {
			if _, err := n.Propose(ctx, 0, id, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, f := range []*forgetful{first, late} {
		want := f.values(0)
		began := time.Now()
		f.forget(0)
		await.True(t, "everything is executed again", func() bool { return slices.Equal(f.values(0), want) })
		// A group that is not woken looks again after 3 s, when it asks its peers.
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("machine %d: that took %v", i, took)
		}
		await.True(t, "the end is told", func() bool { return n.Count(event.RewindEnd) == uint64(i+1) })
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	first.forget(0) // of a node that is closed: nothing happens
}
