package group

import (
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
		result, outcome, err := x.apply(g, c.Instance, x.next, false)
		if err != nil && g.internal(x.entries[x.next].SM) {
			// The storage refuses writes after a failure; trying again is for
			// whoever opens it anew.
			g.stop(fmt.Errorf("%w: %w", paxos.ErrSave, err))
			return false
		}
		if err != nil {
			x.failed(g, c.Instance, err)
			return false
		}
		if t := x.ticket(x.next); t != nil {
			t.Instance, t.Index, t.Result, t.executed = c.Instance, x.next, result, true
			x.tickets[x.next] = nil
			g.finish(t, outcome)
		}
		x.next++
	}
	g.teach.relay(g, c) // nobody hears of a value from here before it is executed here
	if x.own {
		g.queue.current = batch{}
	}
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

// begin takes a packed value apart. What cannot be taken apart has no
// entries: it is the same on every node, and nothing happens on any of them.
func (x *executor) begin(value []byte) {
	x.active, x.next, x.entries = true, 0, x.entries[:0]
	id, body, ok := wire.SplitValue(value)
	if !ok {
		return
	}
	if id != sm.Batch {
		x.entries = append(x.entries, wire.BatchEntry{SM: id, Value: body})
		return
	}
	entries, err := wire.DecodeBatch(body, x.entries)
	if err == nil {
		x.entries = entries
	}
}

// apply executes one entry. outcome is what its proposer is told; err means
// that it has to be tried again.
func (x *executor) apply(g *Group, instance uint64, i int, replay bool) (result []byte, outcome, err error) {
	e := &x.entries[i]
	switch {
	case e.SM == sm.None:
		return nil, nil, nil
	case g.internal(e.SM):
		outcome, err = g.applyInternal(e.SM, instance, e.Value, x.ticket(i))
		return nil, outcome, err
	}
	m := x.machine(e.SM)
	if m == nil {
		return nil, nil, fmt.Errorf("%w: %d in group %d, needed by instance %d", ErrNoStateMachine, e.SM, g.cfg.Index, instance)
	}
	if instance < x.covered && covers(m, g.cfg.Index, instance) {
		return nil, nil, nil
	}
	result, err = m.Execute(sm.Entry{Group: g.cfg.Index, Instance: instance, Index: i,
		Last: x.last(i), Replay: replay, Value: e.Value})
	return result, nil, err
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

// last reports whether no later entry of the instance is for the same state
// machine. Batches are mostly for one, so the search ends at once.
func (x *executor) last(i int) bool {
	for _, e := range x.entries[i+1:] {
		if e.SM == x.entries[i].SM {
			return false
		}
	}
	return true
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
