package waitlock_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
)

// dice returns the same number always: everybody whose number is below the
// rate is refused.
type dice int

func (d *dice) IntN(int) int { return int(*d) }

// waits makes n callers wait so long each.
func waits(t *testing.T, g *waitlock.Gate, n int, long time.Duration) {
	t.Helper()
	for range n {
		g.TryLock() // no sample if the slot is taken already
		got := lockHold(t, g, t.Context(), 0)
		time.Sleep(long)
		g.Unlock()
		if o := <-got; o.err != nil || o.waited != long {
			t.Fatalf("waited %v, error %v, want %v", o.waited, o.err, long)
		}
		synctest.Wait()
	}
}

func rate(g *waitlock.Gate) int { _, r, _ := g.Stats(); return r }

func TestRateFollowsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := dice(99)
		g := open(t, waitlock.Options{WaitThreshold: 10 * ms, Rand: &never})
		// Each call gives two samples: of 0 by TryLock, and of the wait.
		waits(t, g, 124, 22*ms)
		if rate(g) != 0 {
			t.Fatalf("rate %d after 248 waits, the sample is 250", rate(g))
		}
		waits(t, g, 1, 22*ms)
		if _, r, avg := g.Stats(); r != 3 || avg != 11*ms {
			t.Fatalf("rate %d average %v, want 3 and 11ms", r, avg)
		}
		waits(t, g, 125, 22*ms)
		if rate(g) != 6 {
			t.Fatalf("rate %d, want 6", rate(g))
		}
		waits(t, g, 125, 20*ms) // the average is the threshold, not above it
		if rate(g) != 3 {
			t.Fatalf("rate %d, want 3", rate(g))
		}
		waits(t, g, 125*40, 22*ms)
		if rate(g) != 98 {
			t.Fatalf("rate %d, want at most 98", rate(g))
		}
		waits(t, g, 125*40, ms)
		if rate(g) != 0 {
			t.Fatalf("rate %d, want at least 0", rate(g))
		}
	})
}

func TestRejectsAtRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dice(99)
		g := open(t, waitlock.Options{WaitThreshold: ms, Rand: &d})
		waits(t, g, 125, 10*ms)
		if rate(g) != 3 {
			t.Fatalf("rate %d, want 3", rate(g))
		}
		d = 2 // one of the three in a hundred
		if _, err := g.Lock(t.Context()); err != nil {
			t.Fatalf("refused although the gate was free: %v", err)
		}
		if waited, err := g.Lock(t.Context()); !errors.Is(err, waitlock.ErrRejected) || waited != 0 {
			t.Fatalf("waited %v, error %v, want ErrRejected at once", waited, err)
		}
		d = 3
		got := lockHold(t, g, t.Context(), 0)
		synctest.Wait()
		if n := waiting(g); n != 1 {
			t.Fatalf("a caller outside the rate does not wait (%d wait)", n)
		}
		g.SetWaitThreshold(0)
		if rate(g) != 0 {
			t.Fatalf("rate %d although there is no threshold", rate(g))
		}
		g.Unlock()
		if o := <-got; o.err != nil {
			t.Fatal(o.err)
		}
	})
}

// Waits that end without a slot count too, or a gate that never opens would
// look like a free one.
func TestTimeoutsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := dice(99)
		g := open(t, waitlock.Options{WaitThreshold: 10 * ms, Rand: &never})
		g.TryLock()
		why := errors.New("closed")
		for range 249 {
			lockHold(t, g, t.Context(), 0)
		}
		synctest.Wait()
		time.Sleep(20 * ms)
		g.Close(why)
		if _, r, avg := g.Stats(); r != 3 || avg != 249*20*ms/250 {
			t.Fatalf("rate %d average %v, want 3 and %v", r, avg, 249*20*ms/250)
		}
	})
}

func TestClockOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Unix(0, 0)
		g := open(t, waitlock.Options{Now: func() time.Time { return now }})
		g.TryLock()
		got := lockHold(t, g, t.Context(), 0)
		synctest.Wait()
		now = now.Add(time.Hour)
		g.Unlock()
		if o := <-got; o.waited != time.Hour {
			t.Fatalf("waited %v by the given clock, want 1h", o.waited)
		}
	})
}
