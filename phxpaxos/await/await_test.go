package await

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitFollowsTheTimeLeft(t *testing.T) {
	for _, c := range []struct{ left, want time.Duration }{
		{30 * time.Minute, 10 * time.Minute},
		{10 * time.Minute, 200 * time.Second},
		{2 * time.Minute, time.Minute},         // a third were less
		{time.Minute, 50 * time.Second},        // the reserve is kept
		{10 * time.Second, 5 * time.Second},    // half of what is left
		{-time.Second, time.Nanosecond},        // too late for everything
		{3 * time.Nanosecond, time.Nanosecond}, // positive all the same
	} {
		if got := limit(c.left); got != c.want {
			t.Errorf("with %v left the limit is %v, want %v", c.left, got, c.want)
		}
	}
}

// witness is a test that takes note of how it fails, and of its cleanups.
type witness struct {
	testing.TB
	left     time.Duration
	says     string
	logs     string
	cleanups []func()
}

func (w *witness) Helper()                           {}
func (w *witness) Cleanup(f func())                  { w.cleanups = append(w.cleanups, f) }
func (w *witness) Deadline() (time.Time, bool)       { return time.Now().Add(w.left), true }
func (w *witness) Logf(format string, args ...any)   { w.logs = fmt.Sprintf(format, args...) }
func (w *witness) Errorf(format string, args ...any) { w.says = fmt.Sprintf(format, args...) }
func (w *witness) Fatalf(format string, args ...any) {
	w.says = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails runs what has to fail a test, and returns what the test says.
func fails(left time.Duration, f func(testing.TB)) string {
	w, done := &witness{left: left}, make(chan struct{})
	go func() {
		defer close(done)
		f(w)
	}()
	<-done
	return w.says
}

func TestTrueWaitsAndFailsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var looks atomic.Int64
		True(t, "an hour is not too long", func() bool { looks.Add(1); return time.Since(began) >= 2*time.Minute })
		if n := looks.Load(); n > 2*60*1000/20+100 {
			t.Errorf("%d looks in two minutes", n)
		}
		began = time.Now()
		says := fails(10*time.Minute, func(t testing.TB) { True(t, "pigs fly", func() bool { return false }) })
		if took := time.Since(began); says != "not within 3m20s: pigs fly" || took < 200*time.Second || took > 201*time.Second {
			t.Errorf("after %v the test says %q", took, says)
		}
		says = fails(time.Minute, func(t testing.TB) {
			Show(t, "pigs fly", func() bool { return false }, func() string { return "a pig on the ground" })
		})
		if !strings.HasSuffix(says, ": pigs fly; there is a pig on the ground") {
			t.Errorf("the test says %q", says)
		}
	})
}

// A machine that stands still longer than the limit is no failure, if what is
// waited for has happened when it goes on.
func TestTrueLooksOnceMoreAfterItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		says := fails(10*time.Minute, func(t testing.TB) {
			True(t, "it happens", func() bool {
				if looks++; looks == 2 {
					time.Sleep(time.Hour)
				}
				return looks > 2
			})
		})
		if says != "" {
			t.Errorf("the test says %q", says)
		}
	})
}

// Of a test that has no time left, also in a benchmark and in a bubble.
func TestDeadlines(t *testing.T) {
	if at, ok := deadline(t); ok {
		if want, _ := t.Deadline(); at != want {
			t.Errorf("deadline %v, want %v", at, want)
		}
	}
	if _, ok := deadline(&testing.B{}); ok {
		t.Error("a benchmark has a deadline")
	}
	synctest.Test(t, func(t *testing.T) {
		if _, ok := deadline(t); ok {
			t.Error("a bubble has a deadline")
		}
		if got := Limit(t); got != limitFree {
			t.Errorf("the limit in a bubble is %v", got)
		}
	})
}

func TestContextEndsWithTheTest(t *testing.T) {
	w := &witness{left: 10 * time.Minute}
	ctx := Context(w)
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > 10*time.Minute-reserve {
		t.Errorf("it ends at %v, %v", at, ok)
	}
	if err := ctx.Err(); err != nil {
		t.Error(err)
	}
	for _, f := range w.cleanups {
		f()
	}
	if err := ctx.Err(); err != context.Canceled {
		t.Errorf("at the end of the test: %v", err)
	}
}

func TestTookFailsOnlyWhereSpeedIsMeasured(t *testing.T) {
	for _, c := range []struct {
		variable   string
		took       time.Duration
		says, logs string
	}{
		{"", time.Second, "", "it came after 1s"},
		{"", 3 * time.Second, "", "it came after 3s; a quiet machine takes at most 2s"},
		{"1", time.Second, "", "it came after 1s"},
		{"1", 3 * time.Second, "it came after 3s, want at most 2s", ""},
	} {
		t.Setenv(SpeedVariable, c.variable)
		w := &witness{}
		if Took(w, "it came", c.took, 2*time.Second); w.says != c.says || w.logs != c.logs {
			t.Errorf("%+v: the test says %q and logs %q", c, w.says, w.logs)
		}
	}
}
