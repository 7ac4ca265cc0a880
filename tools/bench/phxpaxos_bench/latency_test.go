package main

import (
	"sync"
	"testing"
	"time"
)

// near allows for the three digits of a histogram.
func near(got, want time.Duration) bool { return (got - want).Abs() <= want/500 }

func TestRecorderKnowsTheMeasuredTime(t *testing.T) {
	r := newRecorder()
	const ms = time.Millisecond
	r.done(0, 0, 5*ms) // the measured time has not begun
	r.begin.Store(int64(10 * ms))
	r.done(0, 8*ms, 12*ms)  // due before it, ended in it: counts as completed alone
	r.done(1, 10*ms, 12*ms) // both
	r.end.Store(int64(20 * ms))
	r.done(2, 19*ms, 25*ms)    // due in it, ended behind it: counts with its latency alone
	r.done(3, 20*ms, 21*ms)    // behind it
	r.givenUp(4, 15*ms, 95*ms) // due in it
	r.givenUp(5, 25*ms, 95*ms) // behind it
	o, err := r.outcome()
	if err != nil {
		t.Fatal(err)
	}
	if o.Completed != 2 || o.Unfinished != 1 || o.Took != 10*ms {
		t.Errorf("outcome is %+v", o)
	}
	h, err := mergeOutcomes([]*outcome{o})
	if err != nil {
		t.Fatal(err)
	}
	if h.TotalCount() != 3 || !near(time.Duration(h.Max()), 80*ms) || !near(time.Duration(h.Min()), 2*ms) {
		t.Errorf("%d latencies, %v to %v", h.TotalCount(), time.Duration(h.Min()), time.Duration(h.Max()))
	}
}

// Merging must be the same as recording everything in one place.
func TestMergeOfManyRecorders(t *testing.T) {
	const nodes, callers, each = 3, 20, 500
	whole := newHistogram()
	var outcomes []*outcome
	for n := range nodes {
		r := newRecorder()
		r.begin.Store(0)
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := range each {
					r.done(c, 0, time.Duration(n*callers*each+c*each+i+1)*time.Microsecond)
				}
			})
		}
		wg.Wait()
		o, err := r.outcome()
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, o)
	}
	for i := range nodes * callers * each {
		recordLatency(whole, time.Duration(i+1)*time.Microsecond)
	}
	all, err := mergeOutcomes(outcomes)
	if err != nil {
		t.Fatal(err)
	}
	if !all.Equals(whole) {
		t.Errorf("merged: %d latencies, median %d; in one place: %d, %d",
			all.TotalCount(), all.ValueAtQuantile(50), whole.TotalCount(), whole.ValueAtQuantile(50))
	}
	if got := time.Duration(all.ValueAtQuantile(50)); !near(got, nodes*callers*each/2*time.Microsecond) {
		t.Errorf("median is %v", got)
	}
}

// A latency beyond the scale must not get lost: it is the tail.
func TestLatenciesBeyondTheScale(t *testing.T) {
	h := newHistogram()
	recordLatency(h, 0)
	recordLatency(h, -time.Second)
	recordLatency(h, time.Hour)
	if h.TotalCount() != 3 || !near(time.Duration(h.Max()), latencyMax) {
		t.Errorf("%d latencies, up to %v", h.TotalCount(), time.Duration(h.Max()))
	}
}

func TestMergeOfRubbish(t *testing.T) {
	if _, err := mergeOutcomes([]*outcome{{Histogram: []byte("no histogram")}}); err == nil {
		t.Error("no error")
	}
}
