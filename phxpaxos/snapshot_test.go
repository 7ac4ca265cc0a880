package phxpaxos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// tally is a durable state machine of one group: a count and a hash of
// everything that it executed. A state is a directory named after its
// instance; CURRENT names the one that counts.
type tally struct {
	id    sm.ID
	dir   string
	every uint64
	pad   int // bytes of a second file of the state

	last, count, hash uint64 // of the group's goroutine
	saved             atomic.Uint64
	holds             atomic.Int64 // snapshots that are not released
	loads             atomic.Int64
	shown             atomic.Pointer[tallyState]
	failLoad          func() error
}

type tallyState struct{ last, count, hash uint64 }

func openTally(id sm.ID, dir string, every uint64) (*tally, error) {
	l := &tally{id: id, dir: dir, every: every, last: sm.NoCheckpoint}
	l.saved.Store(sm.NoCheckpoint)
	name, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	if errors.Is(err, fs.ErrNotExist) {
		return l, os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	return l, l.read(filepath.Join(dir, string(name)))
}

func (l *tally) read(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	if len(b) != 24 {
		return fmt.Errorf("state has %d bytes", len(b))
	}
	l.last, l.count, l.hash = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	l.saved.Store(l.last)
	l.show()
	return nil
}

func (l *tally) show() { l.shown.Store(&tallyState{l.last, l.count, l.hash}) }

func (l *tally) ID() sm.ID { return l.id }

func (l *tally) Execute(e sm.Entry) ([]byte, error) {
	if l.last != sm.NoCheckpoint && e.Instance < l.last+1 && e.Index == 0 {
		return nil, fmt.Errorf("instance %d comes behind %d", e.Instance, l.last)
	}
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, l.hash))
	h.Write(e.Value)
	l.hash, l.count = h.Sum64(), l.count+1
	if !e.Last {
		return nil, nil
	}
	l.last = e.Instance
	l.show()
	if saved := l.saved.Load(); saved == sm.NoCheckpoint || e.Instance >= saved+l.every {
		return nil, l.save()
	}
	return nil, nil
}

func (l *tally) save() error {
	dir := filepath.Join(l.dir, strconv.FormatUint(l.last, 10))
	if err := os.MkdirAll(filepath.Join(dir, "more"), 0o755); err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint64(nil, l.last)
	b = binary.LittleEndian.AppendUint64(b, l.count)
	b = binary.LittleEndian.AppendUint64(b, l.hash)
	err := errors.Join(os.WriteFile(filepath.Join(dir, "state"), b, 0o600),
		os.WriteFile(filepath.Join(dir, "more", "pad"), make([]byte, l.pad), 0o600),
		os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600), l.point(l.last))
	if err != nil {
		return err
	}
	l.saved.Store(l.last)
	return nil
}

func (l *tally) point(instance uint64) error {
	next := filepath.Join(l.dir, "CURRENT.new")
	if err := os.WriteFile(next, []byte(strconv.FormatUint(instance, 10)), 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(l.dir, "CURRENT"))
}

func (l *tally) CheckpointInstance(int) uint64 { return l.saved.Load() }

func (l *tally) Snapshot(int) (sm.Snapshot, error) {
	l.holds.Add(1)
	at := l.saved.Load()
	return sm.Snapshot{
		Instance: at, Dir: filepath.Join(l.dir, strconv.FormatUint(at, 10)), Files: []string{"state", "more/pad", "empty"},
		Release: func() { l.holds.Add(-1) },
	}, nil
}

func (l *tally) LoadSnapshot(_ int, s sm.Snapshot) error {
	if l.failLoad != nil {
		if err := l.failLoad(); err != nil {
			return err
		}
	}
	if len(s.Files) != 3 {
		return fmt.Errorf("files %q", s.Files)
	}
	dir := filepath.Join(l.dir, strconv.FormatUint(s.Instance, 10))
	if err := os.Rename(s.Dir, dir); err != nil {
		return err
	}
	if err := l.point(s.Instance); err != nil {
		return err
	}
	l.loads.Add(1)
	return l.read(dir)
}

// ledgers is a cluster on real directories whose state machines are ledgers.
type ledgers struct {
	*cluster
	dir      string
	machines []*tally
	edit     func(l *tally)
}

func newLedgers(t *testing.T, size int, edit func(l *tally)) *ledgers {
	c := &ledgers{dir: t.TempDir(), machines: make([]*tally, size), edit: edit}
	c.cluster = newCluster(t, 0, 1, nil)
	all := ids(size)
	c.nodes = make([]*Node, size)
	for i := range size {
		c.options = append(c.options, Options{MyNode: all[i], Nodes: all, HoldInstances: 300})
		c.boot(i)
	}
	return c
}

func (c *ledgers) logDir(i int) string { return filepath.Join(c.dir, fmt.Sprint("log", i)) }
func (c *ledgers) smDir(i int) string  { return filepath.Join(c.dir, fmt.Sprint("sm", i)) }

func (c *ledgers) boot(i int) {
	c.t.Helper()
	m, err := openTally(1, c.smDir(i), 100)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.edit != nil {
		c.edit(m)
	}
	c.machines[i] = m
	o := &c.options[i]
	o.LogStoragePath, o.StateMachines, o.Network = c.logDir(i), []sm.StateMachine{m}, c.hub.network(o.MyNode)
	if err := os.MkdirAll(o.LogStoragePath, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.start(i)
}

// wipe closes a node and removes everything that it has on disk.
func (c *ledgers) wipe(i int) {
	c.t.Helper()
	if err := c.nodes[i].Close(); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i] = nil
	if err := errors.Join(os.RemoveAll(c.logDir(i)), os.RemoveAll(c.smDir(i))); err != nil {
		c.t.Fatal(err)
	}
}

func (c *ledgers) propose(node, n int) {
	c.t.Helper()
	for i := range n {
		if _, err := c.nodes[node].Propose(await.Context(c.t), 0, 1, []byte(fmt.Sprint("value ", i))); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *ledgers) level() {
	c.t.Helper()
	for i := range c.nodes {
		await.True(c.t, fmt.Sprintf("node %d is level with node 0", i), func() bool {
			a, b := c.machines[0].shown.Load(), c.machines[i].shown.Load()
			return b != nil && *a == *b
		})
	}
}

// TestWipedNodeComesBack: a node without anything gets a checkpoint and the
// rest of the log, and goes on in the same process.
func TestWipedNodeComesBack(t *testing.T) {
	noLeaks(t)
	c := newLedgers(t, 3, func(l *tally) { l.pad = 5<<20 + 17 })
	c.propose(0, 1200)
	for i := range 2 {
		await.True(t, "the log is cleaned", func() bool {
			at, err := c.nodes[i].MinChosenInstanceID(0)
			return err == nil && at >= 500
		})
	}
	c.wipe(2)
	c.propose(0, 10)
	c.boot(2)
	c.propose(1, 200)
	c.level()
	if c.machines[2].loads.Load() != 1 {
		t.Errorf("%d checkpoints were loaded", c.machines[2].loads.Load())
	}
	c.propose(2, 10)
	c.level()
	for i, m := range c.machines {
		await.True(t, "snapshots are released", func() bool { return m.holds.Load() == 0 })
		if left, _ := filepath.Glob(filepath.Join(c.logDir(i), "g0", "cp_tmp_*")); len(left) > 0 {
			t.Errorf("node %d still has %v", i, left)
		}
	}
}
