package ut

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// Callers that come at the same time to a lock with room for one. Time is
// virtual, so waits are exact. Unlike in the original's tests, whoever was not
// admitted does not unlock.
func TestWaitLock(t *testing.T) {
	report.Case(t,
		gtest.Test{Name: "Lock", Run: func(t *testing.T) { synctest.Test(t, lock) }},
		gtest.Test{Name: "LockTimeout", Run: func(t *testing.T) { synctest.Test(t, lockTimeout) }},
		gtest.Test{Name: "TooMuchLockWating", Run: func(t *testing.T) { synctest.Test(t, tooMuchLockWaiting) }},
	)
}

// attempt is what one caller of Lock got.
type attempt struct {
	waited time.Duration // as Lock measured it
	after  time.Duration // when Lock returned
	err    error
}

func (a attempt) String() string {
	return fmt.Sprintf("after %v: waited %v, error %v", a.after, a.waited, a.err)
}

// contend lets n callers ask for the lock at once, wait at most so long (0 is
// for ever) and hold it. It returns the attempts by the time when they ended,
// those that failed first.
func contend(t *testing.T, o waitlock.Options, n int, patience, hold time.Duration) []attempt {
	t.Helper()
	gate, err := waitlock.New(o)
	if err != nil {
		t.Fatal(err)
	}
	began, attempts := time.Now(), make([]attempt, n)
	var callers sync.WaitGroup
	for i := range attempts {
		callers.Go(func() {
			ctx := t.Context()
			if patience > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, patience)
				defer cancel()
			}
			waited, err := gate.Lock(ctx)
			attempts[i] = attempt{waited, time.Since(began), err}
			if err == nil {
				time.Sleep(hold)
				gate.Unlock()
			}
		})
	}
	callers.Wait()
	if !gate.TryLock() {
		t.Error("the lock is still taken when everybody is gone")
	}
	slices.SortFunc(attempts, func(a, b attempt) int {
		if (a.err == nil) != (b.err == nil) {
			if a.err != nil {
				return -1
			}
			return 1
		}
		return int(a.after - b.after)
	})
	return attempts
}

// checkAttempts compares; errors match as errors.Is says.
func checkAttempts(t *testing.T, got, want []attempt) {
	t.Helper()
	same := func(g, w attempt) bool {
		return g.waited == w.waited && g.after == w.after && errors.Is(g.err, w.err)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("attempts ended with\n%v, want\n%v", got, want)
	}
}

// Of two callers that hold the lock for 30 ms, one waits exactly so long.
func lock(t *testing.T) {
	const hold = 30 * time.Millisecond
	got := contend(t, waitlock.Options{}, 2, 0, hold)
	checkAttempts(t, got, []attempt{{}, {waited: hold, after: hold}})
}

// Of two callers that wait 20 ms at most for a lock that is held for 30, one
// need not wait and the other one gives up after 20.
func lockTimeout(t *testing.T) {
	const patience = 20 * time.Millisecond
	got := contend(t, waitlock.Options{}, 2, patience, 30*time.Millisecond)
	checkAttempts(t, got, []attempt{{waited: patience, after: patience, err: context.DeadlineExceeded}, {}})
}

// Of ten callers, with at most 5 waiting, one gets the lock, five wait for it
// and four are refused at once.
func tooMuchLockWaiting(t *testing.T) {
	const hold = 10 * time.Millisecond
	got := contend(t, waitlock.Options{WaitersMax: 5}, 10, 0, hold)
	var want []attempt
	for range 4 {
		want = append(want, attempt{err: waitlock.ErrTooManyWaiting})
	}
	for i := range 6 {
		wait := time.Duration(i) * hold
		want = append(want, attempt{waited: wait, after: wait})
	}
	checkAttempts(t, got, want)
}
