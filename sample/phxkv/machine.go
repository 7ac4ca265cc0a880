package phxkv

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// MachineID is the state machine's id, the original's.
const MachineID sm.ID = 1

// What Execute returns to whoever proposed. They are shared: nobody changes
// them.
var (
	done     = []byte{0}
	conflict = []byte{1}
	refused  = []byte{2} // not an operation; the original skips it as well
	repeated = []byte{3} // it was executed before a crash, and what came of it is forgotten
)

// Machine is the state machine of all groups: it executes what they have
// chosen. Every group has a store of its own, so the goroutines of the groups
// never meet here.
type Machine struct {
	path   string
	stores [Groups]*store
}

// OpenMachine opens the database below path, and creates what is missing. An
// original node's database at the same path is taken over (see import.go);
// logPath is that node's log.
func OpenMachine(path, logPath string) (*Machine, error) {
	if err := importOriginal(path, logPath); err != nil {
		return nil, err
	}
	m := &Machine{path: path}
	for group := range m.stores {
		s, err := openStore(path, group)
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.stores[group] = s
	}
	return m, nil
}

// Close writes everything to disk. No method may be called afterwards.
func (m *Machine) Close() error {
	var errs []error
	for _, s := range m.stores {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(errs...)
}

// ID is the original's.
func (*Machine) ID() sm.ID { return MachineID }

// Execute applies one operation. It depends on nothing but the store and the
// entry, so that all nodes come to the same. What is wrong with an operation
// is a result; an error means that this node's disk is in trouble.
func (m *Machine) Execute(e sm.Entry) ([]byte, error) {
	s := m.stores[e.Group]
	at := placeOf(e)
	if s.includes(at) {
		return repeated, nil // after a crash in the middle of an instance
	}
	var op kvpb.KVOperator
	if err := proto.Unmarshal(e.Value, &op); err != nil {
		return refused, s.skip(at)
	}
	if op.Operator != operatorWrite && op.Operator != operatorDelete {
		return refused, s.skip(at)
	}
	old, err := s.get(op.Key)
	if err != nil {
		return nil, err
	}
	if old.Version != op.Version {
		return conflict, s.skip(at)
	}
	data := &Data{Value: op.Value, Version: op.Version + 1}
	if op.Operator == operatorDelete {
		// The version outlives the key, or a late write could bring it back.
		data.Isdeleted = true
		if data.Value = old.Value; old.Isdeleted {
			data.Value = nil // as the original does
		}
	}
	return done, s.put(op.Key, data, at)
}

// CheckpointInstance is what the group's store has on disk: the log behind it
// is replayed after a crash, the log before it may be deleted.
func (m *Machine) CheckpointInstance(group int) uint64 { return m.stores[group].checkpoint() }

// Err is why the store of a group cannot be written, if it cannot.
func (m *Machine) Err(_ context.Context, group int) error { return m.stores[group].err() }

// Get reads a key as this node has it. A key that was never written has
// version 0; a deleted one is marked. It is safe for concurrent use.
func (m *Machine) Get(_ context.Context, key string) (*Data, error) {
	return m.stores[GroupOf(key)].get(key)
}
