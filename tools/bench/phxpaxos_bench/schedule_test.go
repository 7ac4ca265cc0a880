package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// lateClock is a clock that only sleeping, and what a test does, moves.
type lateClock struct {
	now  time.Duration
	late time.Duration // by how much each sleep is too long
}

func (c *lateClock) Now() time.Duration         { return c.now }
func (c *lateClock) SleepUntil(t time.Duration) { c.now = max(c.now, t) + c.late }

func runSchedule(c *lateClock, s schedule, end time.Duration, take func(job) bool) (dropped []job) {
	s.dispatch(c, func(t time.Duration) bool { return t >= end }, take, func(j job) { dropped = append(dropped, j) })
	return dropped
}

func TestScheduleIsPunctual(t *testing.T) {
	c := &lateClock{now: time.Second}
	var at []time.Duration
	runSchedule(c, schedule{start: time.Second, rate: 4}, 3*time.Second, func(j job) bool {
		if j.due != c.now || j.index != int64(len(at)) {
			t.Errorf("operation %d is due at %v, handed out at %v", j.index, j.due, c.now)
		}
		at = append(at, j.due)
		return true
	})
	if len(at) != 8 || at[7] != 2750*time.Millisecond {
		t.Errorf("due at %v", at)
	}
}

// The due times do not move when a system under test stalls: all operations
// that should have been sent meanwhile are handed out, each with the time at
// which it was due. That is what coordinated omission leaves out.
func TestStallHidesNoOperation(t *testing.T) {
	c := &lateClock{late: 30 * time.Microsecond}
	const rate, stall = 1000, 2 * time.Second
	n := 0
	var worst time.Duration
	runSchedule(c, schedule{rate: rate}, 5*time.Second, func(j job) bool {
		if want := time.Duration(n) * time.Millisecond; j.due != want {
			t.Fatalf("operation %d is due at %v, want %v", n, j.due, want)
		}
		n++
		if n == 1000 {
			c.now += stall
		}
		worst = max(worst, c.now-j.due)
		return true
	})
	if n != 5*rate {
		t.Errorf("%d operations, want %d", n, 5*rate)
	}
	if worst < stall {
		t.Errorf("the worst operation is late by %v, want at least the stall of %v", worst, stall)
	}
}

// An odd rate must not drift by its rounded interval.
func TestScheduleDoesNotDrift(t *testing.T) {
	s := schedule{rate: 300000.7}
	const hour = 3600
	if got, want := s.due(int64(hour*s.rate)), hour*time.Second; (got - want).Abs() > 10*time.Microsecond {
		t.Errorf("after an hour the schedule is at %v", got)
	}
}

func TestWhatNobodyTakesIsDropped(t *testing.T) {
	c := &lateClock{}
	dropped := runSchedule(c, schedule{rate: 10}, time.Second, func(j job) bool { return j.index < 3 })
	if len(dropped) != 7 || dropped[0].index != 3 {
		t.Errorf("dropped %v", dropped)
	}
}

// A slow schedule ends when the measured time does, not with its next operation.
func TestSlowScheduleEnds(t *testing.T) {
	c := &lateClock{}
	runSchedule(c, schedule{rate: 0.1}, time.Second, func(job) bool { return true })
	if c.now > time.Second+sleepMax {
		t.Errorf("ended at %v", c.now)
	}
}

// bubbleClock is the clock of a synctest bubble.
type bubbleClock struct{ start time.Time }

func (c bubbleClock) Now() time.Duration         { return time.Since(c.start) }
func (c bubbleClock) SleepUntil(t time.Duration) { time.Sleep(t - c.Now()) }

// slowService answers one proposal after the other, and stands still once.
type slowService struct {
	free    chan struct{} // capacity 1; a mutex would stop the virtual time
	takes   time.Duration
	stallAt int
	stall   time.Duration
	n       int
}

func (s *slowService) propose(context.Context, int, []byte) error {
	s.free <- struct{}{}
	defer func() { <-s.free }()
	if s.n++; s.n == s.stallAt {
		time.Sleep(s.stall)
	}
	time.Sleep(s.takes)
	return nil
}

// measure runs a load against a service for ten seconds of virtual time.
func measure(t *testing.T, l load, s *slowService) *outcome {
	t.Helper()
	s.free = make(chan struct{}, 1)
	c := startCallers(l, 1, bubbleClock{time.Now()}, s.propose, func(err error) { t.Error(err) })
	c.begin()
	time.Sleep(10 * time.Second)
	c.end()
	o, err := c.drain()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A service that stands still for a second in ten spoils a tenth of the
// operations of an open loop, and exactly one of a closed loop with one caller.
func TestStallShowsInTheOpenLoop(t *testing.T) {
	for _, c := range []struct {
		name     string
		load     load
		slow     int64 // operations slower than 10 ms, at least
		slowMost int64
	}{
		{"closed", load{Callers: 1, ValueBytes: 8}, 1, 1},
		{"open", load{Callers: 4, ValueBytes: 8, Rate: 100}, 90, 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := measure(t, c.load, &slowService{takes: time.Millisecond, stallAt: 300, stall: time.Second})
				h, err := mergeOutcomes([]*outcome{o})
				if err != nil {
					t.Fatal(err)
				}
				var slow int64
				for _, bar := range h.Distribution() {
					if bar.From > int64(10*time.Millisecond) {
						slow += bar.Count
					}
				}
				if slow < c.slow || slow > c.slowMost || o.Unfinished != 0 {
					t.Errorf("%d slow operations of %d, %d unfinished", slow, h.TotalCount(), o.Unfinished)
				}
			})
		})
	}
}

// A service that cannot keep up gets its backlog counted: what is not
// finished when the waiting is over has at least its age as latency.
func TestBacklogOfAnOverloadedService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := measure(t, load{Callers: 2, ValueBytes: 8, Rate: 1000}, &slowService{takes: 10 * time.Millisecond})
		h, err := mergeOutcomes([]*outcome{o})
		if err != nil {
			t.Fatal(err)
		}
		if h.TotalCount() != 10000 {
			t.Errorf("%d operations were due, %d have a latency", 10000, h.TotalCount())
		}
		// 100 a second are served, for ten seconds and as long as the draining takes.
		if o.Completed < 990 || o.Completed > 1010 || o.Unfinished < 7900 || o.Unfinished > 8100 {
			t.Errorf("%d completed, %d unfinished", o.Completed, o.Unfinished)
		}
	})
}

// The first error ends everything and is told once.
func TestBrokenServiceEndsTheLoad(t *testing.T) {
	for _, l := range []load{{Callers: 5, ValueBytes: 1}, {Callers: 5, ValueBytes: 1, Rate: 1000}} {
		synctest.Test(t, func(t *testing.T) {
			failures := 0
			c := startCallers(l, 3, bubbleClock{time.Now()}, func(context.Context, int, []byte) error {
				return context.DeadlineExceeded
			}, func(error) { failures++ })
			time.Sleep(time.Second)
			c.end()
			if _, err := c.drain(); err != nil || failures != 1 {
				t.Errorf("%d failures, %v", failures, err)
			}
		})
	}
}

// Equal values of two nodes would share an instance.
func TestCallersHaveValuesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for node := range 3 {
		for caller := range 100 {
			// The first 8 bytes are overwritten with a count.
			seen[string(newValue(16, node, caller)[8:])] = true
		}
	}
	if len(seen) != 300 {
		t.Errorf("300 callers have %d values", len(seen))
	}
}
