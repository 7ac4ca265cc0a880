package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

const machineID sm.ID = 7

// saveEvery is how many instances are executed between two checkpoints.
const saveEvery = 100

// machine is the state machine of one group. Its state is the history of
// everything that it executed: a file to which entries are appended, and
// state-N.json, which says how much of which file counts. Files are not synced:
// processes die here, and the machine goes on.
type machine struct {
	dir   string
	group int
	fault func(string)

	file   *os.File // the history, open at its end
	buffer []byte   // entries that were not written yet
	last   uint64   // instance of the last complete one; NoCheckpoint for none

	mu    sync.Mutex
	saved saved // what state-N.json says
	sent  int   // snapshots that were made in this life
}

// saved is a checkpoint.
type saved struct {
	Instance uint64 // NoCheckpoint for none
	Bytes    int64  // of the history
	Number   int    // of the history's file, which a received snapshot replaces
}

func openMachine(dir string, group int, fault func(string)) (*machine, error) {
	m := &machine{dir: dir, group: group, fault: fault, saved: saved{Instance: sm.NoCheckpoint}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(m.statePath())
	if err == nil {
		err = json.Unmarshal(b, &m.saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return m, m.open()
}

func (m *machine) statePath() string {
	return filepath.Join(m.dir, fmt.Sprintf("state-%d.json", m.group))
}

func (m *machine) historyPath(number int) string {
	return filepath.Join(m.dir, fmt.Sprintf("history-%d-%d", m.group, number))
}

// open opens the history as the checkpoint has it.
func (m *machine) open() error {
	f, err := os.OpenFile(m.historyPath(m.saved.Number), os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		err = f.Truncate(m.saved.Bytes)
	}
	if err == nil {
		_, err = f.Seek(m.saved.Bytes, io.SeekStart)
	}
	m.file, m.buffer, m.last = f, m.buffer[:0], m.saved.Instance
	return err
}

// ID returns the id that clients propose under.
func (m *machine) ID() sm.ID { return machineID }

// Execute adds a value to the history.
func (m *machine) Execute(e sm.Entry) ([]byte, error) {
	if m.last != sm.NoCheckpoint && e.Instance <= m.last {
		m.fault(fmt.Sprintf("group %d was given instance %d after %d", e.Group, e.Instance, m.last))
	}
	k, ok := protocol.ParseValue(e.Value)
	if !ok {
		m.fault(fmt.Sprintf("group %d: the value of instance %d, index %d is damaged", e.Group, e.Instance, e.Index))
	}
	m.buffer = protocol.Executed{Instance: e.Instance, Index: uint32(e.Index), Key: k}.Append(m.buffer)
	if !e.Last {
		return nil, nil
	}
	m.last = e.Instance
	if at := m.CheckpointInstance(m.group); at != sm.NoCheckpoint && e.Instance < at+saveEvery {
		return nil, nil
	}
	return nil, m.save()
}

// save makes a checkpoint of what was executed.
func (m *machine) save() error {
	if m.last == sm.NoCheckpoint {
		return nil
	}
	n, err := m.file.Write(m.buffer)
	if err != nil {
		return err
	}
	m.buffer = m.buffer[:0]
	next := m.saved
	next.Instance, next.Bytes = m.last, m.saved.Bytes+int64(n)
	return m.point(next)
}

// point has s be the checkpoint.
func (m *machine) point(s saved) error {
	if err := writeState(m.statePath(), s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved = s
	return nil
}

func writeState(path string, s saved) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o644)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

// CheckpointInstance implements sm.Checkpointer.
func (m *machine) CheckpointInstance(int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved.Instance
}

// The names of a snapshot's files.
const (
	snapshotState   = "state"
	snapshotHistory = "history"
)

// Snapshot implements sm.Snapshotter with copies of the files.
func (m *machine) Snapshot(int) (sm.Snapshot, error) {
	m.mu.Lock()
	s := m.saved
	m.sent++
	dir := filepath.Join(m.dir, fmt.Sprintf("snapshot-%d-%d", m.group, m.sent))
	m.mu.Unlock()
	if s.Instance == sm.NoCheckpoint {
		return sm.Snapshot{}, errors.New("there is no checkpoint yet")
	}
	err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)) // a former life may have left one
	if err == nil {
		err = copyFile(filepath.Join(dir, snapshotHistory), m.historyPath(s.Number), s.Bytes)
	}
	if err == nil {
		err = writeState(filepath.Join(dir, snapshotState), s)
	}
	return sm.Snapshot{
		Instance: s.Instance, Dir: dir, Files: []string{snapshotState, snapshotHistory},
		Release: func() { os.RemoveAll(dir) },
	}, err
}

// LoadSnapshot implements sm.Snapshotter.
func (m *machine) LoadSnapshot(_ int, s sm.Snapshot) error {
	b, err := os.ReadFile(filepath.Join(s.Dir, snapshotState))
	if err != nil {
		return err
	}
	var came saved
	if err := json.Unmarshal(b, &came); err != nil {
		return err
	}
	came.Number = m.saved.Number + 1
	if err := copyFile(m.historyPath(came.Number), filepath.Join(s.Dir, snapshotHistory), came.Bytes); err != nil {
		return err
	}
	if err := m.point(came); err != nil {
		return err
	}
	return errors.Join(m.file.Close(), m.open())
}

func copyFile(to, from string, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.CopyN(out, in, size)
	return errors.Join(err, out.Close())
}
