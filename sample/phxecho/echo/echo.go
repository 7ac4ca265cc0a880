// Package echo is the state machine of phxecho: it answers each value with
// itself. It is part of phxecho, or a program of its own (phxecho_sm). The
// package may change.
package echo

import (
	"bytes"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// ID names the echo state machine in every value; it is the original's.
const ID sm.ID = 1

// Machine is the state machine. It keeps nothing, so it has no checkpoint, and
// a node that starts again executes its whole log again.
type Machine struct{}

// ID returns ID.
func (Machine) ID() sm.ID { return ID }

// Execute returns a copy of the value.
func (Machine) Execute(e sm.Entry) ([]byte, error) { return bytes.Clone(e.Value), nil }
