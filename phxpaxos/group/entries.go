package group

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	// The ledger on disk is renewed when a start would replay so many
	// instances less, or read so many less.
	ledgerReplay = 1000
	ledgerRead   = 65536
)

// entries knows which state machines had entries where, so that one without
// recent entries neither holds the log nor has it replayed (docs/trimming.md).
type entries struct {
	tracker ledger.Tracker
	stored  ledger.Ledger // as it is on disk; nothing below what it allows is trimmed
	saving  ledger.Ledger // on its way there
	have    []ledger.Have // memory for haves
}

// note takes the entries of an instance that is executed.
func (e *entries) note(list []wire.BatchEntry, instance uint64) {
	last := sm.None
	for i := range list {
		if id := list[i].SM; id != last && !id.Reserved() {
			last = id
			e.tracker.Note(id, instance)
		}
	}
}

// lacks is the first instance that the durable state of a machine does not
// include.
func lacks(m sm.StateMachine, group int) uint64 {
	if c, ok := m.(sm.Checkpointer); ok {
		return c.CheckpointInstance(group) + 1 // NoCheckpoint+1 is 0
	}
	return 0
}

// haves is how far the durable states of all machines go.
func (g *Group) haves() []ledger.Have {
	list := g.entries.have[:0]
	for _, m := range g.exec.machines {
		list = append(list, ledger.Have{ID: m.ID(), Next: lacks(m, g.cfg.Index)})
	}
	g.entries.have = list
	return list
}

// settledLedger is what is true of the log now.
func (g *Group) settledLedger() *ledger.Ledger {
	g.entries.tracker.Settle(g.core.Instance(), g.haves())
	return g.entries.tracker.Ledger()
}

// needs is the first instance that a machine may need from the log whose state
// includes everything below have.
func (g *Group) needs(m sm.StateMachine, have uint64) uint64 {
	return g.entries.tracker.Reach(m.ID(), have, g.core.Instance())
}

// readLedger reads the ledger and continues it from the replay on, which reads
// every instance from the returned one on. In the directory of an older
// version, and where another version has trimmed the log since the ledger was
// stored, nothing is known of what lies before the replay.
func (g *Group) readLedger(end uint64) (l ledger.Ledger, err error) {
	data, ok, err := g.env.Variable(Ledger)
	if err == nil && ok {
		l, err = ledger.Decode(data)
	}
	if err != nil {
		return l, fmt.Errorf("%w: group %d: read which state machines have had entries: %w; restore the file, or remove the group's log and the state machines' data to fetch both from another node",
			ErrGroupFailed, g.cfg.Index, err)
	}
	if ok && l.Through >= g.minChosen {
		g.entries.stored = l
		return l, nil
	}
	from := end
	if len(g.exec.machines) > 0 {
		low, _ := g.checkpoints(&ledger.Ledger{})
		from = min(low, end)
	}
	return ledger.Ledger{From: from, Through: from}, nil
}

// cutLedger returns the ledger to go on with. Records at the end of the log may
// be gone that were not synced. Without syncs a whole cluster may have lost
// them, and decide other values there, so what the ledger says of them is taken
// out, on disk as well. It stays where a checkpoint was being taken in, since
// MinChosen is there already and relies on it.
func (g *Group) cutLedger(known, low ledger.Ledger) (ledger.Ledger, error) {
	if known.Through == low.Through || g.minChosen > low.Through {
		return known, nil
	}
	if g.cfg.NoLedger {
		return low, nil
	}
	if err := g.env.SetVariable(Ledger, low.Append(nil)); err != nil {
		return known, fmt.Errorf("group %d: store which state machines have had entries: %w", g.cfg.Index, err)
	}
	g.entries.stored = low.Clone()
	return low, nil
}

// storeLedger makes what is known durable at once.
func (g *Group) storeLedger() error {
	if g.cfg.NoLedger {
		return nil
	}
	l := g.entries.tracker.Ledger()
	if err := g.env.SetVariable(Ledger, l.Append(nil)); err != nil {
		return fmt.Errorf("group %d: store which state machines have had entries: %w", g.cfg.Index, err)
	}
	g.entries.stored = l.Clone()
	return nil
}

// slowest names the machine that needs the earliest instance by a ledger.
func (g *Group) slowest(l *ledger.Ledger) (id sm.ID, have uint64) {
	low := sm.NoCheckpoint
	for _, h := range g.haves() {
		if at := l.Reach(h.ID, h.Next); at < low {
			low, id, have = at, h.ID, h.Next
		}
	}
	return id, have
}
