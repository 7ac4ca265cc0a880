package await

import (
	"context"
	"testing"
	"time"
)

const (
	// limitMin is the least limit, unless the test binary has to end earlier.
	limitMin = time.Minute
	// limitFree is the limit where the test binary has no timeout, in
	// benchmarks, and in bubbles of synctest, whose clock has none.
	limitFree = 5 * time.Minute
	// reserve is kept for the message of a test that failed, and for its
	// cleanups.
	reserve = 10 * time.Second
)

// The pauses between two looks grow, so that a wait that takes long does not
// take the processor from what is waited for.
const (
	pauseMin = time.Millisecond
	pauseMax = 20 * time.Millisecond
)

// Limit returns how long a test may wait from now on for one thing that has to
// happen: a third of the time that the test binary has left, so that two waits
// in vain still leave time for the tests that follow, but at least a minute if
// there is one. It is positive. Safe for concurrent use.
func Limit(t testing.TB) time.Duration {
	if at, ok := deadline(t); ok {
		return limit(time.Until(at))
	}
	return limitFree
}

// limit is Limit of a test binary that has so much time left.
func limit(left time.Duration) time.Duration {
	most := max(left-reserve, left/2, time.Nanosecond)
	return min(max(left/3, limitMin), most)
}

// deadline returns when the test binary is ended by its timeout. It reports
// false for a benchmark and in a bubble of synctest, where T.Deadline panics.
func deadline(t testing.TB) (at time.Time, ok bool) {
	test, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return time.Time{}, false
	}
	defer func() {
		if recover() != nil {
			at, ok = time.Time{}, false
		}
	}()
	return test.Deadline()
}

// Context returns a context that ends shortly before the timeout of the test
// binary does, and at the end of the test, after the cleanups that are
// registered later. It is for calls that have to end by themselves.
func Context(t testing.TB) context.Context {
	left := limitFree
	if at, ok := deadline(t); ok {
		left = time.Until(at)
		left = max(left-reserve, left/2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), left)
	t.Cleanup(cancel)
	return ctx
}

// True waits until ok reports true. It fails the test at once, naming what was
// waited for, if that does not happen within the Limit. It has to be called
// from the goroutine of the test, which calls ok.
func True(t testing.TB, what string, ok func() bool) {
	t.Helper()
	Show(t, what, ok, nil)
}

// Show is True for a wait whose failure wants explaining: state describes, when
// the wait has failed, what there is instead.
func Show(t testing.TB, what string, ok func() bool, state func() string) {
	t.Helper()
	if ok() {
		return
	}
	within := Limit(t)
	end := time.Now().Add(within)
	for pause := pauseMin; ; pause = min(pause*3/2, pauseMax) {
		<-time.After(pause)
		late := time.Now().After(end)
		if ok() {
			return
		}
		if !late {
			continue
		}
		if state == nil {
			t.Fatalf("not within %v: %s", within.Round(time.Second), what)
		}
		t.Fatalf("not within %v: %s; there is %s", within.Round(time.Second), what, state())
	}
}
