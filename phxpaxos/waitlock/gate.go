package waitlock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// What Lock can end with, besides the error of its context. In each case the
// caller was not admitted.
var (
	// ErrTooManyWaiting: as many callers wait already as are allowed to.
	ErrTooManyWaiting = errors.New("too many callers are waiting")
	// ErrRejected: callers have been waiting too long lately, and this one
	// was picked to be refused.
	ErrRejected = errors.New("refused because callers wait too long")
	// ErrClosed: the gate was closed.
	ErrClosed = errors.New("gate is closed")
)

// Rand is a source of chance; *rand.Rand of math/rand/v2 is one. The gate
// calls it by one goroutine at a time.
type Rand interface{ IntN(n int) int }

// Options say how a Gate behaves. The zero Options make a plain lock.
type Options struct {
	// Slots is how many callers are admitted at once; 0 means 1.
	Slots int
	// WaitersMax is how many callers may wait at once; 0 or less (the
	// original's -1) means any number. Callers that were admitted do not count.
	WaitersMax int
	// WaitThreshold is how long callers should wait at most on average. While
	// they wait longer a growing share is refused. 0 or less (the original's
	// -1) switches this off.
	WaitThreshold time.Duration
	// Rand picks who is refused; nil means the standard library's.
	Rand Rand
	// Now measures the waits; nil means time.Now.
	Now func() time.Time
}

// slotsMax keeps the count of holders clear of the flags in Gate.state.
const slotsMax = 1<<32 - 1

// The word Gate.state: how many slots are taken, and two flags. A word without
// flags that is less than the number of slots lets a caller in.
const (
	queued   = 1 << 62 // somebody waits: Lock and Unlock need the mutex
	attended = 1 << 61 // waits are measured or the gate is closed: Lock needs the mutex
	holders  = 1<<61 - 1
)

// Gate admits callers. The zero Gate has one slot and no limits. All methods
// are safe for concurrent use; only Lock blocks.
//
// While nobody waits, taking and giving back a slot is one atomic operation
// each. This is correct because of two invariants:
//
//   - a flag of state changes only under mu;
//   - while queued is set, all slots are taken, the number of holders does
//     not change, and a slot goes from hand to hand: from the caller of
//     Unlock to the head of the queue.
//
// So a fast Lock cannot overtake a waiter, since it swaps only a word without
// flags, and a fast Unlock cannot miss one: if the flag is set between its
// look and its swap, the swap fails.
type Gate struct {
	more  int64 // slots beyond the first, so that the zero Gate has one
	state atomic.Int64
	rand  Rand
	now   func() time.Time

	mu         sync.Mutex
	queue      queue
	waitersMax int
	closed     error // why nobody is admitted any more
	adapt      adapt
}

// New returns a gate, or an error that names the option that is out of range.
func New(o Options) (*Gate, error) {
	if o.Slots < 0 || o.Slots > slotsMax {
		return nil, fmt.Errorf("waitlock: Slots is %d, must be in 0..%d", o.Slots, slotsMax)
	}
	g := &Gate{more: int64(max(o.Slots, 1) - 1), rand: o.Rand, now: o.Now, waitersMax: o.WaitersMax}
	g.SetWaitThreshold(o.WaitThreshold)
	return g, nil
}

// Lock waits for a slot and takes it. It returns how long it waited, which is
// 0 when a slot was free, also along with an error. If the error is nil, the
// caller has to call Unlock; it is ErrTooManyWaiting, ErrRejected, what Close
// was given, or matches the error and the cause of ctx.
func (g *Gate) Lock(ctx context.Context) (waited time.Duration, err error) {
	if ctx.Err() != nil {
		return 0, contextError(ctx)
	}
	if g.takeFree() {
		return 0, nil
	}
	return g.lockSlow(ctx)
}

// TryLock takes a slot if one is free and reports whether it did.
func (g *Gate) TryLock() bool {
	if g.takeFree() {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed == nil && g.take()
}

// Load says how many callers hold a slot and how many wait for one, for those
// who watch: both may have changed when it returns.
func (g *Gate) Load() (holding, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.state.Load() & holders), g.queue.len
}

// takeFree is the fast way in.
func (g *Gate) takeFree() bool {
	for {
		s := g.state.Load()
		if s > g.more { // all slots are taken, or a flag is set
			return false
		}
		if g.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// take takes a slot if one is free and nobody waits for it. Needs mu.
func (g *Gate) take() bool {
	for {
		s := g.state.Load()
		if s&queued != 0 || s&holders > g.more {
			return false
		}
		if g.state.CompareAndSwap(s, s+1) {
			g.adapt.add(0)
			return true
		}
	}
}

// takeOrQueue takes a slot, or else sets the flag that makes the next Unlock
// look into the queue. Needs mu.
func (g *Gate) takeOrQueue() (taken bool) {
	for !g.take() {
		s := g.state.Load()
		if s&queued != 0 || s&holders > g.more && g.state.CompareAndSwap(s, s|queued) {
			return false
		}
	}
	return true
}

// lockSlow is Lock when no slot is free or when waits are measured.
func (g *Gate) lockSlow(ctx context.Context) (time.Duration, error) {
	w, err := g.enter()
	if w == nil {
		return 0, err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		g.abandon(ctx, w)
	}
	return w.waited, w.err
}

// enter admits the caller, refuses it, or puts it into the queue, in which
// case it returns the place there.
func (g *Gate) enter() (*waiter, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		return nil, g.closed
	}
	if g.take() {
		return nil, nil
	}
	if g.waitersMax > 0 && g.queue.len >= g.waitersMax {
		return nil, ErrTooManyWaiting
	}
	if g.adapt.rate > 0 && g.intN(100) < g.adapt.rate {
		return nil, ErrRejected
	}
	if g.takeOrQueue() { // a slot may have come free since
		return nil, nil
	}
	w := &waiter{done: make(chan struct{}), since: g.clock()}
	g.queue.push(w)
	return w, nil
}

// abandon ends a wait because ctx is done. If the slot was handed over in the
// meantime the wait has succeeded all the same: no slot can get lost between
// the two.
func (g *Gate) abandon(ctx context.Context, w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.ended {
		return
	}
	g.queue.remove(w)
	if g.queue.len == 0 {
		g.setFlag(queued, false)
	}
	g.end(w, contextError(ctx))
}

// end completes a wait that has left the queue. Needs mu.
func (g *Gate) end(w *waiter, err error) {
	w.waited, w.err, w.ended = g.clock().Sub(w.since), err, true
	g.adapt.add(w.waited)
	close(w.done)
}

// Unlock gives a slot back: to the caller that has waited longest, if there is
// one. Unlock of a gate of which no slot is taken does nothing.
func (g *Gate) Unlock() {
	for {
		s := g.state.Load()
		if s&holders == 0 {
			return
		}
		if s&queued != 0 {
			if g.handOver() {
				return
			}
			continue // the queue has emptied meanwhile
		}
		if g.state.CompareAndSwap(s, s-1) {
			return
		}
	}
}

// handOver gives the caller's slot to the head of the queue and reports
// whether somebody waited.
func (g *Gate) handOver() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.queue.pop()
	if w == nil {
		return false
	}
	if g.queue.len == 0 {
		g.setFlag(queued, false)
	}
	g.end(w, nil)
	return true
}

// Close ends every wait, and every later Lock, with cause, or with ErrClosed
// if cause is nil. Who holds a slot keeps it until Unlock. A second Close does
// nothing.
func (g *Gate) Close(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		return
	}
	if cause == nil {
		cause = ErrClosed
	}
	g.closed = cause
	g.setFlag(attended, true)
	g.setFlag(queued, false)
	for w := g.queue.pop(); w != nil; w = g.queue.pop() {
		g.end(w, cause)
	}
}

// SetWaitersMax changes Options.WaitersMax. Callers that wait already stay.
func (g *Gate) SetWaitersMax(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waitersMax = n
}

// SetWaitThreshold changes Options.WaitThreshold. Measuring starts anew;
// nobody is refused until the next sample is complete.
func (g *Gate) SetWaitThreshold(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.adapt = adapt{threshold: max(0, d)}
	g.setFlag(attended, d > 0 || g.closed != nil)
}

// Stats returns how many callers wait now, the share of callers in percent
// that is refused while all slots are taken, and how long callers waited on
// average in the last complete sample. The last two are 0 while there is no
// threshold.
func (g *Gate) Stats() (waiting int, rejectRate int, averageWait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.len, g.adapt.rate, g.adapt.average
}

// setFlag changes a flag of state. Needs mu.
func (g *Gate) setFlag(flag int64, on bool) {
	if on {
		g.state.Or(flag)
	} else {
		g.state.And(^flag)
	}
}

func (g *Gate) intN(n int) int {
	if g.rand != nil {
		return g.rand.IntN(n)
	}
	return rand.IntN(n)
}

func (g *Gate) clock() time.Time {
	if g.now != nil {
		return g.now()
	}
	return time.Now()
}

// contextError is why ctx is done; it matches ctx.Err and the cause.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
