package pagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
)

// cluster is real nodes in this process, with the default network on loopback
// and a log in memory, each with a monitor that knows the others.
type cluster struct {
	ids      []nodeid.ID
	nodes    []*phxpaxos.Node
	monitors []*monitor.Monitor
}

// echo is a state machine that answers with the value.
type echo struct{}

func (echo) ID() sm.ID                          { return 1 }
func (echo) Execute(e sm.Entry) ([]byte, error) { return slices.Clone(e.Value), nil }

func newCluster(t *testing.T, size, groups int, change func(o *phxpaxos.Options)) *cluster {
	t.Helper()
	ids, release, err := freeaddr.Hold(2 * size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	c := &cluster{ids: ids[:size], nodes: make([]*phxpaxos.Node, size)}
	var addrs []string
	for _, id := range ids[size:] {
		addrs = append(addrs, id.String())
	}
	for i := range size {
		m, err := monitor.New(monitor.Options{Addr: addrs[i], Peers: addrs})
		if err != nil {
			t.Fatal(err)
		}
		c.monitors = append(c.monitors, m)
		t.Cleanup(func() { m.Close() })
		o := phxpaxos.Options{
			MyNode: c.ids[i], Nodes: c.ids, GroupCount: groups, LogStorage: newMemory(groups),
			StateMachines: []sm.StateMachine{echo{}}, Observer: m.Observer(),
			FirstStart: true, // or more than the test proposes is decided, for nodes that may have forgotten something
		}
		if change != nil {
			change(&o)
		}
		node, err := phxpaxos.Run(o)
		if err != nil {
			t.Fatal(err)
		}
		c.nodes[i] = node
		t.Cleanup(func() { node.Close() })
		if err := m.Watch(node); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// url is the page of a node.
func (c *cluster) url(i int) string { return "http://" + c.monitors[i].Addr() + "/" }

// propose proposes count values in a group at a node.
func (c *cluster) propose(t *testing.T, node, group, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	for range count {
		if _, err := c.nodes[node].Propose(ctx, group, 1, []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
}

// settled waits until all nodes have executed a group up to an instance.
func (c *cluster) settled(t *testing.T, group int, instance uint64) {
	t.Helper()
	at := make([]uint64, len(c.nodes))
	await.Show(t, fmt.Sprintf("group %d comes to instance %d everywhere", group, instance), func() bool {
		done := true
		for i, n := range c.nodes {
			s, err := n.GroupStatus(group)
			at[i] = s.Instance
			done = done && err == nil && s.Instance == instance
		}
		return done
	}, func() string { return fmt.Sprint("only ", at) })
}

// memory is a log in memory: 1 000 groups of real files would take a minute
// to make.
type memory struct {
	mu     sync.Mutex
	groups []memoryGroup
	fails  map[int]bool // groups whose writes fail
}

type memoryGroup struct {
	records   map[uint64][]byte
	variables map[storage.Variable][]byte
	highest   uint64
}

var _ storage.LogStorage = (*memory)(nil)

func newMemory(groups int) *memory {
	m := &memory{groups: make([]memoryGroup, groups), fails: map[int]bool{}}
	for i := range m.groups {
		m.groups[i] = memoryGroup{records: map[uint64][]byte{}, variables: map[storage.Variable][]byte{}}
	}
	return m
}

func (m *memory) Groups() int { return len(m.groups) }

func (m *memory) Write(puts []storage.Put) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	failed := map[int]error{}
	for _, p := range puts {
		if m.fails[p.Group] {
			failed[p.Group] = errors.New("no space left on <b>device</b>")
			continue
		}
		g := &m.groups[p.Group]
		g.records[p.Instance] = slices.Clone(p.Data) // it is lent
		g.highest = max(g.highest, p.Instance)
	}
	if len(failed) > 0 {
		return &storage.WriteError{Groups: failed}
	}
	return nil
}

func (m *memory) Read(group int, instance uint64, buf []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.groups[group].records[instance]
	if !ok {
		return nil, storage.ErrNotFound
	}
	return append(buf[:0], data...), nil
}

func (m *memory) Max(group int) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := &m.groups[group]; len(g.records) > 0 {
		return g.highest, nil
	}
	return 0, storage.ErrNotFound
}

func (m *memory) Trim(int, uint64) error { return nil }
func (m *memory) Drop(int, uint64) error { return nil }
func (m *memory) Clear(int) error        { return nil }
func (m *memory) Dir(int) string         { return "" }
func (m *memory) Close() error           { return nil }

func (m *memory) SetVariable(group int, name storage.Variable, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups[group].variables[name] = slices.Clone(value)
	return nil
}

func (m *memory) Variable(group int, name storage.Variable) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.groups[group].variables[name]
	if !ok {
		return nil, storage.ErrNotFound
	}
	return slices.Clone(v), nil
}
