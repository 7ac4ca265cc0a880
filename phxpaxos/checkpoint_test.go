package phxpaxos

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// mirrored is a state machine that keeps its checkpoint apart from its state.
type mirrored struct {
	*register
	mu     sync.Mutex
	mirror []string
	at     uint64
	fails  int
}

func (m *mirrored) CheckpointInstance(int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *mirrored) ExecuteForCheckpoint(e sm.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails++; m.fails%300 == 3 {
		return errors.New("not now")
	}
	m.mirror = append(m.mirror, string(e.Value))
	if e.Last {
		m.at = e.Instance
	}
	return nil
}

func (m *mirrored) mirrors() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.mirror...)
}

// TestReplayerAndCleaning: the replayer starts paused, gives every value once
// although the machine fails now and then, and only what it has given is
// cleaned; a pause of cleaning holds.
func TestReplayerAndCleaning(t *testing.T) {
	noLeaks(t)
	m := &mirrored{register: newRegister(2), at: sm.NoCheckpoint}
	c := newCluster(t, 1, 1, func(_ int, o *Options) {
		o.StateMachines = []sm.StateMachine{m}
		o.UseCheckpointReplayer, o.HoldInstances, o.NoCleaning = true, 300, true
		o.Batch.CountMax = 1
	})
	n := c.nodes[0]
	propose := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := n.Propose(await.Context(t), 0, 2, []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	propose(0, 20)
	if got := m.mirrors(); len(got) > 0 {
		t.Fatalf("a paused replayer has given %q", got)
	}
	must(t, n.ContinueCheckpointReplayer(0))
	await.True(t, "the mirror has 20 values", func() bool { return len(m.mirrors()) == 20 })
	must(t, n.PauseCheckpointReplayer(0))
	propose(20, 800)
	must(t, n.ContinueCheckpointReplayer(0))
	await.True(t, "the mirror has all values", func() bool { return len(m.mirrors()) == 800 })
	for i, v := range m.mirrors() {
		if v != fmt.Sprint(i) {
			t.Fatalf("value %d of the mirror is %s", i, v)
		}
	}
	if at, err := n.MinChosenInstanceID(0); err != nil || at != 0 {
		t.Errorf("cleaning is paused, and the log begins at %d, %v", at, err)
	}
	must(t, n.ContinueCleaning(0))
	await.True(t, "the log is cleaned", func() bool {
		at, err := n.MinChosenInstanceID(0)
		return err == nil && at >= 400 && at <= 501 // 800 values and one of the feature level
	})
	must(t, n.PauseCleaning(0))
	if err := n.SetHoldInstances(0, 299); !errors.Is(err, ErrOptions) {
		t.Errorf("hold of 299: %v", err)
	}
	must(t, n.SetHoldInstances(0, 300))
	if p, err := n.Progress(0); err != nil || p.Phase != Level {
		t.Errorf("progress %+v, %v", p, err)
	}
	if err := n.PauseCleaning(7); !errors.Is(err, ErrGroup) {
		t.Errorf("no such group: %v", err)
	}
}
