package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

const machineID sm.ID = 7

// saveEvery is how many instances are executed between two durable states of
// a machine: enough for kills to hit the stretch in between, few enough for a
// restart that is quick however long the log is.
const saveEvery = 500

// stateBytes is a state on disk: instance, chain, and a hash of both.
const stateBytes = 24

// machine is a durable state machine of one group. Its state is a hash of
// everything that it executed, in order.
type machine struct {
	dir, path string
	marks     func(mark)
	fault     func(string) // told of what a group must never do

	// Of the group's goroutine.
	chain  uint64
	last   uint64 // highest instance that is in chain; NoCheckpoint for none
	marked uint64 // stretch of markEvery that has its mark, plus 1

	saved atomic.Uint64
}

// openMachine loads the state of a group's machine from dir.
func openMachine(dir string, group int, marks func(mark), fault func(string)) (*machine, error) {
	m := &machine{
		dir: dir, path: filepath.Join(dir, fmt.Sprintf("state-%d", group)),
		marks: marks, fault: fault, last: sm.NoCheckpoint,
	}
	m.saved.Store(sm.NoCheckpoint)
	b, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) != stateBytes || hashOf(b[:16]) != binary.LittleEndian.Uint64(b[16:]) {
		return nil, fmt.Errorf("state %s is damaged", m.path)
	}
	m.last, m.chain = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	m.marked = m.last/markEvery + 1
	m.saved.Store(m.last)
	return m, nil
}

// ID returns the id that clients propose under.
func (m *machine) ID() sm.ID { return machineID }

// Execute adds a value to the history.
func (m *machine) Execute(e sm.Entry) ([]byte, error) {
	if m.last != sm.NoCheckpoint && e.Instance <= m.last {
		m.fault(fmt.Sprintf("executed order: group %d was given instance %d behind %d", e.Group, e.Instance, m.last))
	}
	m.chain = chain(m.chain, e.Instance, e.Index, hashOf(e.Value))
	if !e.Last {
		return nil, nil
	}
	m.last = e.Instance
	if stretch := e.Instance/markEvery + 1; stretch != m.marked {
		m.marked = stretch
		m.marks(mark{e.Group, e.Instance, m.chain})
	}
	if saved := m.saved.Load(); saved == sm.NoCheckpoint || e.Instance >= saved+saveEvery {
		if err := m.save(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// CheckpointInstance implements sm.Checkpointer.
func (m *machine) CheckpointInstance(int) uint64 { return m.saved.Load() }

// save makes the state durable in one step: the new file is on disk before it
// takes the place of the old one.
func (m *machine) save() error {
	var b [stateBytes]byte
	binary.LittleEndian.PutUint64(b[:], m.last)
	binary.LittleEndian.PutUint64(b[8:], m.chain)
	binary.LittleEndian.PutUint64(b[16:], hashOf(b[:16]))
	f, err := os.Create(m.path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(b[:])
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(m.path+".new", m.path); err != nil {
		return err
	}
	if err := syncDir(m.dir); err != nil {
		return err
	}
	m.saved.Store(m.last)
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
