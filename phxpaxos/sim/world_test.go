package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueueOrder: events come by time, and in the order of their creation
// where the time is the same.
func TestQueueOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q queue
	var want []event
	for i := range 2000 {
		e := event{at: time.Duration(r.IntN(50)), n: uint64(i)}
		q.push(e)
		want = append(want, e)
		if r.IntN(3) == 0 {
			slices.SortStableFunc(want, func(a, b event) int { return int(a.at - b.at) })
			got, ok := q.pop()
			if !ok || got.n != want[0].n {
				t.Fatalf("popped %d, want %d", got.n, want[0].n)
			}
			want = want[1:]
		}
	}
	slices.SortStableFunc(want, func(a, b event) int { return int(a.at - b.at) })
	for _, w := range want {
		if got, ok := q.pop(); !ok || got.n != w.n {
			t.Fatalf("popped %d, want %d", got.n, w.n)
		}
	}
	if _, ok := q.pop(); ok {
		t.Error("an empty queue gave an event")
	}
}

// TestClock: a deadline is found at the first moment at which it has come, at
// any rate, and a change of the rate is no jump.
func TestClock(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		c := clock{boot: time.Duration(r.Int64N(1e12)), base: time.Duration(r.Int64N(1e13)), ppm: r.Int64N(200001) - 100000}
		local := c.base + time.Duration(r.Int64N(1e12))
		v := c.when(local)
		if c.read(v) < local || v > c.boot && c.read(v-time.Millisecond) >= local {
			t.Fatalf("%+v shows %v at %v, want %v", c, c.read(v), v, local)
		}
		before := c.read(v)
		c.retune(v, r.Int64N(200001)-100000)
		if c.read(v) != before {
			t.Fatalf("the clock jumps from %v to %v", before, c.read(v))
		}
	}
}

// TestPlanIsDrawnFromTheSeed: same seed, same plan; a number given by hand
// does not disturb the rest.
func TestPlanIsDrawnFromTheSeed(t *testing.T) {
	a, b := NewPlan(7, 3, 2), NewPlan(7, 3, 2)
	if a.String() != b.String() {
		t.Error("two plans of one seed differ")
	}
	if c := NewPlan(8, 3, 2); a.String() == c.String() {
		t.Error("two seeds give the same plan")
	}
	if c := NewPlan(7, 0, 0); c.Chaos != a.Chaos || c.load.think != a.load.think {
		t.Error("the plan depends on whether the sizes were given")
	}
}
