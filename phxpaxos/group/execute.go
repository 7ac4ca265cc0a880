package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	retryFirst = 10 * time.Millisecond // pause after a state machine failed
	retryMost  = time.Second           // it doubles up to this
)

// executor gives chosen values to the state machines, each entry once. It
// remembers how far it got, so that a batch that failed half way goes on
// where it stopped (hazard H5).
type executor struct {
	machines []sm.StateMachine // in the order of registration

	active  bool              // an instance is being executed
	own     bool              // it is the own batch
	entries []wire.BatchEntry // of the instance
	tickets []*Ticket         // of the own batch, by index
	next    int               // entries before it are executed
	many    many
	rewinds []rewind // the state machines that can fall back

	retryAt time.Duration // a state machine failed, try again then; 0 if none did
	pause   time.Duration
	covered uint64 // instances below may be inside a state machine's checkpoint
}

func (x *executor) machine(id sm.ID) sm.StateMachine {
	for _, m := range x.machines {
		if m.ID() == id {
			return m
		}
	}
	return nil
}

// run executes a decided instance and reports whether all of it is done.
func (x *executor) run(g *Group, c *paxos.Chosen) bool {
	if !x.active && g.mustWait(c) {
		return false // until Saved
	}
	if !x.active {
		tickets := g.queue.decided(g, c)
		x.begin(c.Value)
		x.tickets, x.own = tickets, tickets != nil || g.queue.current.active
	}
	for x.next < len(x.entries) {
		err := x.step(g, c.Instance, false)
		switch {
		case err == nil:
			continue
		case x.entries[x.next].SM == sm.None:
			g.stop(err)
		case g.internal(x.entries[x.next].SM):
			// The storage refuses writes after a failure; trying again is for
			// whoever opens it anew.
			g.stop(fmt.Errorf("%w: %w", paxos.ErrSave, err))
		case errors.Is(err, errResults):
			g.stop(err)
		case x.interrupted(g, x.entries[x.next].SM, c.Instance, err):
			// Its callers wait until it is back.
		default:
			x.failed(g, c.Instance, err)
		}
		return false
	}
	g.entries.note(x.entries, c.Instance)
	g.teach.relay(g, c) // nobody hears of a value from here before it is executed here
	if x.own {
		g.queue.current = batch{}
	}
	g.digestState(c.Instance)
	clear(x.entries)
	x.active, x.own, x.tickets, x.next, x.retryAt, x.pause = false, false, nil, 0, 0, 0
	return true
}

func (x *executor) ticket(i int) *Ticket {
	if i < len(x.tickets) {
		return x.tickets[i]
	}
	return nil
}

func (x *executor) begin(value []byte) {
	x.active, x.next, x.entries = true, 0, unpack(value, x.entries[:0])
}

// unpack takes a packed value apart and appends its entries to buf, which is
// empty. What cannot be taken apart has no entries: it is the same on every
// node, and nothing happens on any of them.
func unpack(value []byte, buf []wire.BatchEntry) []wire.BatchEntry {
	id, body, ok := wire.SplitValue(value)
	if !ok {
		return buf
	}
	if id != sm.Batch {
		return append(buf, wire.BatchEntry{SM: id, Value: body})
	}
	if entries, err := wire.DecodeBatch(body, buf); err == nil {
		return entries
	}
	return buf
}

// step executes the next entry, or the entries from there on that one call of
// their state machine takes. next is behind what is done also when there is an
// error, which means that the rest has to be tried again.
func (x *executor) step(g *Group, instance uint64, replay bool) error {
	e := &x.entries[x.next]
	switch {
	case e.SM == sm.None:
		if err := g.features.execute(g, instance, e.Value); err != nil {
			return err
		}
		x.done(g, instance, nil, nil)
		return nil
	case g.internal(e.SM):
		outcome, err := g.applyInternal(e.SM, instance, e.Value, x.ticket(x.next))
		if err == nil {
			x.done(g, instance, nil, outcome)
		}
		return err
	}
	m := x.machine(e.SM)
	if m == nil {
		return fmt.Errorf("%w: %d in group %d, needed by instance %d", ErrNoStateMachine, e.SM, g.cfg.Index, instance)
	}
	if instance < x.covered && covers(m, g.cfg.Index, instance) {
		x.done(g, instance, nil, nil)
		return nil
	}
	if skip, outcome := x.skips(e.SM, instance); skip {
		x.done(g, instance, nil, outcome)
		return nil
	}
	results, err := x.many.execute(m, run{x.entries, x.next, len(x.entries), g.cfg.Index, instance, replay, x.tickets == nil})
	for _, result := range results {
		x.done(g, instance, result, nil)
	}
	x.many.forget()
	return err
}

// done takes note that the next entry is executed, and tells its proposer.
func (x *executor) done(g *Group, instance uint64, result []byte, outcome error) {
	if t := x.ticket(x.next); t != nil {
		t.Instance, t.Index, t.Result, t.executed = instance, x.next, result, true
		x.tickets[x.next] = nil
		g.finish(t, outcome)
	}
	x.next++
}

// covers reports whether m's durable state includes the instance already.
func covers(m sm.StateMachine, group int, instance uint64) bool {
	c, ok := m.(sm.Checkpointer)
	if !ok {
		return false
	}
	at := c.CheckpointInstance(group)
	return at != sm.NoCheckpoint && instance <= at
}

// failed plans the next try, and tells the callers that are left: their
// values are chosen, when they will be executed nobody knows.
func (x *executor) failed(g *Group, instance uint64, err error) {
	g.observe(event.Event{Kind: event.ExecuteFailed, Instance: instance, Number: uint64(x.entries[x.next].SM), Err: err})
	for i, t := range x.tickets {
		if t != nil && i >= x.next {
			t.Instance, t.Index = instance, i
			x.tickets[i] = nil
			g.finish(t, fmt.Errorf("%w: %w", ErrExecuteFailed, err))
		}
	}
	if g.cfg.Hazards.RepeatBatch {
		x.next = 0
	}
	g.core.CancelSkipPrepare()
	x.pause = min(max(2*x.pause, retryFirst), retryMost)
	x.retryAt = g.now + x.pause
}
