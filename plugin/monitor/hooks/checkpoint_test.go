package hooks_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/memnet"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
)

const (
	// cleanFrom is how many instances are enough for the log to be cleaned:
	// the shortest log that can be held, a step, and a checkpoint that lags.
	cleanFrom   = 300 + 100 + 2*ledgerEvery
	ledgerEvery = 50
	// padBytes take two seconds at the slowest rate, so that a report of every
	// second falls into the transfer.
	padBytes = 2 << 20
)

// padded is a ledger whose snapshots have a large file beside the state, and
// that refuses the first snapshot it is to load.
type padded struct {
	*ledger.Ledger
	refused atomic.Bool
}

var errFirst = errors.New("the first one is refused")

func (p *padded) Snapshot(group int) (sm.Snapshot, error) {
	s, err := p.Ledger.Snapshot(group)
	if err != nil {
		return s, err
	}
	s.Files = append(s.Files, "pad")
	return s, os.WriteFile(filepath.Join(s.Dir, "pad"), make([]byte, padBytes), 0o600)
}

func (p *padded) LoadSnapshot(group int, s sm.Snapshot) error {
	if p.refused.CompareAndSwap(false, true) {
		return errFirst
	}
	return p.Ledger.LoadSnapshot(group, s)
}

// newest keeps the newest event of each kind.
type newest struct {
	mu   sync.Mutex
	seen map[event.Kind]event.Event
}

func (n *newest) Observe(e event.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[event.Kind]event.Event{}
	}
	n.seen[e.Kind] = e
}

func (n *newest) of(k event.Kind) event.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[k]
}

// trio is three real nodes with their logs and ledgers in real directories.
type trio struct {
	t      *testing.T
	all    *probe
	hub    *memnet.Hub
	dir    string
	nodes  [3]*phxpaxos.Node
	ledger [3]*padded
	own    [3]*probe
	events [3]*newest
}

func (n *trio) home(i int) string { return filepath.Join(n.dir, fmt.Sprint("node", i)) }

// boot starts a node. One that has run before must not say that it never has.
func (n *trio) boot(i int, first bool) {
	n.t.Helper()
	l, err := ledger.Open(filepath.Join(n.home(i), "ledger"), ledgerEvery)
	if err != nil {
		n.t.Fatal(err)
	}
	n.ledger[i], n.own[i], n.events[i] = &padded{Ledger: l}, newProbe(), &newest{}
	ids := []nodeid.ID{a, b, c}
	n.nodes[i], err = phxpaxos.Run(phxpaxos.Options{
		MyNode: ids[i], Nodes: ids, LogStoragePath: filepath.Join(n.home(i), "log"), Network: n.hub.Network(ids[i]),
		StateMachines: []sm.StateMachine{n.ledger[i]}, FirstStart: first, HoldInstances: 300,
		CheckpointBytesPerSecond: 1 << 20, Observer: n.all.observer(n.own[i].observer(n.events[i])),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	node := n.nodes[i]
	n.t.Cleanup(func() { node.Close() })
}

func (n *trio) propose(i, count int) {
	n.t.Helper()
	for range count {
		if _, err := n.nodes[i].Propose(n.t.Context(), 0, ledger.ID, []byte("v")); err != nil {
			n.t.Fatal(err)
		}
	}
}

// wipedNodeComesBack: a node that has lost its disk gets a checkpoint, since
// the logs of the others do not begin at the beginning any more. It refuses
// the first one.
func wipedNodeComesBack(t *testing.T, all *probe) {
	hub, err := memnet.New(memnet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := &trio{t: t, all: all, hub: hub, dir: t.TempDir()}
	for i := range n.nodes {
		n.boot(i, true)
	}
	n.propose(0, cleanFrom)
	awaitFired(t, n.own[0], event.Clean)
	awaitFired(t, n.own[1], event.Clean)
	for i := range 2 {
		if e := n.events[i].of(event.Clean); e.Instance == 0 || e.Err != nil {
			t.Errorf("node %d was cleaned below instance %d with %v", i, e.Instance, e.Err)
		}
	}
	if err := n.nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.home(2)); err != nil {
		t.Fatal(err)
	}
	n.boot(2, false)
	awaitFired(t, n.own[2], event.CheckpointNeeded, event.CheckpointBegin, event.CheckpointBlockReceive, event.CheckpointStream,
		event.CheckpointReceived, event.CheckpointLoadFail, event.CheckpointLoaded)
	if e := n.events[2].of(event.CheckpointLoadFail); !errors.Is(e.Err, errFirst) {
		t.Errorf("the first checkpoint was not loaded because of %v", e.Err)
	}
	if e := n.events[2].of(event.CheckpointLoaded); e.Number <= padBytes || e.Peer != a && e.Peer != b {
		t.Errorf("a checkpoint of %d bytes was loaded from %v", e.Number, e.Peer)
	}
	giver := n.own[0]
	if n.events[2].of(event.CheckpointLoaded).Peer == b {
		giver = n.own[1]
	}
	awaitFired(t, giver, event.CheckpointBegin, event.CheckpointBlockSend, event.CheckpointEnd)
	n.propose(0, 5) // so that it can learn what came behind all that it may have forgotten
	awaitFired(t, n.own[2], event.Voting)
	n.propose(2, 1)
	await.True(t, "all ledgers are equal", func() bool {
		return n.ledger[2].State(0) == n.ledger[0].State(0) && n.ledger[1].State(0) == n.ledger[0].State(0)
	})
}

// unaskedCheckpoint: a member sends files that nobody asked for.
func unaskedCheckpoint(t *testing.T, all *probe) {
	seen := &newest{}
	l := newLab(t, all, func(o *phxpaxos.Options) {
		probes := o.Observer
		o.Observer = event.Func(func(e event.Event) { seen.Observe(e); probes.Observe(e) })
	})
	l.raw(wire.AppendCheckpoint(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &wire.Checkpoint{
		Kind: wire.CheckpointFile, From: b, Flag: wire.CheckpointBlock, UUID: 7, Sequence: 3, Instance: 10, SM: 1, Path: "f", Data: []byte("x"),
	}))
	l.fires(event.CheckpointRefused)
	if e := seen.of(event.CheckpointRefused); e.Peer != b || e.Number != 3 || e.Err == nil {
		t.Errorf("refused: %+v", e)
	}
}

// farBehind: a member is so far ahead that the way there is worth reports.
func farBehind(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	l.asked()
	l.say(paxos.Message{Kind: paxos.Offer, From: b, Now: 1000})
	l.fires(event.CatchUp)
}

// twice is a state machine that is given everything a second time for its
// checkpoints, and fails at the first.
type twice struct {
	machine
	calls atomic.Int64
}

func (*twice) CheckpointInstance(int) uint64 { return sm.NoCheckpoint }

func (m *twice) ExecuteForCheckpoint(sm.Entry) error {
	if m.calls.Add(1) == 1 {
		return errFirst
	}
	return nil
}

func replayerFails(t *testing.T, all *probe) {
	m := &twice{}
	l := newLab(t, all, func(o *phxpaxos.Options) {
		alone(o)
		o.StateMachines, o.UseCheckpointReplayer = []sm.StateMachine{m}, true
	})
	if err := l.propose("v"); err != nil {
		t.Fatal(err)
	}
	if err := l.node.ContinueCheckpointReplayer(0); err != nil {
		t.Fatal(err)
	}
	l.fires(event.CheckpointReplay)
	await.True(t, "the replayer tries again", func() bool { return m.calls.Load() == 2 })
}
