package tutorial

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Operation is a change of the bank as a value that can travel.
type Operation struct {
	ID     string // made up by the caller; the same if it tries again
	From   string // empty for a deposit
	To     string
	Amount int
}

// Machine executes operations. It is equal on all nodes.
type Machine struct {
	path string // of the checkpoint, see checkpoint.go

	mu    sync.Mutex // Execute and Balance are called by different goroutines
	state state
	saved uint64 // the highest instance that the checkpoint includes
}

// state is everything that a node has to know.
type state struct {
	Bank     *Bank
	Done     map[string]string // results by the id of the operation
	Instance uint64            // the highest that was executed
}

// MachineID tells this state machine from others in the same group.
const MachineID sm.ID = 1

// ID is MachineID.
func (*Machine) ID() sm.ID { return MachineID }

// Execute applies one operation. What it returns, Propose returns on the node
// that proposed it.
func (m *Machine) Execute(e sm.Entry) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	result := m.apply(e.Value)
	if e.Last {
		m.state.Instance = e.Instance
		if err := m.saveNowAndThen(); err != nil {
			return nil, err // this node's disk is in trouble: try again
		}
	}
	return []byte(result), nil
}

// apply depends on nothing but the state and the value: no clock, no random
// number, no order of a map. A refusal is a result like any other.
func (m *Machine) apply(value []byte) string {
	var op Operation
	if err := json.Unmarshal(value, &op); err != nil {
		return fmt.Sprintf("not an operation: %v", err)
	}
	if result, ok := m.state.Done[op.ID]; ok {
		return result // tried again by a caller that missed the answer
	}
	var err error
	if op.From == "" {
		err = m.state.Bank.Deposit(op.To, op.Amount)
	} else {
		err = m.state.Bank.Transfer(op.From, op.To, op.Amount)
	}
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	m.state.Done[op.ID] = result
	return result
}

// Balance is what an account has on this node.
func (m *Machine) Balance(account string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Bank.Balances[account]
}
