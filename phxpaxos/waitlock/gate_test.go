package waitlock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
)

const ms = time.Millisecond

func ExampleGate() {
	gate, err := waitlock.New(waitlock.Options{Slots: 2, WaitersMax: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	waited, err := gate.Lock(ctx)
	if err != nil {
		fmt.Println("not admitted:", err)
		return
	}
	defer gate.Unlock()
	fmt.Println("admitted, waited", waited)
	// Output: admitted, waited 0s
}

func open(t testing.TB, o waitlock.Options) *waitlock.Gate {
	t.Helper()
	g, err := waitlock.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func waiting(g *waitlock.Gate) int { n, _, _ := g.Stats(); return n }

// outcome is what one caller of Lock got.
type outcome struct {
	waited time.Duration
	err    error
}

// lockHold calls Lock in a goroutine, holds the slot for a while and tells
// what Lock returned. The test does not end before the goroutine.
func lockHold(t *testing.T, g *waitlock.Gate, ctx context.Context, hold time.Duration) <-chan outcome {
	out, gone := make(chan outcome, 1), make(chan struct{})
	t.Cleanup(func() { <-gone })
	go func() {
		defer close(gone)
		waited, err := g.Lock(ctx)
		out <- outcome{waited, err}
		if err == nil {
			time.Sleep(hold)
			g.Unlock()
		}
	}()
	return out
}

// The original's case 25: of two callers that hold the lock for 30 ms one
// waits exactly so long.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{})
		a := <-lockHold(t, g, t.Context(), 30*ms)
		b := <-lockHold(t, g, t.Context(), 30*ms)
		if a != (outcome{}) || b != (outcome{waited: 30 * ms}) {
			t.Fatalf("got %+v and %+v, want waits of 0 and 30ms", a, b)
		}
	})
}

// The original's case 26: a caller that waits 20 ms for a lock held for 30 ms
// gives up after 20.
func TestLockTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{})
		lockHold(t, g, t.Context(), 30*ms)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 20*ms)
		defer cancel()
		b := <-lockHold(t, g, ctx, 30*ms)
		if !errors.Is(b.err, context.DeadlineExceeded) || b.waited != 20*ms {
			t.Fatalf("got %+v, want a deadline after 20ms", b)
		}
		if n := waiting(g); n != 0 {
			t.Fatalf("%d callers wait after the only one gave up", n)
		}
		if waited, err := g.Lock(t.Context()); err != nil || waited != 10*ms {
			t.Fatalf("the lock is not usable after a timeout: waited %v, error %v", waited, err)
		}
	})
}

// The original's case 27: with at most 5 waiting, 10 callers at once give one
// holder, 5 that wait and 4 that are refused at once.
func TestTooManyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{WaitersMax: 5})
		var got []<-chan outcome
		for range 10 {
			got = append(got, lockHold(t, g, t.Context(), 10*ms))
			synctest.Wait()
		}
		for i, c := range got {
			want := outcome{waited: time.Duration(i) * 10 * ms}
			if i > 5 {
				want = outcome{err: waitlock.ErrTooManyWaiting}
			}
			if o := <-c; o != want {
				t.Errorf("caller %d got %+v, want %+v", i, o, want)
			}
		}
	})
}

func TestSetWaitersMaxWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{WaitersMax: 1})
		lockHold(t, g, t.Context(), 10*ms)
		first := lockHold(t, g, t.Context(), 10*ms)
		synctest.Wait()
		if _, err := g.Lock(t.Context()); !errors.Is(err, waitlock.ErrTooManyWaiting) {
			t.Fatalf("second waiter: %v", err)
		}
		g.SetWaitersMax(-1) // the original's "no limit"
		second := lockHold(t, g, t.Context(), 10*ms)
		synctest.Wait()
		if n := waiting(g); n != 2 {
			t.Fatalf("%d wait, want 2", n)
		}
		g.SetWaitersMax(1)
		if a, b := <-first, <-second; a.err != nil || b.err != nil {
			t.Fatalf("callers that waited already were refused: %v, %v", a.err, b.err)
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{})
		lockHold(t, g, t.Context(), time.Second)
		var mu sync.Mutex
		var order, want []int
		for i := range 50 {
			synctest.Wait()
			ctx := t.Context()
			if i%7 == 3 { // gives up from the middle of the queue
				c, cancel := context.WithTimeout(ctx, time.Duration(i)*ms)
				defer cancel()
				ctx = c
			} else {
				want = append(want, i)
			}
			go func() {
				if _, err := g.Lock(ctx); err == nil {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					g.Unlock()
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !slices.Equal(order, want) {
			t.Fatalf("served in the order %v, want %v", order, want)
		}
	})
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{Slots: 3})
		var got []<-chan outcome
		for range 8 {
			got = append(got, lockHold(t, g, t.Context(), 10*ms))
			synctest.Wait()
		}
		for i, c := range got {
			if want := time.Duration(i/3) * 10 * ms; (<-c).waited != want {
				t.Errorf("caller %d: want a wait of %v", i, want)
			}
		}
	})
}

func TestContextDoneBefore(t *testing.T) {
	g := open(t, waitlock.Options{})
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := g.Lock(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Fatalf("error %v matches not both the context's error and its cause", err)
	}
	if !g.TryLock() {
		t.Fatal("a failed Lock has taken the slot")
	}
}

func TestCancelKeepsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{})
		g.TryLock()
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		got := lockHold(t, g, ctx, 0)
		time.Sleep(5 * ms)
		cancel(why)
		o := <-got
		if !errors.Is(o.err, context.Canceled) || !errors.Is(o.err, why) || o.waited != 5*ms {
			t.Fatalf("got %+v, want cancelled because of %q after 5ms", o, why)
		}
	})
}

func TestTryLock(t *testing.T) {
	g := open(t, waitlock.Options{Slots: 2, WaitThreshold: time.Second})
	if !g.TryLock() || !g.TryLock() {
		t.Fatal("TryLock of a free slot failed")
	}
	if g.TryLock() {
		t.Fatal("TryLock admitted a third caller to two slots")
	}
	g.Unlock()
	if !g.TryLock() {
		t.Fatal("TryLock after Unlock failed")
	}
}

func TestUnlockOfFreeGateAddsNoSlot(t *testing.T) {
	var g waitlock.Gate // the zero value is a plain lock
	g.Unlock()
	if !g.TryLock() || g.TryLock() {
		t.Fatal("a needless Unlock changed the number of slots")
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, waitlock.Options{})
		g.TryLock()
		got := lockHold(t, g, t.Context(), 0)
		time.Sleep(5 * ms)
		why := errors.New("why")
		g.Close(why)
		g.Close(nil)
		if o := <-got; o != (outcome{5 * ms, why}) {
			t.Fatalf("the waiting caller got %+v", o)
		}
		g.Unlock()
		g.SetWaitThreshold(0) // must not open the gate again
		if _, err := g.Lock(t.Context()); err != why {
			t.Fatalf("Lock after Close returned %v", err)
		}
		if g.TryLock() {
			t.Fatal("TryLock after Close succeeded")
		}
		plain := open(t, waitlock.Options{})
		plain.Close(nil)
		if _, err := plain.Lock(t.Context()); !errors.Is(err, waitlock.ErrClosed) {
			t.Fatalf("Lock after Close(nil) returned %v", err)
		}
	})
}

func TestOptionsOutOfRange(t *testing.T) {
	_, err := waitlock.New(waitlock.Options{Slots: -1})
	if err == nil || !strings.Contains(err.Error(), "Slots is -1") {
		t.Fatalf("error %v does not name field and value", err)
	}
}

// Many callers, some impatient, never exceed the slots and lose none.
func TestNeverMoreHoldersThanSlots(t *testing.T) {
	for _, o := range []waitlock.Options{{}, {Slots: 3}, {Slots: 3, WaitersMax: 2}, {Slots: 2, WaitThreshold: time.Microsecond}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			g := open(t, o)
			var inside, admitted atomic.Int64
			var wg sync.WaitGroup
			for worker := range 8 {
				wg.Go(func() {
					for i := range 2000 {
						ctx, cancel := t.Context(), context.CancelFunc(func() {})
						if (worker+i)%3 == 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(i%50)*time.Microsecond)
						}
						if _, err := g.Lock(ctx); err == nil {
							if n := inside.Add(1); n > int64(max(o.Slots, 1)) {
								t.Errorf("%d holders", n)
							}
							admitted.Add(1)
							inside.Add(-1)
							g.Unlock()
						}
						cancel()
					}
				})
			}
			wg.Wait()
			if n := waiting(g); n != 0 {
				t.Errorf("%d callers wait although all are gone", n)
			}
			for i := range max(o.Slots, 1) {
				if !g.TryLock() {
					t.Errorf("only %d of %d slots are left", i, max(o.Slots, 1))
					break
				}
			}
			if g.TryLock() {
				t.Error("there are more slots than at first")
			}
			if admitted.Load() == 0 {
				t.Error("nobody was admitted")
			}
		})
	}
}

func TestUncontendedAllocatesNothing(t *testing.T) {
	for _, o := range []waitlock.Options{{}, {WaitThreshold: time.Second}} {
		g := open(t, o)
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := g.Lock(t.Context()); err != nil {
				t.Error(err)
			}
			g.Unlock()
		}); n != 0 {
			t.Errorf("%+v: %v allocations", o, n)
		}
	}
}
