package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// ErrMalformed: the bytes are no ledger.
var ErrMalformed = errors.New("ledger is malformed")

// The file in a group's directory that holds the ledger, in the frame of package
// smallfile: its name, its kind, and the number of the payload's format.
const (
	FileName = "phxpaxos_ledger"
	FileKind = "ledger"
	Format   = 1
)

// machinesMax bounds what a ledger from outside can make this node allocate.
const machinesMax = 1 << 16

// Ledger says, for a group's log:
//
//   - of each listed machine: among the instances below Clear, the last one
//     with an entry for it is Next-1; with Next 0 there is none;
//   - of every other id: no instance from From to Through-1 has an entry for
//     it; nothing is known of the instances below From.
//
// The zero value says nothing. The node's own machines, sm.System and
// sm.Master, are not listed: their state is in variables.
type Ledger struct {
	From, Through uint64    // From <= Through
	Machines      []Machine // in ascending order of ID
}

// Machine is what a Ledger says of one state machine; Next <= Clear <= Through.
type Machine struct {
	ID    sm.ID
	Next  uint64
	Clear uint64
}

func (l *Ledger) find(id sm.ID) (at int, ok bool) {
	return slices.BinarySearchFunc(l.Machines, id, func(m Machine, id sm.ID) int { return int(m.ID) - int(id) })
}

// of is what the ledger says of any id.
func (l *Ledger) of(id sm.ID) Machine {
	if i, ok := l.find(id); ok {
		return l.Machines[i]
	}
	return Machine{id, l.From, l.Through}
}

// Reach returns the first instance that a state machine may lack whose durable
// state includes everything below have: have itself, or more if no entry for
// the machine lies between.
func (l *Ledger) Reach(id sm.ID, have uint64) uint64 {
	if m := l.of(id); have >= m.Next {
		return max(have, m.Clear)
	}
	return have
}

// Below is what the ledger says of the instances below an instance only, for a
// node whose log ends there.
func (l *Ledger) Below(instance uint64) Ledger {
	b := Ledger{min(l.From, instance), min(l.Through, instance), slices.Clone(l.Machines)}
	for i := range b.Machines {
		m := &b.Machines[i]
		m.Next, m.Clear = min(m.Next, instance), min(m.Clear, instance)
	}
	return b
}

// Clone returns a copy that shares nothing.
func (l *Ledger) Clone() Ledger { return Ledger{l.From, l.Through, slices.Clone(l.Machines)} }

// Append appends the ledger as bytes: uvarints, From, Through, the number of
// machines, and for each its id (zigzag), Next and Clear.
func (l *Ledger) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, l.From)
	dst = binary.AppendUvarint(dst, l.Through)
	dst = binary.AppendUvarint(dst, uint64(len(l.Machines)))
	for _, m := range l.Machines {
		dst = binary.AppendVarint(dst, int64(m.ID))
		dst = binary.AppendUvarint(dst, m.Next)
		dst = binary.AppendUvarint(dst, m.Clear)
	}
	return dst
}

// Decode reads what Append wrote, all of b. Errors match ErrMalformed.
func Decode(b []byte) (l Ledger, err error) {
	bad := false
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	l.From, l.Through = number(), number()
	count := number()
	if bad || l.From > l.Through || count > min(machinesMax, uint64(len(b))) {
		return Ledger{}, fmt.Errorf("%w: from %d through %d, %d machines in %d bytes", ErrMalformed, l.From, l.Through, count, len(b))
	}
	for range count {
		id, n := binary.Varint(b)
		if n <= 0 || int64(sm.ID(id)) != id || sm.ID(id).Reserved() {
			return Ledger{}, fmt.Errorf("%w: machine id %d", ErrMalformed, id)
		}
		b = b[n:]
		m := Machine{sm.ID(id), number(), number()}
		if bad || m.Next > m.Clear || m.Clear > l.Through {
			return Ledger{}, fmt.Errorf("%w: machine %d has its last entry before %d of %d below %d", ErrMalformed, id, m.Next, m.Clear, l.Through)
		}
		if k := len(l.Machines); k > 0 && l.Machines[k-1].ID >= m.ID {
			return Ledger{}, fmt.Errorf("%w: machine %d is out of order", ErrMalformed, id)
		}
		l.Machines = append(l.Machines, m)
	}
	if len(b) != 0 {
		return Ledger{}, fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(b))
	}
	return l, nil
}
