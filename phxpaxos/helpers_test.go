package phxpaxos

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// noLeaks fails the test if it leaves goroutines behind. It has to be called
// first, so that its cleanup runs last.
func noLeaks(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		await.Show(t, "the goroutines of the test end", func() bool { return runtime.NumGoroutine() <= before }, func() string {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			return fmt.Sprintf("%d goroutines, %d at the start:\n%s", runtime.NumGoroutine(), before, stacks)
		})
	})
}

// hub is a network in memory that any number of nodes share.
type hub struct {
	mu    sync.RWMutex
	nodes map[nodeid.ID]*hubNet
	drop  func(from, to nodeid.ID) bool
}

func newHub() *hub { return &hub{nodes: map[nodeid.ID]*hubNet{}} }

// cut drops the packets for which drop is true.
func (h *hub) cut(drop func(from, to nodeid.ID) bool) {
	h.mu.Lock()
	h.drop = drop
	h.mu.Unlock()
}

type hubNet struct {
	hub    *hub
	me     nodeid.ID
	queue  chan []byte
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	closed bool
}

func (h *hub) network(me nodeid.ID) network.Network {
	return &hubNet{hub: h, me: me, queue: make(chan []byte, 1<<14), quit: make(chan struct{}), done: make(chan struct{})}
}

func (n *hubNet) Start(receive network.Receive) error {
	n.hub.mu.Lock()
	n.hub.nodes[n.me] = n
	n.hub.mu.Unlock()
	go func() {
		defer close(n.done)
		for {
			select {
			case p := <-n.queue:
				receive(p)
			case <-n.quit:
				return
			}
		}
	}()
	return nil
}

func (n *hubNet) Send(to nodeid.ID, packet []byte, _ network.Class) {
	n.hub.mu.RLock()
	target, drop := n.hub.nodes[to], n.hub.drop
	n.hub.mu.RUnlock()
	if target == nil || drop != nil && drop(n.me, to) {
		return
	}
	select {
	case target.queue <- slices.Clone(packet):
	default:
	}
}

func (n *hubNet) Close() error {
	n.once.Do(func() {
		n.hub.mu.Lock()
		started := n.hub.nodes[n.me] == n
		if started {
			delete(n.hub.nodes, n.me)
		}
		n.closed = true
		n.hub.mu.Unlock()
		close(n.quit)
		if started {
			<-n.done
		}
	})
	return nil
}

// memory is log storage in memory. It survives a node, as a disk does.
type memory struct {
	mu        sync.Mutex
	groups    []memoryGroup
	writes    int
	hook      func(puts []storage.Put) error // asked before each write
	readHook  func(group int, instance uint64) error
	maxErrors map[int]error
}

type memoryGroup struct {
	records   map[uint64][]byte
	variables map[storage.Variable][]byte
}

func newMemory(groups int) *memory {
	m := &memory{groups: make([]memoryGroup, groups)}
	for i := range m.groups {
		m.groups[i] = memoryGroup{map[uint64][]byte{}, map[storage.Variable][]byte{}}
	}
	return m
}

func (m *memory) Groups() int { return len(m.groups) }

func (m *memory) Write(puts []storage.Put) error {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	var err error
	if hook != nil {
		err = hook(puts)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	partial, some := err.(*storage.WriteError)
	if err != nil && !some {
		return err
	}
	for _, p := range puts {
		if some && partial.Groups[p.Group] != nil {
			continue
		}
		m.groups[p.Group].records[p.Instance] = slices.Clone(p.Data)
	}
	return err
}

func (m *memory) Read(group int, instance uint64, buf []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.readHook != nil {
		if err := m.readHook(group, instance); err != nil {
			return nil, err
		}
	}
	data, ok := m.groups[group].records[instance]
	if !ok {
		return nil, storage.ErrNotFound
	}
	return append(buf[:0], data...), nil
}

func (m *memory) Max(group int) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.maxErrors[group]; err != nil {
		return 0, err
	}
	highest, any := uint64(0), false
	for i := range m.groups[group].records {
		highest, any = max(highest, i), true
	}
	if !any {
		return 0, storage.ErrNotFound
	}
	return highest, nil
}

func (m *memory) Trim(group int, below uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.groups[group].records {
		if i < below {
			delete(m.groups[group].records, i)
		}
	}
	return nil
}

func (m *memory) Drop(group int, instance uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.groups[group].records, instance)
	return nil
}

func (m *memory) Clear(group int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.groups[group].records)
	delete(m.groups[group].variables, storage.MinChosen)
	return nil
}

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

func (m *memory) Dir(int) string { return "" }
func (m *memory) Close() error   { return nil }

// register is a state machine that remembers everything and answers with how
// many values it has seen in the group.
type register struct {
	id sm.ID

	mu     sync.Mutex
	seen   map[int][]string
	before func(sm.Entry) error // called first, outside the lock
}

func newRegister(id sm.ID) *register { return &register{id: id, seen: map[int][]string{}} }

func (r *register) ID() sm.ID { return r.id }

func (r *register) Execute(e sm.Entry) ([]byte, error) {
	if r.before != nil {
		if err := r.before(e); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[e.Group] = append(r.seen[e.Group], string(e.Value))
	return binary.LittleEndian.AppendUint64(nil, uint64(len(r.seen[e.Group]))), nil
}

func (r *register) values(group int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen[group])
}

// ids returns n made-up node ids, for networks that need no sockets.
func ids(n int) []nodeid.ID {
	out := make([]nodeid.ID, n)
	for i := range out {
		id, err := nodeid.FromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(11111+i)))
		if err != nil {
			panic(err)
		}
		out[i] = id
	}
	return out
}

// freeIDs returns n ids whose ports are held until the test has ended. Called
// before the nodes are started, it keeps them until all of them are closed.
func freeIDs(t testing.TB, n int) []nodeid.ID {
	t.Helper()
	all, release, err := freeaddr.Hold(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return all
}

// cluster is some nodes in this process, over a hub and memory unless change
// says otherwise.
type cluster struct {
	t        testing.TB
	hub      *hub
	options  []Options
	stores   []*memory
	machines []*register
	nodes    []*Node
}

func newCluster(t testing.TB, size, groups int, change func(i int, o *Options)) *cluster {
	t.Helper()
	c := &cluster{t: t, hub: newHub(), nodes: make([]*Node, size)}
	all := ids(size)
	for i := range size {
		c.stores = append(c.stores, newMemory(groups))
		c.machines = append(c.machines, newRegister(1))
		o := Options{
			MyNode: all[i], Nodes: all, GroupCount: groups, LogStorage: c.stores[i],
			FirstStart: true, // no node is ever wiped, and any may be cut off at once
			Network:    c.hub.network(all[i]), StateMachines: []sm.StateMachine{c.machines[i]},
		}
		if change != nil {
			change(i, &o)
		}
		c.options = append(c.options, o)
	}
	t.Cleanup(c.close)
	for i := range size {
		c.start(i)
	}
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	n, err := Run(c.options[i])
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	c.nodes[i] = n
}

// restart closes a node and starts it with an empty state machine.
func (c *cluster) restart(i int) {
	c.t.Helper()
	if err := c.nodes[i].Close(); err != nil {
		c.t.Fatalf("close node %d: %v", i, err)
	}
	c.machines[i] = newRegister(1)
	c.options[i].StateMachines = []sm.StateMachine{c.machines[i]}
	if _, ok := c.options[i].Network.(*hubNet); ok {
		c.options[i].Network = c.hub.network(c.options[i].MyNode)
	}
	c.start(i)
}

func (c *cluster) close() {
	for i, n := range c.nodes {
		if n == nil {
			continue
		}
		if err := n.Close(); err != nil {
			c.t.Errorf("close node %d: %v", i, err)
		}
	}
}

// agree waits until all nodes have executed count values of a group, and
// fails if any two differ.
func (c *cluster) agree(group, count int) []string {
	c.t.Helper()
	for i, m := range c.machines {
		await.True(c.t, fmt.Sprintf("node %d executes %d values of group %d", i, count, group), func() bool {
			return len(m.values(group)) >= count
		})
	}
	want := c.machines[0].values(group)
	for i, m := range c.machines[1:] {
		if got := m.values(group); !slices.Equal(got, want) {
			c.t.Fatalf("group %d: node %d executed %d values %.80q…, node 0 %d: %.80q…", group, i+1, len(got), got, len(want), want)
		}
	}
	return want
}

// bubble runs a test of whole nodes on the clock of a bubble. Not with the race
// detector: Go 1.26 was once seen to end with SIGSEGV there, in the timer of a
// node's loop (runtime, timer.modify), and such an end says nothing of a race.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector of Go 1.26 crashes now and then on timers of a bubble")
	}
	synctest.Test(t, test)
}
