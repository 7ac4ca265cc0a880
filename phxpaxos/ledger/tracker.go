package ledger

import (
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Have is how far the durable state of a registered state machine goes: it
// includes everything below Next.
type Have struct {
	ID   sm.ID
	Next uint64
}

// Tracker follows a group's log while it is executed and keeps a Ledger true.
// The zero value has seen an empty log.
type Tracker struct {
	l      Ledger
	newest []newest // of the listed machines, in no order
}

// newest is the instance after the last entry of a machine, as far as the
// tracker has seen the log, or more: then a state is taken for older than it is,
// never for newer.
type newest struct {
	id   sm.ID
	next uint64
}

// NewTracker continues from a ledger. Every instance from seen on is going to
// be noted; seen is at most l.Through.
func NewTracker(l Ledger, seen uint64, machines []Have) Tracker {
	t := Tracker{l: l.Clone()}
	for _, m := range t.l.Machines {
		t.newest = append(t.newest, newest{m.ID, unseen(m, seen, machines)})
	}
	return t
}

// unseen is the instance after the last entry that a machine may have below
// seen. An entry between m.Clear and seen is in the machine's durable state, if
// it is registered: seen is no higher than what any registered one lacks.
func unseen(m Machine, seen uint64, machines []Have) uint64 {
	if m.Clear >= seen {
		return m.Next
	}
	if i := slices.IndexFunc(machines, func(h Have) bool { return h.ID == m.ID }); i >= 0 {
		seen = min(seen, machines[i].Next)
	}
	return max(m.Next, seen)
}

// Note takes an entry of an instance that is executed, or was before.
func (t *Tracker) Note(id sm.ID, instance uint64) {
	for i := range t.newest {
		if n := &t.newest[i]; n.id == id {
			n.next = max(n.next, instance+1)
			return
		}
	}
	t.list(id, Machine{id, t.l.From, t.l.Through}, instance+1)
}

func (t *Tracker) list(id sm.ID, m Machine, next uint64) {
	at, _ := t.l.find(id)
	t.l.Machines = slices.Insert(t.l.Machines, at, m)
	t.newest = append(t.newest, newest{id, max(next, m.Next)})
}

// Newest is the instance after the last entry of a machine, 0 if there is none.
func (t *Tracker) Newest(id sm.ID) uint64 {
	for i := range t.newest {
		if t.newest[i].id == id {
			return t.newest[i].next
		}
	}
	return t.l.From
}

// Declare takes a machine's owner by their word that no instance below at has
// an entry for it, where the ledger does not know.
func (t *Tracker) Declare(id sm.ID, at uint64) {
	if _, ok := t.l.find(id); ok || t.l.From == 0 {
		return
	}
	t.list(id, Machine{id, 0, min(at, t.l.Through)}, 0)
}

// Reach is Ledger.Reach with all that is known when every instance below at
// has been noted.
func (t *Tracker) Reach(id sm.ID, have, at uint64) uint64 {
	if have >= t.Newest(id) {
		return max(have, at)
	}
	return t.l.Reach(id, have)
}

// Settle moves the ledger on: every instance below at has been noted. A machine
// whose durable state includes all of its entries is clear up to there, and so
// is one that is not registered, since what is said of it does not depend on
// its state. The others keep what was said of them before.
func (t *Tracker) Settle(at uint64, machines []Have) {
	if at <= t.l.Through {
		return
	}
	t.l.Through = at
	for i := range t.l.Machines {
		m := &t.l.Machines[i]
		next := t.Newest(m.ID)
		k := slices.IndexFunc(machines, func(h Have) bool { return h.ID == m.ID })
		if k < 0 || machines[k].Next >= next {
			m.Next, m.Clear = next, at
		}
	}
}

// Join takes a ledger of another node over when this node, which has noted
// every instance below at, goes on at next with its checkpoint. Every
// registered machine reaches next by l.
func (t *Tracker) Join(l *Ledger, at, next uint64) {
	if l.Through < next { // it says too little; the machines are known to be there
		*t = Tracker{l: Ledger{From: next, Through: next}}
		return
	}
	old := *t
	*t = Tracker{l: l.Clone()}
	gap := at < l.From // between them nothing is known
	if !gap {
		t.l.From = min(old.l.From, l.From)
	}
	for _, m := range t.l.Machines {
		n := max(m.Next, old.Newest(m.ID))
		if m.Clear < next { // its durable state includes what lies between
			n = max(n, next)
		}
		t.newest = append(t.newest, newest{m.ID, n})
	}
	for _, n := range old.newest {
		if _, ok := t.l.find(n.id); ok {
			continue
		}
		if gap {
			n.next = max(n.next, l.From)
		}
		t.list(n.id, Machine{n.id, min(n.next, l.Through), l.Through}, n.next)
	}
}

// Ledger returns what is true now. It shares memory with the tracker and is
// valid until its next change; use Clone to keep it.
func (t *Tracker) Ledger() *Ledger { return &t.l }
