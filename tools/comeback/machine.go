package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

const machineID sm.ID = 1

// saveEvery is how many instances are executed between two checkpoints.
const saveEvery = 200

// state is what the machine keeps: how many values it has executed, and a hash
// of all of them in their order.
type state struct{ Last, Count, Hash uint64 }

// machine is a durable state machine. A checkpoint is a directory named after
// its instance, with the state and a large file that all of them share;
// CURRENT names the one that counts.
type machine struct {
	dir string
	big int64 // bytes of the large file

	now   state // of the group's goroutine
	saved atomic.Uint64
	shown atomic.Pointer[state]

	mu   sync.Mutex
	held map[uint64]int // checkpoints that are being sent
}

func openMachine(dir string, big int64) (*machine, error) {
	m := &machine{dir: dir, big: big, now: state{Last: sm.NoCheckpoint}, held: map[uint64]int{}}
	m.saved.Store(sm.NoCheckpoint)
	m.show()
	name, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = m.read(filepath.Join(dir, string(name)))
	}
	return m, err
}

func (m *machine) show() {
	s := m.now
	m.shown.Store(&s)
}

func (m *machine) at(instance uint64) string {
	return filepath.Join(m.dir, strconv.FormatUint(instance, 10))
}

func (m *machine) read(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	if len(b) != 24 {
		return fmt.Errorf("state in %s has %d bytes", dir, len(b))
	}
	m.now = state{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}
	m.saved.Store(m.now.Last)
	m.show()
	return nil
}

// ID returns the id that clients propose under.
func (m *machine) ID() sm.ID { return machineID }

// Execute adds a value to the history.
func (m *machine) Execute(e sm.Entry) ([]byte, error) {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, m.now.Hash))
	h.Write(e.Value)
	m.now.Hash, m.now.Count = h.Sum64(), m.now.Count+1
	if !e.Last {
		return nil, nil
	}
	m.now.Last = e.Instance
	m.show()
	if saved := m.saved.Load(); saved == sm.NoCheckpoint || e.Instance >= saved+saveEvery {
		return nil, m.save()
	}
	return nil, nil
}

// save makes a checkpoint. The large file is a hard link to the last one's.
func (m *machine) save() error {
	dir := m.at(m.now.Last)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint64(nil, m.now.Last)
	b = binary.LittleEndian.AppendUint64(b, m.now.Count)
	b = binary.LittleEndian.AppendUint64(b, m.now.Hash)
	big := filepath.Join(dir, "big")
	var err error
	if old := m.saved.Load(); old != sm.NoCheckpoint {
		err = os.Link(filepath.Join(m.at(old), "big"), big)
	} else {
		err = m.fill(big)
	}
	if err = errors.Join(err, writeSynced(filepath.Join(dir, "state"), b)); err != nil {
		return err
	}
	return m.point(m.now.Last)
}

// fill makes the large file, with bytes that do not compress.
func (m *machine) fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	x := uint64(88172645463325252)
	for left := m.big; left > 0 && err == nil; left -= int64(len(block)) {
		block = block[:min(left, int64(len(block)))]
		for i := 0; i+8 <= len(block); i += 8 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			binary.LittleEndian.PutUint64(block[i:], x)
		}
		_, err = f.Write(block)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

func writeSynced(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// point switches to another checkpoint with one rename, and removes the old
// one unless it is being sent.
func (m *machine) point(instance uint64) error {
	next := filepath.Join(m.dir, "CURRENT.new")
	err := writeSynced(next, []byte(strconv.FormatUint(instance, 10)))
	if err == nil {
		err = os.Rename(next, filepath.Join(m.dir, "CURRENT"))
	}
	if err == nil {
		err = syncDir(m.dir)
	}
	if err != nil {
		return err
	}
	old := m.saved.Swap(instance)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old != sm.NoCheckpoint && old != instance && m.held[old] == 0 {
		return os.RemoveAll(m.at(old))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// CheckpointInstance implements sm.Checkpointer.
func (m *machine) CheckpointInstance(int) uint64 { return m.saved.Load() }

// Snapshot holds the newest checkpoint until it is released.
func (m *machine) Snapshot(int) (sm.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.saved.Load()
	m.held[at]++
	return sm.Snapshot{Instance: at, Dir: m.at(at), Files: []string{"state", "big"}, Release: func() { m.release(at) }}, nil
}

func (m *machine) release(at uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[at]--; m.held[at] == 0 {
		delete(m.held, at)
		if at != m.saved.Load() {
			_ = os.RemoveAll(m.at(at)) // what is left costs space, and nothing else
		}
	}
}

// LoadSnapshot takes the files over where they are.
func (m *machine) LoadSnapshot(_ int, s sm.Snapshot) error {
	dir := m.at(s.Instance)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Rename(s.Dir, dir); err != nil {
		return err
	}
	if err := errors.Join(syncDir(m.dir), m.point(s.Instance)); err != nil {
		return err
	}
	return m.read(dir)
}
