package main

import (
	"bytes"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// machineID names the echo state machine in every value; it is the original's.
const machineID sm.ID = 1

// machine is the replicated state machine: it prints each value and answers
// with it. It keeps nothing, so it has no checkpoint, and a node that starts
// again prints its whole log again.
type machine struct{ out *console }

// ID returns the id of the echo state machine.
func (m *machine) ID() sm.ID { return machineID }

// Execute prints the value and returns a copy of it.
func (m *machine) Execute(e sm.Entry) ([]byte, error) {
	m.out.executed(e)
	return bytes.Clone(e.Value), nil
}
