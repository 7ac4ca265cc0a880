package sim

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// machineID is the state machine of a simulated group that clients see,
// shadowID another one in some worlds, idleID one that never gets an entry.
const (
	machineID sm.ID = 7
	shadowID  sm.ID = 8
	idleID    sm.ID = 9
)

// opKind is what an operation asks of the store.
type opKind uint8

const (
	opPut  opKind = iota + 1 // key := id
	opGet                    // read key
	opSwap                   // read key, then key := id
	opMark                   // touches no key; may be retried under the same id
	opKinds
)

// encodeOp is the value of an operation; size pads it.
func encodeOp(kind opKind, key uint8, id uint64, size int) []byte {
	b := make([]byte, max(size, 10))
	b[0], b[1] = byte(kind), key
	binary.LittleEndian.PutUint64(b[2:], id)
	for i := 10; i < len(b); i++ {
		b[i] = byte(id) + byte(i)
	}
	return b
}

func decodeOp(b []byte) (kind opKind, key uint8, id uint64, ok bool) {
	if len(b) < 10 || b[0] == 0 || b[0] >= byte(opKinds) {
		return 0, 0, 0, false
	}
	return opKind(b[0]), b[1], binary.LittleEndian.Uint64(b[2:]), true
}

var errExecute = errors.New("simulated failure of a state machine")

// machine is a small store of registers. It reports what it executes and
// fails now and then, without having done anything.
type machine struct {
	id        sm.ID
	last      uint64 // highest instance that is executed completely
	count     uint64 // entries executed in all lives
	registers [256]uint64
	chance    *rand.Rand
	fails     int // per ten thousand
	failed    bool
	failNext  uint64 // id of an operation to fail once, for scenarios
	report    func(e sm.Entry, id uint64)
}

// ID returns the machine's id.
func (m *machine) ID() sm.ID { return m.id }

// Execute applies one operation.
func (m *machine) Execute(e sm.Entry) ([]byte, error) {
	kind, key, id, ok := decodeOp(e.Value)
	if !ok {
		m.count++
		m.report(e, 0)
		return nil, nil
	}
	if m.failNext == id && id != 0 {
		m.failNext = 0
		return nil, errExecute
	}
	// Never twice in a row, and never while the node starts, which would end it.
	if m.failed = !e.Replay && !m.failed && m.fails > 0 && m.chance.IntN(10000) < m.fails; m.failed {
		return nil, errExecute
	}
	m.count++
	m.report(e, id)
	result := make([]byte, 8)
	switch kind {
	case opGet, opSwap:
		binary.LittleEndian.PutUint64(result, m.registers[key])
	}
	if kind == opPut || kind == opSwap {
		m.registers[key] = id
	}
	return result, nil
}

// hash is that of everything that depends on what was executed.
func (m *machine) hash() uint64 {
	d := digestStart
	d.add(m.count)
	for _, r := range m.registers {
		d.add(r)
	}
	return uint64(d)
}

// batchMachine is a machine that takes several entries at once.
type batchMachine struct{ *machine }

// ExecuteBatch applies operations up to the first that fails.
func (m batchMachine) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	return executeBatch(m, entries, results)
}

func executeBatch(m sm.StateMachine, entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for _, e := range entries {
		result, err := m.Execute(e)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

// shaped is the machine as its group gets it.
func (m *member) shaped() sm.StateMachine {
	switch load := &m.n.w.plan.load; {
	case load.losses > 0 && load.executeMany:
		return newLossyMachine(m)
	case load.losses > 0:
		return struct{ sm.Rewinder }{newLossyMachine(m)} // without ExecuteBatch
	case load.executeMany:
		return batchMachine{m.machine}
	}
	return m.machine
}
