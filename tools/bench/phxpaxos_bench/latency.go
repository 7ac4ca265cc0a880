package main

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept in nanoseconds between these bounds with three digits.
// What lies outside counts as the bound.
const (
	latencyMin    = time.Microsecond
	latencyMax    = 100 * time.Second
	latencyDigits = 3

	// recorderStripes is how many histograms the callers of a node share: one
	// each would take hundreds of megabytes, one for all a lock that all wait
	// for.
	recorderStripes = 8
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(latencyMin), int64(latencyMax), latencyDigits)
}

// recordLatency never fails, since it bounds the value first.
func recordLatency(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, latencyMin), latencyMax)))
}

// recorder takes what callers report. An operation's latency counts if it was
// due in the measured time, whenever it ended; it counts as completed if it
// ended in the measured time, whenever it was due. All methods are safe for
// concurrent use.
type recorder struct {
	begin, end atomic.Int64 // the measured time
	stripes    [recorderStripes]stripe
}

// stripe is what some callers share; each is on cache lines of its own.
type stripe struct {
	mu         sync.Mutex
	histogram  *hdrhistogram.Histogram
	completed  int64
	unfinished int64
	_          [64]byte
}

// never is later than every time.
const never = math.MaxInt64

func newRecorder() *recorder {
	r := &recorder{}
	r.begin.Store(never)
	r.end.Store(never)
	for i := range r.stripes {
		r.stripes[i].histogram = newHistogram()
	}
	return r
}

// measured reports whether a time lies in the measured time.
func (r *recorder) measured(t time.Duration) bool {
	return int64(t) >= r.begin.Load() && int64(t) < r.end.Load()
}

// over reports whether a time lies behind the measured time.
func (r *recorder) over(t time.Duration) bool { return int64(t) >= r.end.Load() }

// done records an operation of a caller that was due and has ended.
func (r *recorder) done(caller int, due, ended time.Duration) {
	latency, completed := r.measured(due), r.measured(ended)
	if !latency && !completed {
		return
	}
	s := &r.stripes[caller%recorderStripes]
	s.mu.Lock()
	defer s.mu.Unlock()
	if latency {
		recordLatency(s.histogram, ended-due)
	}
	if completed {
		s.completed++
	}
}

// givenUp records an operation whose end nobody waits for. Its latency is at
// least its age, and leaving it out would flatter the tail.
func (r *recorder) givenUp(caller int, due, now time.Duration) {
	if !r.measured(due) {
		return
	}
	s := &r.stripes[caller%recorderStripes]
	s.mu.Lock()
	defer s.mu.Unlock()
	recordLatency(s.histogram, now-due)
	s.unfinished++
}

// outcome is everything that was recorded. The callers have ended.
func (r *recorder) outcome() (*outcome, error) {
	all := newHistogram()
	o := &outcome{Took: time.Duration(r.end.Load() - r.begin.Load())}
	for i := range r.stripes {
		s := &r.stripes[i]
		s.mu.Lock()
		all.Merge(s.histogram)
		o.Completed += s.completed
		o.Unfinished += s.unfinished
		s.mu.Unlock()
	}
	data, err := all.EncodeV2()
	if err != nil {
		return nil, fmt.Errorf("packing a histogram: %w", err)
	}
	o.Histogram = data
	return o, nil
}

// mergeOutcomes returns the latencies that all nodes saw.
func mergeOutcomes(outcomes []*outcome) (*hdrhistogram.Histogram, error) {
	all := newHistogram()
	for _, o := range outcomes {
		h, err := hdrhistogram.Decode(o.Histogram)
		if err != nil {
			return nil, fmt.Errorf("unpacking a histogram: %w", err)
		}
		if dropped := all.Merge(h); dropped > 0 {
			return nil, fmt.Errorf("merging histograms: %d of %d latencies do not fit", dropped, h.TotalCount())
		}
	}
	return all, nil
}
