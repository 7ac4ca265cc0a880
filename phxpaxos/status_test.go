package phxpaxos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func groupStatus(t testing.TB, n *Node, group int) GroupStatus {
	t.Helper()
	s, err := n.GroupStatus(group)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatusOfACluster(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 2, func(_ int, o *Options) { o.UseMaster = true })
	ctx := await.Context(t)
	master, err := c.nodes[0].WaitMaster(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.nodes[0].Propose(ctx, 0, 1, []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "all nodes know of the master and the value", func() bool {
		for _, n := range c.nodes {
			s := groupStatus(t, n, 0)
			if s.Master != master || s.IsMaster != (n.me == master) || s.LeaseLeft <= 0 || s.Instance <= r.Instance {
				return false
			}
		}
		return true
	})
	s := groupStatus(t, c.nodes[0], 0)
	if s.Highest < s.Instance || len(s.Members) != 3 || s.Err != nil || s.MembersVersion != NoVersion {
		t.Errorf("status of the group: %+v", s)
	}
	node := c.nodes[0].Status()
	if node.Node != c.nodes[0].me || node.Groups != 2 || node.Uptime <= 0 || len(node.Peers) != 2 {
		t.Errorf("status of the node: %+v", node)
	}
	for i, p := range node.Peers {
		if p.Node != c.nodes[i+1].me || !p.Heard || p.Ago < 0 || p.Ago > node.Uptime {
			t.Errorf("peer %d: %+v", i, p)
		}
	}
	if _, err := c.nodes[0].GroupStatus(2); !errors.Is(err, ErrGroup) {
		t.Errorf("group 2: %v, want ErrGroup", err)
	}
}

// A node that is cut off and comes back sees at once how far it lags, and who
// asks is not held up by a state machine that hangs.
func TestStatusWhileTheStateMachineHangs(t *testing.T) {
	noLeaks(t)
	release := make(chan struct{})
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		if i == 2 {
			hang := newRegister(1)
			hang.before = func(sm.Entry) error { <-release; return nil }
			o.StateMachines = []sm.StateMachine{hang}
		}
	})
	ctx := await.Context(t)
	for range 3 {
		if _, err := c.nodes[0].Propose(ctx, 0, 1, []byte("v")); err != nil {
			close(release)
			t.Fatal(err)
		}
	}
	await.True(t, "packets gather behind the machine that hangs", func() bool {
		return groupStatus(t, c.nodes[2], 0).Packets > 0
	})
	if s := groupStatus(t, c.nodes[2], 0); s.Instance != 0 {
		t.Errorf("a group that executes instance 0 says it is at %d", s.Instance)
	}
	close(release)
	await.True(t, "the group has caught up", func() bool {
		s := groupStatus(t, c.nodes[2], 0)
		return s.Instance == 3 && s.Highest == 3 && s.Packets == 0
	})
}

func TestStatusOfLag(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 1, nil)
	ctx := await.Context(t)
	cut := c.nodes[2].me
	c.hub.cut(func(from, to nodeid.ID) bool { return to == cut })
	for range 5 {
		if _, err := c.nodes[0].Propose(ctx, 0, 1, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	if s := groupStatus(t, c.nodes[2], 0); s.Instance != 0 {
		t.Fatalf("cut off and yet at %d", s.Instance)
	}
	// Nothing that the node would need in order to catch up leaves it.
	c.hub.cut(func(from, to nodeid.ID) bool { return from == cut })
	if _, err := c.nodes[0].Propose(ctx, 0, 1, []byte("v")); err != nil {
		t.Fatal(err)
	}
	await.True(t, "it knows that it lags", func() bool {
		s := groupStatus(t, c.nodes[2], 0)
		return s.Instance == 0 && s.Highest >= 5
	})
	c.hub.cut(nil)
	if _, err := c.nodes[0].Propose(ctx, 0, 1, []byte("v")); err != nil {
		t.Fatal(err)
	}
	await.True(t, "it catches up", func() bool {
		s := groupStatus(t, c.nodes[2], 0)
		return s.Instance == 7 && s.Highest == 7
	})
}

func TestStatusOfADiskThatHangs(t *testing.T) {
	noLeaks(t)
	release := make(chan struct{})
	c := newCluster(t, 1, 1, nil)
	c.stores[0].mu.Lock()
	c.stores[0].hook = func([]storage.Put) error { <-release; return nil }
	c.stores[0].mu.Unlock()
	ctx, cancel := context.WithCancel(await.Context(t))
	done := make(chan error, 1)
	go func() {
		_, err := c.nodes[0].Propose(ctx, 0, 1, []byte("v"))
		done <- err
	}()
	await.True(t, "the write runs", func() bool { return c.nodes[0].Status().DiskBusy > 0 })
	if s := groupStatus(t, c.nodes[0], 0); s.Proposals != 1 || s.Waiting != 0 {
		t.Errorf("one proposal is under way, the status says %d, and %d wait", s.Proposals, s.Waiting)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	await.True(t, "the write has ended", func() bool {
		s := c.nodes[0].Status()
		return s.DiskBusy == 0 && s.DiskTook > 0
	})
}

func TestStatusOfAGroupThatStopped(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 1, 2, nil)
	c.stores[0].mu.Lock()
	c.stores[0].hook = func([]storage.Put) error {
		return &storage.WriteError{Groups: map[int]error{1: errors.New("broken disk")}}
	}
	c.stores[0].mu.Unlock()
	if _, err := c.nodes[0].Propose(await.Context(t), 1, 1, []byte("v")); !errors.Is(err, ErrGroupFailed) {
		t.Fatalf("proposing: %v, want ErrGroupFailed", err)
	}
	await.True(t, "the status says that the group has stopped", func() bool {
		s := groupStatus(t, c.nodes[0], 1)
		return errors.Is(s.Err, ErrGroupFailed) && s.Master == nodeid.None
	})
	if s := groupStatus(t, c.nodes[0], 0); s.Err != nil {
		t.Errorf("the other group: %v", s.Err)
	}
}

// Strangers could name any number of nodes.
func TestHeardIsBounded(t *testing.T) {
	h := &heard{}
	for i := range 3 * heardMax {
		h.hear(nodeid.ID(i+1), time.Duration(i))
	}
	if n := len(h.nodes(time.Second)); n != heardMax {
		t.Errorf("%d nodes are remembered, at most %d may be", n, heardMax)
	}
	if _, ok := h.at(1); ok {
		t.Error("the node that was silent longest is still there")
	}
	if at, ok := h.at(3 * heardMax); !ok || at != 3*heardMax-1 {
		t.Errorf("the last one was heard at %v, %v", at, ok)
	}
	if n := len(h.nodes(2 * heardLife)); n != 0 {
		t.Errorf("%d nodes are listed after a long silence", n)
	}
}
