package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	// What a group gives again in one Tick, so that it answers its peers
	// meanwhile: some milliseconds for a state machine in another process.
	rewindInstances = 32
	rewindBytes     = 1 << 20
)

// errResultLost is what a proposer is told whose value is in the state that
// the state machine fell back to, while the result went down with the process.
var errResultLost = fmt.Errorf("%w: it was executed, its result was lost when the state machine was interrupted", ErrExecuteFailed)

// rewind is a state machine that can fall back to its checkpoint while the
// group runs. What it has lost is given to it again, from the log, before
// anything else is executed: everything below the current instance, and of
// that one what was executed before the loss. Other state machines of the
// group see nothing of it.
type rewind struct {
	m    sm.Rewinder
	from uint64 // it was registered here; nothing below is for it
	has  uint64 // instances below are in the state that it fell back to

	away    bool          // interrupted, and it has not yet said where its state ends
	behind  bool          // it has said so, and is given what it lacks
	next    uint64        // instance that it is given next …
	index   int           // … from this entry on
	began   time.Duration // when it fell back
	count   uint64        // instances that it had lost
	retryAt time.Duration // nothing is done before
	pause   time.Duration
	entries []wire.BatchEntry
}

// register takes note of a state machine that gets what is at from and later.
func (x *executor) register(m sm.StateMachine, from uint64) {
	x.machines = append(x.machines, m)
	if r, ok := m.(sm.Rewinder); ok {
		x.rewinds = append(x.rewinds, rewind{m: r, from: from})
	}
}

func (x *executor) rewindOf(id sm.ID) *rewind {
	for i := range x.rewinds {
		if x.rewinds[i].m.ID() == id {
			return &x.rewinds[i]
		}
	}
	return nil
}

// level reports whether every state machine has what was executed.
func (x *executor) level() bool {
	for i := range x.rewinds {
		if r := &x.rewinds[i]; r.away || r.behind {
			return false
		}
	}
	return true
}

// Level reports whether every state machine has executed everything below
// Instance, which is not so after one has fallen back. A state machine knows
// that earlier than the group.
func (g *Group) Level() bool { return g.exec.level() }

// interrupted takes an error of a state machine. It reports false if that is
// an ordinary failure.
func (x *executor) interrupted(g *Group, id sm.ID, instance uint64, err error) bool {
	r := x.rewindOf(id)
	if r == nil || !errors.Is(err, sm.ErrInterrupted) {
		return false
	}
	r.away, r.behind = true, false
	r.wait(g)
	g.observe(event.Event{Kind: event.ExecuteFailed, Instance: instance, Number: uint64(id), Err: err})
	return true
}

// skips reports whether a state machine does not get the entries of an
// instance, and what their proposers are told.
func (x *executor) skips(id sm.ID, instance uint64) (skip bool, outcome error) {
	if len(x.rewinds) == 0 {
		return false, nil
	}
	r := x.rewindOf(id)
	switch {
	case r == nil:
		return false, nil
	case r.away: // while the log is replayed at the start; it gets them later
		return true, nil
	}
	return instance < r.has, errResultLost
}

// rewind asks whether state machines have fallen back, and gives those that
// have some of what they lack.
func (x *executor) rewind(g *Group) {
	if g.err != nil {
		return
	}
	for i := range x.rewinds {
		r := &x.rewinds[i]
		if to, ok := r.m.Rewound(g.cfg.Index); ok {
			r.begin(g, to)
		}
		if r.behind && g.now >= r.retryAt && g.err == nil {
			r.goOn(g, x)
		}
		if r.away && g.now >= r.retryAt {
			r.wait(g)
		}
	}
}

// wait puts the next look off.
func (r *rewind) wait(g *Group) {
	r.pause = min(max(2*r.pause, retryFirst), retryMost)
	r.retryAt = g.now + r.pause
}

// deadline is when there is something to do, 0 for never.
func (x *executor) deadline(g *Group) (at time.Duration) {
	if x.level() { // else nothing is tried again, even if it is due
		at = x.retryAt
	}
	for i := range x.rewinds {
		if d := x.rewinds[i].deadline(g); d != 0 && (at == 0 || d < at) {
			at = d
		}
	}
	return at
}

func (r *rewind) deadline(g *Group) time.Duration {
	switch {
	case r.away, r.behind && g.now < r.retryAt:
		return r.retryAt
	case r.behind && (r.next >= g.core.Instance() || r.next < g.Readable()):
		return max(g.now, 1)
	}
	return 0 // or until Saved
}

func (r *rewind) begin(g *Group, to uint64) {
	at := g.core.Instance()
	r.away, r.behind, r.retryAt = false, true, 0
	r.has = to + 1 // NoCheckpoint+1 is 0
	r.next, r.index, r.began = max(g.needs(r.m, r.has), r.from), 0, g.now
	r.count = max(at, r.next) - r.next
	g.observe(event.Event{Kind: event.RewindBegin, Instance: r.next, Number: uint64(r.m.ID()), Size: int(r.count)})
	if r.next < at && r.next < g.minChosen {
		g.stop(fmt.Errorf("%w: state machine %d fell back and needs instance %d, the log begins at %d; restore the state machine's data, or remove it and the log to fetch both from another node",
			ErrLogGap, r.m.ID(), r.next, g.minChosen))
	}
}

// goOn gives the state machine a part of what it lacks.
func (r *rewind) goOn(g *Group, x *executor) {
	bytes := 0
	for n := 0; r.next < g.core.Instance(); n++ {
		// What is not saved yet cannot be read; Saved goes on.
		if r.next >= g.Readable() || n >= rewindInstances || bytes >= rewindBytes {
			return
		}
		record, err := g.record(r.next)
		if err != nil {
			g.stop(err)
			return
		}
		bytes += len(record.Value)
		r.entries = unpack(record.Value, r.entries[:0])
		ok := r.give(g, x, r.entries, len(r.entries))
		clear(r.entries)
		if !ok {
			return
		}
		r.next, r.index = r.next+1, 0
		if left := g.core.Instance() - r.next; left > 0 && left%replayReport == 0 {
			g.observe(event.Event{Kind: event.Replay, Instance: r.next, Number: left, Size: int(r.count)})
		}
	}
	if r.next == g.core.Instance() && x.active && !r.give(g, x, x.entries, x.next) {
		return
	}
	r.behind, r.pause = false, 0
	g.observe(event.Event{Kind: event.RewindEnd, Instance: r.next, Number: uint64(r.m.ID()), Size: int(r.count), Took: g.now - r.began})
}

// give executes the entries before end that are for the state machine, and
// drops their results: whoever waited for them got them before the loss.
func (r *rewind) give(g *Group, x *executor, entries []wire.BatchEntry, end int) (done bool) {
	for id := r.m.ID(); r.index < end; {
		if entries[r.index].SM != id {
			r.index++
			continue
		}
		results, err := x.many.execute(r.m, run{entries, r.index, end, g.cfg.Index, r.next, true, true})
		r.index += len(results)
		x.many.forget()
		switch {
		case err == nil:
			continue
		case errors.Is(err, errResults):
			g.stop(err)
		case !x.interrupted(g, id, r.next, err):
			g.observe(event.Event{Kind: event.ExecuteFailed, Instance: r.next, Number: uint64(id), Err: err})
			r.wait(g)
		}
		return false
	}
	return true
}
