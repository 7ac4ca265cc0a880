package ut

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/timer"
	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

// A queue of timers and its owner's clock. Time is virtual, so "in time" means
// to the nanosecond, where the original's tests allow 10 ms.
func TestTimer(t *testing.T) {
	report.Case(t,
		gtest.Test{Name: "AddTimer", Run: func(t *testing.T) { synctest.Test(t, addTimer) }},
		gtest.Test{Name: "PopTimer", Run: func(t *testing.T) { synctest.Test(t, popTimer) }},
	)
}

// A timer of 30 ms is not due a moment before, and comes back once with its id
// and its type when the owner looks after 35 ms.
func addTimer(t *testing.T) {
	const kind = 321
	began := time.Now()
	var q timer.Queue
	added := q.Add(30*time.Millisecond, kind)
	if added != 1 {
		t.Errorf("the first timer has id %d, want 1", added)
	}
	time.Sleep(30*time.Millisecond - 1)
	if id, _, ok := q.Pop(time.Since(began)); ok {
		t.Fatalf("timer %d is due after %v, want 30ms", id, time.Since(began))
	}
	time.Sleep(5*time.Millisecond + 1)
	if id, k, ok := q.Pop(time.Since(began)); !ok || id != added || k != kind {
		t.Fatalf("Pop = %d, %d, %v, want %d, %d, true", id, k, ok, added, kind)
	}
	if id, _, ok := q.Pop(time.Hour); ok {
		t.Errorf("timer %d came back twice", id)
	}
}

// Ten timers within half a second: an owner that always sleeps as long as the
// queue says finds each at its time, and then none.
func popTimer(t *testing.T) {
	seed := rand.Uint64()
	defer func() { t.Logf("seed %d", seed) }()
	rnd := rand.New(rand.NewPCG(seed, 0))
	began := time.Now()
	var q timer.Queue
	due := map[uint64]time.Duration{}
	for i := range 10 {
		at := time.Duration(rnd.IntN(500)) * time.Millisecond
		if i == 9 {
			at = due[uint64(1+rnd.IntN(9))] // two at the same time
		}
		due[q.Add(at, i)] = at
	}
	before := uint64(0)
	var last time.Duration
	for wait := q.Wait(0); wait != -1; wait = q.Wait(time.Since(began)) {
		if wait < 0 {
			t.Fatalf("Wait = %v, want -1 when nothing is armed", wait)
		}
		time.Sleep(wait)
		now := time.Since(began)
		id, kind, ok := q.Pop(now)
		at, armed := due[id]
		if !ok || !armed || at != now || uint64(kind) != id-1 {
			t.Fatalf("after %v: Pop = %d, %d, %v, due at %v", now, id, kind, ok, at)
		}
		if now == last && id < before {
			t.Errorf("timer %d came before timer %d, both due at %v", before, id, now)
		}
		delete(due, id)
		before, last = id, now
	}
	if len(due) != 0 {
		t.Errorf("never popped: %v", due)
	}
}
