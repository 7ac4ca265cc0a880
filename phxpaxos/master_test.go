package phxpaxos

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// masterLog remembers the calls of MasterChanged.
type masterLog struct {
	mu    sync.Mutex
	calls []mastership
}

func (m *masterLog) changed(_ int, node nodeid.ID, version uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, mastership{node: node, version: version})
}

func (m *masterLog) all() []mastership {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// withMaster makes nodes elect a master for a second.
func withMaster(logs []masterLog) func(i int, o *Options) {
	return func(i int, o *Options) {
		o.UseMaster, o.MasterLease = true, time.Second
		if logs != nil {
			o.MasterChanged = logs[i].changed
		}
	}
}

// masterOf waits until a node is master that is not one of the others.
func masterOf(t testing.TB, c *cluster, not ...int) int {
	t.Helper()
	found := -1
	await.True(t, "one is master", func() bool {
		for i, n := range c.nodes {
			if !slices.Contains(not, i) && n.IsMaster(0) {
				found = i
			}
		}
		return found >= 0
	})
	return found
}

// The elections run on the clock of a bubble, so that a lease of a second is one
// also where the machine stands still, and what the leases promise is compared
// to the millisecond. TestNeverTwoMasters has real processes and clocks.

// One node is elected, everybody knows it, and it renews its version.
func TestMasterIsElected(t *testing.T) { bubble(t, masterIsElected) }

func masterIsElected(t *testing.T) {
	logs := make([]masterLog, 3)
	c := newCluster(t, 3, 2, func(i int, o *Options) {
		withMaster(logs)(i, o)
		o.UseMaster, o.MasterGroups = false, []int{0}
	})
	ctx := await.Context(t)
	m := masterOf(t, c)
	for i, n := range c.nodes {
		if id, err := n.WaitMaster(ctx, 0); err != nil || id != c.options[m].MyNode {
			t.Errorf("node %d waited for %v, %v", i, id, err)
		}
		if n.IsMaster(0) != (i == m) {
			t.Errorf("node %d is master: %v", i, n.IsMaster(0))
		}
		_, err := n.LeaseRead(0)
		wants(t, "lease read in a group without a fence", err, ErrNotMaster, -1)
		if id, version, err := n.MasterWithVersion(1); id != nodeid.None || version != NoVersion || err != nil || n.IsMaster(1) {
			t.Errorf("node %d, group without elections: %v, %d, %v", i, id, version, err)
		}
		_, first, _ := n.MasterWithVersion(0)
		await.True(t, "the version grows", func() bool {
			id, version, err := n.MasterWithVersion(0)
			return id == c.options[m].MyNode && err == nil && version > first
		})
		if got := logs[i].all(); len(got) != 1 || got[0].node != c.options[m].MyNode {
			t.Errorf("node %d was told %v", i, got)
		}
	}
}

func TestMasterErrors(t *testing.T) { bubble(t, masterErrors) }

func masterErrors(t *testing.T) {
	c := newCluster(t, 3, 1, withMaster(nil))
	ctx := await.Context(t)
	m := masterOf(t, c)
	n, other := c.nodes[m], c.nodes[(m+1)%3]
	_, err := other.WaitMaster(ctx, 0)
	must(t, err)
	wants(t, "drop elsewhere", other.DropMaster(ctx, 0), ErrNotMaster, -1)
	wants(t, "transfer elsewhere", other.TransferMaster(ctx, 0, n.MyNodeID()), ErrNotMaster, -1)
	wants(t, "transfer to itself elsewhere", other.TransferMaster(ctx, 0, other.MyNodeID()), ErrNotMaster, -1)
	wants(t, "transfer to a stranger", n.TransferMaster(ctx, 0, ids(4)[3]), ErrMemberUnknown, 1003)
	wants(t, "transfer to nobody", n.TransferMaster(ctx, 0, nodeid.None), ErrOptions, -2)
	must(t, n.TransferMaster(ctx, 0, n.MyNodeID()))
	if !n.IsMaster(0) {
		t.Error("a transfer to itself ended the mastership")
	}
	wants(t, "drop, no such group", n.DropMaster(ctx, 1), ErrGroup, -5)
	wants(t, "transfer, no such group", n.TransferMaster(ctx, 1, other.MyNodeID()), ErrGroup, -5)
	_, err = n.WaitMaster(ctx, 1)
	wants(t, "wait, no such group", err, ErrGroup, -5)
	_, err = n.Master(-1)
	wants(t, "master, no such group", err, ErrGroup, -5)
	if n.IsMaster(1) || n.IsMaster(-1) {
		t.Error("master of no such group")
	}
	for _, d := range []time.Duration{-1, 0, time.Second - 1, 24*time.Hour + 1} {
		wants(t, fmt.Sprint("lease ", d), n.SetMasterLease(0, d), ErrOptions, -2)
	}
	wants(t, "lease, no such group", n.SetMasterLease(1, time.Second), ErrGroup, -5)
	must(t, n.SetMasterLease(0, 2*time.Second))
	await.True(t, "the lease is longer", func() bool {
		return n.loops[0].master.Load().until-n.now() > 1500*time.Millisecond
	})
	must(t, n.Close())
	if n.IsMaster(0) {
		t.Error("master after Close")
	}
	_, err = n.Master(0)
	wants(t, "master after Close", err, ErrClosed, -1)
}

// The mastership goes where it is sent, or to somebody else, and this node has
// none from the moment of the call.
func TestMasterIsHandedOver(t *testing.T) { bubble(t, masterIsHandedOver) }

func masterIsHandedOver(t *testing.T) {
	logs := make([]masterLog, 3)
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		withMaster(logs)(i, o)
		o.MasterLease = 30 * time.Second // nothing here waits for its end
	})
	ctx := await.Context(t)
	m := masterOf(t, c)
	for range 3 {
		next := (m + 1) % 3
		must(t, c.nodes[m].TransferMaster(ctx, 0, c.options[next].MyNode))
		if c.nodes[m].IsMaster(0) {
			t.Fatal("still master behind the transfer")
		}
		await.True(t, "the next one is master", func() bool { return c.nodes[next].IsMaster(0) })
		m = next
	}
	must(t, c.nodes[m].DropMaster(ctx, 0))
	if c.nodes[m].IsMaster(0) {
		t.Fatal("still master behind the drop")
	}
	last := masterOf(t, c)
	if last == m {
		t.Error("who dropped it took it again")
	}
	for i := range logs {
		await.True(t, "all changes are told", func() bool {
			got := logs[i].all()
			return len(got) > 0 && got[len(got)-1].node == c.options[last].MyNode
		})
		for k, call := range logs[i].all() {
			if k > 0 && (call.node == logs[i].all()[k-1].node || call.version <= logs[i].all()[k-1].version) {
				t.Errorf("node %d was told %v", i, logs[i].all())
			}
		}
	}
}

// A master that hears nobody is none when its lease has ended, before another
// one is; the end alone is told to nobody.
func TestMasterIsCutOff(t *testing.T) { bubble(t, masterIsCutOff) }

func masterIsCutOff(t *testing.T) {
	logs := make([]masterLog, 3)
	c := newCluster(t, 3, 1, withMaster(logs))
	m := masterOf(t, c)
	me := c.options[m].MyNode
	c.hub.cut(func(from, to nodeid.ID) bool { return from == me || to == me })
	began := time.Now()
	await.True(t, "the lease ends", func() bool { return !c.nodes[m].IsMaster(0) })
	if took := time.Since(began); took > time.Second {
		t.Errorf("the lease of 1 s ran for %v more", took)
	}
	if id, version, err := c.nodes[m].MasterWithVersion(0); id != nodeid.None || version == NoVersion || err != nil {
		t.Errorf("without a master: %v, %d, %v", id, version, err)
	}
	next := masterOf(t, c, m)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("another master after %v, want lease + 1 s at most", took)
	}
	if got := logs[m].all(); len(got) != 1 {
		t.Errorf("who was cut off was told %v", got)
	}
	c.hub.cut(nil)
	await.True(t, "it knows the other one", func() bool { id, _ := c.nodes[m].Master(0); return id == c.options[next].MyNode })
}

// A planned restart: how long the group has no master.
func TestCloseHandsTheMasterOver(t *testing.T) { bubble(t, closeHandsTheMasterOver) }

func closeHandsTheMasterOver(t *testing.T) {
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		withMaster(nil)(i, o)
		o.MasterLease = 10 * time.Second
	})
	var gaps []time.Duration
	for range 5 {
		m := masterOf(t, c)
		closed := make(chan error, 1)
		go func() { closed <- c.nodes[m].Close() }()
		var gap, last time.Duration
		began := time.Now()
		await.True(t, "another one is master", func() bool {
			now := time.Since(began)
			gap = max(gap, now-last)
			if c.nodes[m].IsMaster(0) {
				last, gap = now, 0
			}
			return c.nodes[(m+1)%3].IsMaster(0) || c.nodes[(m+2)%3].IsMaster(0)
		})
		gaps = append(gaps, gap)
		must(t, <-closed)
		c.restart(m)
		// It has to take part again before the next one leaves.
		_, err := c.nodes[m].ReadIndex(await.Context(t), 0)
		must(t, err)
	}
	slices.Sort(gaps)
	t.Logf("without a master, over %d planned restarts: %v", len(gaps), gaps)
	if gaps[2] > 100*time.Millisecond {
		t.Errorf("no master for %v in the middle, want less than 100 ms", gaps[2])
	}
}

// A node that is alone, or without a majority, closes without waiting long.
func TestCloseOfAMasterIsBounded(t *testing.T) { bubble(t, closeOfAMasterIsBounded) }

func closeOfAMasterIsBounded(t *testing.T) {
	c := newCluster(t, 1, 1, withMaster(nil))
	masterOf(t, c)
	began := time.Now()
	must(t, c.nodes[0].Close())
	if took := time.Since(began); took > handOverMax {
		t.Errorf("alone: Close took %v", took)
	}

	c = newCluster(t, 3, 100, func(i int, o *Options) {
		withMaster(nil)(i, o)
		o.MasterLease = 10 * time.Second
	})
	m := masterOf(t, c)
	c.hub.cut(func(nodeid.ID, nodeid.ID) bool { return true })
	began = time.Now()
	must(t, c.nodes[m].Close())
	if took := time.Since(began); took < handOverMax || took > handOverMax+2*time.Second {
		t.Errorf("without a majority: Close took %v, want %v or little more", took, handOverMax)
	}
}

// fenced is a cluster in which only the master proposes.
func fenced(t *testing.T, lease time.Duration) *cluster {
	return newCluster(t, 3, 1, func(i int, o *Options) {
		withMaster(nil)(i, o)
		o.MasterLease, o.Fence, o.UseMembership = lease, true, true
	})
}

// leads proposes at the master, wherever it is, and returns who it was.
func leads(t *testing.T, c *cluster, value string) (master int) {
	t.Helper()
	await.True(t, "somebody proposes "+value, func() bool {
		for i, n := range c.nodes {
			_, err := n.Propose(await.Context(t), 0, 1, []byte(value))
			if err == nil {
				master = i
				return true
			}
			if !errors.Is(err, ErrNotMaster) {
				t.Fatal(err)
			}
		}
		return false
	})
	return master
}

// In a fenced group everybody but the master is refused; and what several
// masters proposed is the same everywhere, also for a node that replays it and
// for one that was away, whose stored master is ahead of its log.
func TestFencedRestartAndLearner(t *testing.T) { bubble(t, fencedRestartAndLearner) }

func fencedRestartAndLearner(t *testing.T) {
	c := fenced(t, 10*time.Second)
	ctx := await.Context(t)
	m := leads(t, c, "first")
	for i, n := range c.nodes {
		if i == m {
			continue
		}
		_, err := n.Propose(ctx, 0, 1, []byte("refused"))
		wants(t, "propose", err, ErrNotMaster, -1)
		wants(t, "add", n.AddMember(ctx, 0, ids(4)[3]), ErrNotMaster, -1)
		_, err = n.LeaseRead(0)
		wants(t, "lease read", err, ErrNotMaster, -1)
	}
	away := (m + 1) % 3
	c.hub.cut(func(from, to nodeid.ID) bool { return from == ids(3)[away] || to == ids(3)[away] })
	want := 1
	for range 2 {
		for range 40 {
			m = leads(t, c, fmt.Sprint("value ", want))
			want++
		}
		to := 3 - m - away
		must(t, c.nodes[m].TransferMaster(ctx, 0, c.options[to].MyNode))
		m = leads(t, c, fmt.Sprint("value ", want))
		want++
	}
	c.hub.cut(nil)
	if got := c.agree(0, want); len(got) != want {
		t.Errorf("%d values, want %d", len(got), want)
	}
	for i := range c.nodes {
		c.restart(i)
	}
	if got := c.agree(0, want); len(got) != want {
		t.Errorf("%d values after the restarts, want %d", len(got), want)
	}
	leads(t, c, "last")
	sameLogs(t, ctx, c, 0)
}
