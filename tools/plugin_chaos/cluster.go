package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
)

// checkpointEvery is how many instances lie between two checkpoints: few, so
// that the process often falls back to another one.
const checkpointEvery = 7

// node is one of the cluster. machine is set if its state machine is a process,
// twin if it is part of this program.
type node struct {
	*phxpaxos.Node
	machine statemachine.Machine
	twin    *twin
	events  counter
}

// twin is a ledger that remembers every result.
type twin struct {
	*ledger.Ledger
	mu      sync.Mutex
	results map[string]bool // group and result
}

func newTwin() (*twin, error) {
	l, err := ledger.Open("", 0)
	if err != nil {
		return nil, err
	}
	return &twin{Ledger: l, results: map[string]bool{}}, nil
}

// inMemory hides that a ledger could be durable.
type inMemory struct{ sm.BatchExecutor }

func (inMemory) ID() sm.ID { return ledger.ID }
func (inMemory) Execute(sm.Entry) ([]byte, error) {
	return nil, errors.New("not called, since there is ExecuteBatch")
}

func (t *twin) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	results, err := t.Ledger.ExecuteBatch(entries, results)
	for i, r := range results {
		t.results[resultKey(entries[i].Group, r)] = true
	}
	return results, err
}

func resultKey(group int, result []byte) string { return fmt.Sprintf("%d %s", group, result) }

// has reports whether a result was one of a group's.
func (t *twin) has(group int, result []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.results[resultKey(group, result)]
}

// counter counts events.
type counter struct {
	mu    sync.Mutex
	count map[event.Kind]int
}

func (c *counter) Observe(e event.Event) {
	switch e.Kind {
	case event.RewindBegin, event.RewindEnd, event.ExecuteFailed:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.count == nil {
			c.count = map[event.Kind]int{}
		}
		c.count[e.Kind]++
	}
}

func (c *counter) of(k event.Kind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[k]
}

// cluster is three nodes in this program.
type cluster struct {
	dir   string
	ids   []nodeid.ID
	set   settings
	nodes []*node

	release func() // gives the ports back, when no node comes back any more
}

func newCluster(dir string, s settings) (*cluster, error) {
	ids, release, err := freeaddr.Hold(3)
	if err != nil {
		return nil, err
	}
	return &cluster{dir: dir, ids: ids, set: s, nodes: make([]*node, len(ids)), release: release}, nil
}

// load starts the process of a state machine.
func (c *cluster) load(i int, every uint64) (statemachine.Machine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return statemachine.Load(self, statemachine.Options{
		Env: []string{childEnv + "=" + strconv.FormatUint(every, 10), dirEnv + "=" + filepath.Join(c.dir, fmt.Sprint("machine", i))},
		// A process that stands still has to be noticed soon; one that only
		// has to wait for its turn on a busy machine should not be.
		CallTimeout: time.Second, PingInterval: 500 * time.Millisecond,
		RestartPauseMin: time.Millisecond, RestartPauseMax: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1})),
	})
}

// start runs node i with a state machine.
func (c *cluster) start(i int, machine sm.StateMachine, n *node) error {
	dir := filepath.Join(c.dir, fmt.Sprint("log", i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	run, err := phxpaxos.Run(phxpaxos.Options{LogStoragePath: dir, MyNode: c.ids[i], Nodes: c.ids, GroupCount: c.set.groups,
		StateMachines: []sm.StateMachine{machine}, Observer: &n.events})
	if err != nil {
		return err
	}
	n.Node = run
	c.nodes[i] = n
	return nil
}

// startPlugin runs node i with a process.
func (c *cluster) startPlugin(i int, every uint64) error {
	m, err := c.load(i, every)
	if err != nil {
		return err
	}
	n := &node{machine: m}
	if old := c.nodes[i]; old != nil {
		n.events.count = old.events.count
	}
	if err := c.start(i, m, n); err != nil {
		return errors.Join(err, m.Close())
	}
	return nil
}

// startTwin runs node i with a state machine in this program.
func (c *cluster) startTwin(i int) error {
	t, err := newTwin()
	if err != nil {
		return err
	}
	return c.start(i, inMemory{t}, &node{twin: t})
}

func (n *node) close() error {
	err := n.Close()
	if n.machine != nil {
		err = errors.Join(err, n.machine.Close())
	}
	return err
}

func (c *cluster) close() (err error) {
	for _, n := range c.nodes {
		if n != nil {
			err = errors.Join(err, n.close())
		}
	}
	c.release()
	return err
}

// pid is the process of a node's state machine.
func (n *node) pid(ctx context.Context) (int, error) {
	answer, err := n.machine.Query(ctx, 0, []byte("pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(answer))
}

// state is what a node's process holds.
func (n *node) state(ctx context.Context, group int) (s ledger.State, err error) {
	data, err := n.machine.Query(ctx, group, nil)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}
