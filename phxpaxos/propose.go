package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
)

// Result is where a value ended up.
type Result struct {
	Instance uint64 // in which it was chosen
	Index    int    // its place among the values of the instance, from 0
	Output   []byte // what the state machine returned
	Err      error  // why this entry failed; set by BatchPropose only
}

// Entry is one value with the state machine that executes it.
type Entry struct {
	SM    sm.ID // sm.None: chosen and kept, and not executed
	Value []byte
}

// Propose asks the group to agree on a value. It blocks until the value was
// chosen and the state machine id has executed it on this node, and returns
// the instance and what the state machine returned. With sm.None the value is
// kept in the log and not executed. The value is copied, so the caller may
// change it afterwards.
//
// A proposal is executed at most once. It ends when ctx does, or at
// Options.ProposeTimeout, with an error that matches ErrTimeout and, if it
// was ctx, its error. The value may then still be chosen at any later time,
// unless the error says that nothing was proposed. Other errors: ErrBusy,
// ErrClosed, ErrConflict, ErrExecuteFailed, ErrFollower, ErrForeignCluster,
// ErrGroup, ErrGroupFailed, ErrNoStateMachine, ErrNotMember, ErrValueTooLarge,
// and with Options.Fence ErrNotMaster.
//
// Values are told apart by their bytes: if two nodes propose equal bytes in
// the very same instance, both may be told of its one execution, as in the
// original. Where that matters, put something unique into the value.
//
// It is safe for concurrent use, and not to be called from within a state
// machine of the same group, which waits for itself then.
func (n *Node) Propose(ctx context.Context, groupIndex int, id sm.ID, value []byte) (Result, error) {
	began := n.now()
	n.observer.Observe(event.Event{Kind: event.CommitStart, Group: groupIndex, Size: len(value)})
	entry := [1]Entry{{id, value}}
	p, err := n.submit(ctx, groupIndex, entry[:], began)
	if err != nil {
		n.observer.Observe(event.Event{Kind: event.CommitFail, Group: groupIndex, Took: n.now() - began, Err: err})
		return Result{}, err
	}
	t := &p.tickets[0]
	result, err := Result{Instance: t.Instance, Index: t.Index, Output: t.Result}, t.Err
	n.recycle(p)
	if err != nil {
		n.observer.Observe(event.Event{Kind: event.CommitFail, Group: groupIndex, Took: n.now() - began, Err: err})
		return Result{}, err
	}
	n.observer.Observe(event.Event{Kind: event.CommitOK, Group: groupIndex, Instance: result.Instance, Took: n.now() - began})
	return result, nil
}

// BatchPropose is Propose for several values at once. They are handed to the
// group together and in order, and share instances as far as Options.Batch
// allows; those that are chosen are executed in their order. It returns when
// all have ended.
//
// The values are independent of each other: there is no all or nothing. If
// some fail, the results are returned along with an error that joins theirs,
// and Result.Err says which. If the results are nil, the error is about all
// of them: nothing was proposed, or, if it matches ErrTimeout or ErrClosed,
// the outcome of each is unknown.
func (n *Node) BatchPropose(ctx context.Context, groupIndex int, entries []Entry) ([]Result, error) {
	began := n.now()
	if len(entries) == 0 {
		_, err := n.loop(groupIndex)
		return nil, err
	}
	n.observer.Observe(event.Event{Kind: event.BatchStart, Group: groupIndex, Size: len(entries)})
	p, err := n.submit(ctx, groupIndex, entries, began)
	if err != nil {
		n.observer.Observe(event.Event{Kind: event.BatchFail, Group: groupIndex, Took: n.now() - began, Err: err})
		return nil, err
	}
	results, err := p.results()
	n.recycle(p)
	kind := event.BatchOK
	if err != nil {
		kind = event.BatchFail
	}
	n.observer.Observe(event.Event{Kind: kind, Group: groupIndex, Size: len(entries), Took: n.now() - began, Err: err})
	return results, err
}

// submit brings entries through a group and waits for the end. The proposal
// that it returns holds the outcomes and is the caller's to recycle.
func (n *Node) submit(ctx context.Context, groupIndex int, entries []Entry, began time.Duration) (*proposal, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return nil, err
	}
	if err := n.admissible(ctx, entries); err != nil {
		return nil, err
	}
	if err := l.failure(); err != nil {
		return nil, err
	}
	timeout := n.proposeTimeout()
	if err := n.enter(ctx, l, timeout); err != nil {
		return nil, err
	}
	defer l.gate.Unlock()
	p := n.proposal()
	p.fill(entries, n.attempts)
	if timeout > 0 {
		// What passed in the gate counts; the least is a turn of the group.
		timeout = max(timeout-(n.now()-began), 1)
	}
	if err := l.inbox.propose(p); err != nil {
		return nil, err
	}
	if err := p.wait(ctx, timeout, l); err != nil {
		return nil, err
	}
	return p, nil
}

// admissible refuses what can be refused without asking the group.
func (n *Node) admissible(ctx context.Context, entries []Entry) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: nothing was proposed: %w", ErrTimeout, contextError(ctx))
	}
	for i := range entries {
		if id := entries[i].SM; id.Reserved() && id != sm.None {
			return fmt.Errorf("%w: id %d is reserved", ErrNoStateMachine, id)
		}
		if size := len(entries[i].Value) + valuePrefix; size > n.packedMax {
			return fmt.Errorf("%w: %d bytes, at most %d", ErrValueTooLarge, size-valuePrefix, n.packedMax-valuePrefix)
		}
	}
	return nil
}

// enter passes the gate of the group.
func (n *Node) enter(ctx context.Context, l *loop, timeout time.Duration) error {
	var waited time.Duration
	if !l.gate.TryLock() {
		inner := ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			inner, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		var err error
		if waited, err = l.gate.Lock(inner); err != nil {
			return n.refused(l, waited, err)
		}
	}
	n.observer.Observe(event.Event{Kind: event.CommitGatePass, Group: l.index, Took: waited})
	return nil
}

// refused turns what the gate says into what a caller understands.
func (n *Node) refused(l *loop, waited time.Duration, err error) error {
	switch {
	case errors.Is(err, waitlock.ErrTooManyWaiting), errors.Is(err, waitlock.ErrRejected):
		n.observer.Observe(event.Event{Kind: event.CommitGateReject, Group: l.index, Err: err})
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, ErrClosed), errors.Is(err, ErrGroupFailed):
		return err
	}
	n.observer.Observe(event.Event{Kind: event.CommitGateTimeout, Group: l.index, Took: waited})
	return fmt.Errorf("%w: nothing was proposed: %w", ErrTimeout, err)
}

// proposal is the way of some entries through a group's goroutine and back.
//
// Whoever moves state away from waiting decides: the goroutine, then the
// caller is woken and owns the proposal again; or the caller, then it walks
// away and nobody uses the proposal again, since the group may still hold the
// values and a cancellation may still be under way.
type proposal struct {
	request request
	tickets []group.Ticket
	buffer  []byte        // holds the values
	done    chan struct{} // capacity 1
	state   atomic.Int32
	timer   *time.Timer // of the caller

	// Of the group's goroutine alone, while the proposal is with it.
	left       int // tickets that have not ended
	prev, next *proposal
}

const (
	waiting int32 = iota
	finished
	abandoned
)

// bufferMax is the largest value buffer that is kept for the next proposal: a
// collection or two later those that nobody needs are gone.
const bufferMax = 1 << 20

// proposeTimeout is Options.ProposeTimeout as it is now.
func (n *Node) proposeTimeout() time.Duration { return time.Duration(n.timeout.Load()) }

// proposal returns one that nobody uses.
func (n *Node) proposal() *proposal {
	if p, ok := n.proposals.Get().(*proposal); ok {
		return p
	}
	return &proposal{done: make(chan struct{}, 1)}
}

// recycle keeps a finished proposal's memory for the next one.
func (n *Node) recycle(p *proposal) {
	clear(p.tickets)
	p.tickets = p.tickets[:0]
	if cap(p.buffer) > bufferMax {
		p.buffer = nil
	}
	n.proposals.Put(p)
}

// fill copies entries in.
func (p *proposal) fill(entries []Entry, attempts int) {
	size := 0
	for i := range entries {
		size += len(entries[i].Value)
	}
	if cap(p.buffer) < size {
		p.buffer = make([]byte, 0, size)
	}
	p.buffer, p.tickets = p.buffer[:0], p.tickets[:0]
	for i := range entries {
		from := len(p.buffer)
		p.buffer = append(p.buffer, entries[i].Value...)
		p.tickets = append(p.tickets, group.Ticket{
			SM: entries[i].SM, Value: p.buffer[from:len(p.buffer):len(p.buffer)], Attempts: attempts, Owner: p,
		})
	}
	p.request, p.left = request{}, len(p.tickets)
	p.state.Store(waiting)
}

// wait returns nil when all tickets have ended, or else gives the proposal up.
func (p *proposal) wait(ctx context.Context, timeout time.Duration, l *loop) error {
	if timeout == 0 && ctx.Done() == nil {
		<-p.done
		return nil
	}
	var expired <-chan time.Time
	if timeout > 0 {
		if p.timer == nil {
			p.timer = time.NewTimer(timeout)
		} else {
			p.timer.Reset(timeout)
		}
		defer p.timer.Stop()
		expired = p.timer.C
	}
	var err error
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w; %s", ErrTimeout, contextError(ctx), p.request.unknown())
	case <-expired:
		err = fmt.Errorf("%w: Options.ProposeTimeout has passed; %s", ErrTimeout, p.request.unknown())
	}
	if !p.state.CompareAndSwap(waiting, abandoned) {
		<-p.done // it has just ended, and that is the better answer
		return nil
	}
	l.observer.Observe(event.Event{Kind: event.CommitTimeout, Group: l.index, Instance: l.instance.Load()})
	l.inbox.cancel(p, err)
	return err
}

// contextError matches the error of ctx and its cause.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// complete wakes the caller, unless it has left.
func (p *proposal) complete() {
	if p.state.CompareAndSwap(waiting, finished) {
		p.done <- struct{}{}
	}
}

// results reads the tickets of a finished proposal.
func (p *proposal) results() ([]Result, error) {
	results := make([]Result, len(p.tickets))
	var errs []error
	for i := range p.tickets {
		t := &p.tickets[i]
		if t.Err != nil {
			results[i].Err = t.Err
			errs = append(errs, fmt.Errorf("entry %d: %w", i, t.Err))
			continue
		}
		results[i] = Result{Instance: t.Instance, Index: t.Index, Output: t.Result}
	}
	return results, errors.Join(errs...)
}
