package main

import (
	"math"
	"time"
)

// clock is a time that starts at zero, and a way to wait for a moment of it.
// Tests bring one that is not real.
type clock interface {
	Now() time.Duration
	SleepUntil(t time.Duration)
}

// schedule says when the operations of an open loop are due: operation i at
// start + i/rate. It depends on nothing that happens, which is what keeps
// coordinated omission out: an operation that is handed out late was still
// due when it was due.
type schedule struct {
	start time.Duration
	rate  float64 // a second
}

// due is when operation i is to be sent.
func (s schedule) due(i int64) time.Duration {
	return s.start + time.Duration(math.Round(float64(i)/s.rate*float64(time.Second)))
}

// sleepMax bounds one sleep, so that a slow schedule sees its end.
const sleepMax = 20 * time.Millisecond

// job is one operation of an open loop.
type job struct {
	index int64
	due   time.Duration
}

// dispatch hands operations to take as they become due, until over reports
// true for the time at which the next is due, or for the present one while
// none is due. take may block, which makes operations late but moves no due
// time. It reports false when nobody takes any more; the operations that
// remain until over are then given to drop.
func (s schedule) dispatch(c clock, over func(time.Duration) bool, take func(job) bool, drop func(job)) {
	taken := true
	for i := int64(0); ; i++ {
		due := s.due(i)
		for now := c.Now(); now < due; now = c.Now() {
			if over(now) {
				return
			}
			c.SleepUntil(min(due, now+sleepMax))
		}
		if over(due) {
			return
		}
		if taken = taken && take(job{i, due}); !taken {
			drop(job{i, due})
		}
	}
}

// realClock is the monotonic clock since a moment.
type realClock struct{ start time.Time }

func (c realClock) Now() time.Duration { return time.Since(c.start) }

// SleepUntil is more punctual than time.Sleep, which may be a millisecond
// late in an idle process.
func (c realClock) SleepUntil(t time.Duration) { preciseSleep(t - c.Now()) }
