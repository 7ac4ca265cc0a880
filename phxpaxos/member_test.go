package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// realCluster is a cluster on real sockets and a real disk.
func realCluster(t testing.TB, size, groups int, change func(i int, o *Options)) *cluster {
	t.Helper()
	all := freeIDs(t, size)
	slices.Sort(all) // as Members returns them before any change
	return newCluster(t, size, groups, func(i int, o *Options) {
		o.MyNode, o.Nodes, o.Network, o.LogStorage, o.LogStoragePath = all[i], all, nil, nil, t.TempDir()
		if change != nil {
			change(i, o)
		}
	})
}

// wants checks an error and its code.
func wants(t *testing.T, what string, got, want error, code int) {
	t.Helper()
	if !errors.Is(got, want) || Code(got) != code {
		t.Errorf("%s: got %v (code %d), want %v (code %d)", what, got, Code(got), want, code)
	}
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, n *Node, value string) Result {
	t.Helper()
	r, err := n.Propose(await.Context(t), 0, 1, []byte(value))
	must(t, err)
	return r
}

// Every error of a change, from calls on a cluster of three that works.
func TestMembershipErrors(t *testing.T) {
	noLeaks(t)
	c := realCluster(t, 3, 1, func(_ int, o *Options) { o.UseMembership = true })
	ctx, n, all := await.Context(t), c.nodes[0], c.options[0].Nodes
	fourth, err := nodeid.Parse("127.0.0.1:9")
	must(t, err)

	members, version, err := n.Members(0)
	if err != nil || version != NoVersion || !slices.Equal(members, all) {
		t.Errorf("at the start: %v, version %d, %v", members, version, err)
	}
	wants(t, "add before there is a membership", n.AddMember(ctx, 0, fourth), ErrNoCluster, 1001)
	if r := put(t, n, "first"); r.Instance != 1 {
		t.Errorf("the first value is in instance %d, want 1, behind the membership", r.Instance)
	}
	wants(t, "add a member", n.AddMember(ctx, 0, all[1]), ErrMemberExists, 1002)
	wants(t, "remove a stranger", n.RemoveMember(ctx, 0, fourth), ErrMemberUnknown, 1003)
	wants(t, "change a stranger to a member", n.ChangeMember(ctx, 0, fourth, all[1]), ErrMemberSame, 1004)
	wants(t, "change a member to itself", n.ChangeMember(ctx, 0, all[1], all[1]), ErrMemberSame, 1004)
	wants(t, "no such group", n.AddMember(ctx, 1, fourth), ErrGroup, -5)
	_, _, err = n.Members(1)
	wants(t, "members of no such group", err, ErrGroup, -5)
	wants(t, "add nobody", n.AddMember(ctx, 0, nodeid.None), ErrOptions, -2)
	wants(t, "remove nobody", n.RemoveMember(ctx, 0, nodeid.None), ErrOptions, -2)
	wants(t, "change nobody", n.ChangeMember(ctx, 0, all[0], nodeid.None), ErrOptions, -2)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	err = n.AddMember(cancelled, 0, fourth)
	wants(t, "cancelled", err, ErrTimeout, 404)
	wants(t, "cancelled", err, context.Canceled, 404)

	// A change made up in another cluster that was chosen all the same.
	foreign := wire.SystemVariables{Cluster: 4711, Version: 0, Members: all[:1]}
	p := n.proposal()
	p.fill([]Entry{{sm.System, wire.AppendSystemVariables(nil, &foreign)}}, 0)
	must(t, n.loops[0].inbox.propose(p))
	must(t, p.wait(ctx, 0, n.loops[0]))
	wants(t, "another cluster's change", p.tickets[0].Err, ErrClusterMismatch, -501)
	if members, version, _ := n.Members(0); version != 0 || len(members) != 3 {
		t.Errorf("after another cluster's change: %v, version %d", members, version)
	}
	must(t, n.Close())
	wants(t, "closed", n.AddMember(ctx, 0, fourth), ErrClosed, -1)
}

// Two changes that know the same membership: the second one is refused, not
// lost and not merged.
func TestMembershipConflict(t *testing.T) {
	noLeaks(t)
	c := realCluster(t, 3, 1, func(_ int, o *Options) { o.UseMembership = true })
	put(t, c.nodes[0], "first")
	must(t, c.nodes[1].Close())
	must(t, c.nodes[2].Close())
	results := make(chan error, 2)
	for _, addr := range []string{"127.0.0.1:9", "127.0.0.1:10"} {
		id, err := nodeid.Parse(addr)
		must(t, err)
		go func() { results <- c.nodes[0].AddMember(await.Context(t), 0, id) }()
	}
	await.True(t, "both changes wait", func() bool { return underWay(t, c.nodes[0]) == 2 })
	c.restart(1)
	c.restart(2)
	first, second := <-results, <-results
	if first == nil {
		first, second = second, first
	}
	wants(t, "the later change", first, ErrVersionConflict, -502)
	must(t, second)
	if members, _, _ := c.nodes[0].Members(0); len(members) != 4 {
		t.Errorf("members: %v", members)
	}
}

// A node that has the log of one cluster among nodes of another is told so.
func TestForeignCluster(t *testing.T) {
	noLeaks(t)
	c := realCluster(t, 3, 1, func(_ int, o *Options) { o.UseMembership = true })
	put(t, c.nodes[0], "ours")
	for _, i := range []int{1, 2} {
		must(t, c.nodes[i].Close())
		c.options[i].LogStoragePath = t.TempDir()
	}
	must(t, c.nodes[0].Close())
	c.start(1)
	c.start(2)
	put(t, c.nodes[1], "theirs")
	c.start(0)
	var err error
	await.True(t, "the foreign cluster is noticed", func() bool {
		ctx, cancel := context.WithTimeout(await.Context(t), 100*time.Millisecond)
		defer cancel()
		_, err = c.nodes[0].Propose(ctx, 0, 1, []byte("mixed"))
		return errors.Is(err, ErrForeignCluster)
	})
	wants(t, "propose", err, ErrForeignCluster, -501)
	id, _ := nodeid.Parse("127.0.0.1:9")
	wants(t, "add", c.nodes[0].AddMember(await.Context(t), 0, id), ErrForeignCluster, -501)
}

// memberLog remembers the calls of MembersChanged.
type memberLog struct {
	mu    sync.Mutex
	calls []string
}

func (m *memberLog) changed(group int, members []nodeid.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, fmt.Sprint(group, members))
}

func (m *memberLog) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// A node joins, learns, votes and leaves; everybody is told of every change,
// once and in order, also who was away, and who restarts of the last alone.
func TestMembersComeAndGo(t *testing.T) {
	noLeaks(t)
	all := ids(5)
	logs := make([]memberLog, 5)
	c := newCluster(t, 5, 1, func(i int, o *Options) {
		o.Nodes, o.UseMembership, o.MembersChanged = all[:3], true, logs[i].changed
	})
	ctx, n := await.Context(t), c.nodes[0]
	put(t, n, "first")
	for i := range c.machines {
		await.True(t, "all nodes learn", func() bool { return len(c.machines[i].values(0)) == 1 })
	}
	_, err := c.nodes[3].Propose(ctx, 0, 1, []byte("too early"))
	wants(t, "propose before being a member", err, ErrNotMember, 17)
	wants(t, "add before being a member", c.nodes[3].AddMember(ctx, 0, all[4]), ErrNotMember, 17)

	c.hub.cut(func(from, to nodeid.ID) bool { return from == all[2] || to == all[2] })
	must(t, n.AddMember(ctx, 0, all[3]))
	want := []string{fmt.Sprint(0, all[:3]), fmt.Sprint(0, all[:3]), fmt.Sprint(0, all[:4])}
	for range 3 {
		must(t, n.ChangeMember(ctx, 0, all[3], all[4]))
		must(t, n.ChangeMember(ctx, 0, all[4], all[3]))
		want = append(want, fmt.Sprint(0, []nodeid.ID{all[0], all[1], all[2], all[4]}), fmt.Sprint(0, all[:4]))
	}
	must(t, n.RemoveMember(ctx, 0, all[1]))
	want = append(want, fmt.Sprint(0, []nodeid.ID{all[0], all[2], all[3]}))
	c.hub.cut(nil)
	put(t, c.nodes[3], "a member")
	_, version, _ := n.Members(0)
	for i := range logs {
		if i == 1 || i == 4 { // removed; nobody has to tell them
			continue
		}
		await.True(t, fmt.Sprintf("node %d is told", i), func() bool { return len(logs[i].all()) >= len(want) })
		if got := logs[i].all(); !slices.Equal(got, want) {
			t.Errorf("node %d was told %v, want %v", i, got, want)
		}
		if members, v, err := c.nodes[i].Members(0); err != nil || v != version || fmt.Sprint(0, members) != want[len(want)-1] {
			t.Errorf("node %d: %v, version %d, %v", i, members, v, err)
		}
	}
	logs[2].calls = nil
	c.restart(2)
	await.True(t, "node 2 is told at its start", func() bool { return len(logs[2].all()) > 0 })
	if got := logs[2].all(); !slices.Equal(got, want[len(want)-1:]) {
		t.Errorf("at the restart it was told %v", got)
	}

	must(t, c.nodes[0].RemoveMember(ctx, 0, all[0]))
	_, err = c.nodes[0].Propose(ctx, 0, 1, []byte("too late"))
	wants(t, "propose when removed", err, ErrNotMember, 17)
	await.True(t, "node 2 knows", func() bool { m, _, _ := c.nodes[2].Members(0); return len(m) == 2 })
	must(t, c.nodes[2].RemoveMember(ctx, 0, all[2]))
	await.True(t, "node 3 is alone", func() bool { m, _, _ := c.nodes[3].Members(0); return len(m) == 1 })
	put(t, c.nodes[3], "alone")
	wants(t, "remove the last", c.nodes[3].RemoveMember(ctx, 0, all[3]), ErrOptions, -2)
}

// A callback that blocks loses and reorders nothing and holds up no group;
// one that panics harms nobody; Close makes the calls that are due.
func TestCallbacksWaitForSlowOnes(t *testing.T) {
	noLeaks(t)
	all := ids(4)
	gate, entered := make(chan struct{}), make(chan struct{})
	var log memberLog
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		o.Nodes, o.UseMembership = all[:3], true
		if i == 0 {
			o.MembersChanged = func(group int, members []nodeid.ID) {
				if len(log.all()) == 0 {
					close(entered)
					<-gate
				}
				log.changed(group, members)
				panic("a user's mistake")
			}
		}
	})
	<-entered
	put(t, c.nodes[0], "first")
	must(t, c.nodes[0].AddMember(await.Context(t), 0, all[3]))
	must(t, c.nodes[0].RemoveMember(await.Context(t), 0, all[3]))
	close(gate)
	must(t, c.nodes[0].Close())
	want := []string{fmt.Sprint(0, all[:3]), fmt.Sprint(0, all[:3]), fmt.Sprint(0, all), fmt.Sprint(0, all[:3])}
	if got := log.all(); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A follower learns from a member, another one from that follower; neither
// votes, so that they make up for no member that is gone.
func TestFollowerChain(t *testing.T) {
	noLeaks(t)
	c := realCluster(t, 5, 1, func(i int, o *Options) {
		all := o.Nodes
		o.Nodes = all[:3]
		o.Followers = []Follower{{Node: all[3], Follows: all[0]}, {Node: all[4], Follows: all[3]}}
	})
	ctx := await.Context(t)
	for i := range 20 {
		put(t, c.nodes[i%3], fmt.Sprint("value ", i))
	}
	c.agree(0, 20)
	for _, i := range []int{3, 4} {
		_, err := c.nodes[i].Propose(ctx, 0, 1, nil)
		wants(t, "propose", err, ErrFollower, 16)
		if executed, err := c.nodes[i].ReadIndex(ctx, 0); err != nil || executed < 20 {
			t.Errorf("follower %d reads at %d: %v", i, executed, err)
		}
	}
	// With all connections warm a value reaches the end of the chain at once.
	began := time.Now()
	put(t, c.nodes[0], "quick")
	c.agree(0, 21)
	t.Logf("a value is at the end of the chain in %v", time.Since(began).Round(time.Millisecond))

	must(t, c.nodes[1].Close())
	must(t, c.nodes[2].Close())
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err := c.nodes[0].Propose(short, 0, 1, []byte("no majority"))
	wants(t, "one member and two followers", err, ErrTimeout, 404)
	c.restart(1)
	put(t, c.nodes[1], "again")
}
