package sim

import (
	"encoding/binary"
	"fmt"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// store is the durable state of a state machine. It changes in one step, and
// survives every crash; only a wipe takes it.
type store struct {
	some  bool
	state []byte
	at    uint64 // highest instance in it
}

// stateBytes is a state: instance, count, then the registers.
const stateBytes = 16 + 8*256

// encode is the machine's state as bytes.
func (m *machine) encode() []byte {
	b := make([]byte, 0, stateBytes)
	b = binary.LittleEndian.AppendUint64(b, m.last)
	b = binary.LittleEndian.AppendUint64(b, m.count)
	for _, r := range m.registers {
		b = binary.LittleEndian.AppendUint64(b, r)
	}
	return b
}

func (m *machine) decode(b []byte) {
	m.last, m.count = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	for i := range m.registers {
		m.registers[i] = binary.LittleEndian.Uint64(b[16+8*i:])
	}
}

// durable is a machine with a checkpoint. Machines of different lags are
// registered in one group.
type durable struct {
	*machine
	n     *node
	group int
	store *store
	every int    // one in so many instances is followed by a checkpoint
	moved func() // the state was replaced
}

var _ sm.Snapshotter = (*durable)(nil)

// Execute executes, and makes the state durable now and then.
func (d *durable) Execute(e sm.Entry) ([]byte, error) {
	if d.store.some && e.Instance <= d.store.at {
		d.n.w.report.fail("nothing comes twice", "node %s group %d: machine %d is given instance %d, its state includes %d",
			d.n.name, d.group, d.id, e.Instance, d.store.at)
	}
	result, err := d.machine.Execute(e)
	if err == nil && e.Last {
		d.last = e.Instance
		if d.chance.IntN(d.every) == 0 {
			d.n.w.stats.Checkpoints++
			*d.store = store{true, d.encode(), e.Instance}
		}
	}
	return result, err
}

// idle is a machine that must never get an entry.
type idle struct{ n *node }

func (i idle) ID() sm.ID { return idleID }

// Execute reports a violation.
func (i idle) Execute(e sm.Entry) ([]byte, error) {
	i.n.w.report.fail("order", "node %s: instance %d has an entry for the idle machine", i.n.name, e.Instance)
	return nil, nil
}

// idleSnapshotter could have a checkpoint, and never has one.
type idleSnapshotter struct{ idle }

func (i idleSnapshotter) CheckpointInstance(int) uint64 { return sm.NoCheckpoint }

func (i idleSnapshotter) Snapshot(int) (sm.Snapshot, error) {
	return sm.Snapshot{}, fmt.Errorf("machine %d has no checkpoint", idleID)
}

// LoadSnapshot reports a violation: no node has anything to send.
func (i idleSnapshotter) LoadSnapshot(int, sm.Snapshot) error {
	i.n.w.report.fail("equal states", "node %s: the idle machine is given a snapshot", i.n.name)
	return nil
}

// save makes the state of a machine durable, by its number.
func (m *member) save(which string) error {
	machine := m.machine
	switch which {
	case "1":
		m.stores[0] = store{true, machine.encode(), machine.last}
	case "2":
		machine = m.shadow
		m.stores[1] = store{true, machine.encode(), machine.last}
	default:
		return errWords
	}
	return nil
}

// CheckpointInstance tells what is durable.
func (d *durable) CheckpointInstance(int) uint64 {
	if !d.store.some {
		return sm.NoCheckpoint
	}
	return d.store.at
}

// Snapshot writes the durable state to files, in an order that depends on it.
func (d *durable) Snapshot(group int) (sm.Snapshot, error) {
	if !d.store.some {
		return sm.Snapshot{}, fmt.Errorf("machine %d has no checkpoint", d.id)
	}
	d.n.snapshots++
	dir := fmt.Sprintf("/snapshots/%d", d.n.snapshots)
	half := stateBytes / 3
	files := []string{"state/first", "state/second", "empty"}
	for i, data := range [][]byte{d.store.state[:half], d.store.state[half:], nil} {
		if err := writeFile(d.n.files, path.Join(dir, files[i]), data); err != nil {
			return sm.Snapshot{}, err
		}
	}
	return sm.Snapshot{Instance: d.store.at, Dir: dir, Files: files}, nil
}

// LoadSnapshot takes a state of another node.
func (d *durable) LoadSnapshot(group int, s sm.Snapshot) error {
	w := d.n.w
	if w.phase == chaos && w.plan.load.executeFails > 0 && d.chance.IntN(4) == 0 {
		return errExecute
	}
	var state []byte
	for _, name := range s.Files {
		data, err := readFile(d.n.files, path.Join(s.Dir, name))
		if err != nil {
			return err
		}
		state = append(state, data...)
	}
	if len(state) != stateBytes || len(s.Files) != 3 {
		return fmt.Errorf("a state of %d bytes in %d files", len(state), len(s.Files))
	}
	*d.store = store{true, state, s.Instance}
	d.decode(state)
	w.stats.Loaded++
	w.tracef(d.n.name, "group %d: machine %d has loaded instance %d", d.group, d.id, s.Instance)
	d.moved()
	return nil
}
