package tutorial

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// saveEvery is how many instances may have to be executed again after a crash.
const saveEvery = 100

// OpenMachine reads the checkpoint in dir, or starts with an empty bank.
func OpenMachine(dir string) (*Machine, error) {
	m := &Machine{
		path:  filepath.Join(dir, "bank.json"),
		state: state{Bank: NewBank(), Done: map[string]string{}, Instance: sm.NoCheckpoint},
	}
	b, err := os.ReadFile(m.path)
	if err == nil {
		err = json.Unmarshal(b, &m.state)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	m.saved = m.state.Instance
	return m, nil
}

// CheckpointInstance says how far the checkpoint goes. The node gives the
// state machine everything behind it again when it starts, and may forget
// everything before it.
func (m *Machine) CheckpointInstance(group int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved
}

// saveNowAndThen writes a checkpoint when enough has happened since the last.
// The arithmetic wraps: sm.NoCheckpoint + 1 is 0.
func (m *Machine) saveNowAndThen() error {
	if m.state.Instance-m.saved < saveEvery {
		return nil
	}
	if err := save(m.path, m.state); err != nil {
		return err
	}
	m.saved = m.state.Instance
	return nil
}

// save replaces a file by one rename: after a crash the old one is there, or
// the new one, and never half of it.
func save(path string, s state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Snapshot is for a node that lacks what no log keeps any more: it writes the
// state as it is now to a file that is sent there.
func (m *Machine) Snapshot(group int) (sm.Snapshot, error) {
	dir, err := os.MkdirTemp(filepath.Dir(m.path), "snapshot")
	if err != nil {
		return sm.Snapshot{}, err
	}
	remove := func() { os.RemoveAll(dir) }
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := save(filepath.Join(dir, "bank.json"), m.state); err != nil {
		remove()
		return sm.Snapshot{}, err
	}
	return sm.Snapshot{Instance: m.state.Instance, Dir: dir, Files: []string{"bank.json"}, Release: remove}, nil
}

// LoadSnapshot takes such a file over.
func (m *Machine) LoadSnapshot(group int, s sm.Snapshot) error {
	sent, err := OpenMachine(s.Dir)
	if err != nil {
		return err
	}
	if sent.saved != s.Instance {
		return fmt.Errorf("the snapshot is of instance %d, want %d", sent.saved, s.Instance)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := save(m.path, sent.state); err != nil {
		return err
	}
	m.state, m.saved = sent.state, sent.saved
	return nil
}
