package metrics

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A Durations counts durations by size: four buckets for each power of two of
// microseconds, so that a quantile is off by an eighth at most. The last
// bucket takes everything above the range.
const (
	lowOctave  = 4 // the first bucket ends at 16 µs: nothing here is quicker
	octaves    = 21
	perOctave  = 4
	buckets    = 1 + octaves*perOctave + 1
	stripes    = 8 // groups are spread over so many copies, so that they rarely share a cache line
	topSeconds = float64(uint64(1)<<(lowOctave+octaves)) / 1e6
)

// Durations is a histogram of one kind of duration.
type Durations struct {
	stripe [stripes]struct {
		count [buckets]atomic.Uint64
		nanos atomic.Uint64
		_     [64]byte
	}
}

// add counts one duration. Bounds belong to the bucket below them.
func (d *Durations) add(group int, took time.Duration) {
	s := &d.stripe[uint(group+1)%stripes]
	s.count[bucket(took)].Add(1)
	s.nanos.Add(uint64(max(took, 0)))
}

func bucket(took time.Duration) int {
	micros := uint64(max(took-1, 0)) / 1000
	n := bits.Len64(micros)
	if n <= lowOctave {
		return 0
	}
	if n > lowOctave+octaves {
		return buckets - 1
	}
	quarter := int(micros>>(n-3)) & (perOctave - 1)
	return 1 + (n-1-lowOctave)*perOctave + quarter
}

// upper is the upper bound of a bucket, in seconds.
func upper(i int) float64 {
	if i == 0 {
		return float64(uint64(1)<<lowOctave) / 1e6
	}
	octave, quarter := (i-1)/perOctave, (i-1)%perOctave
	return float64(uint64(1)<<(lowOctave+octave)) * (1 + float64(quarter+1)/perOctave) / 1e6
}

// Snapshot is how a histogram stood at one moment.
type Snapshot struct {
	Count   [buckets]uint64
	Total   uint64  // of all counts
	Seconds float64 // the sum of all durations
}

// Snapshot adds up the copies. Counts that are added meanwhile are in it or
// not.
func (d *Durations) Snapshot() (s Snapshot) {
	nanos := uint64(0)
	for i := range d.stripe {
		nanos += d.stripe[i].nanos.Load()
		for b := range s.Count {
			n := d.stripe[i].count[b].Load()
			s.Count[b] += n
			s.Total += n
		}
	}
	s.Seconds = float64(nanos) / 1e9
	return s
}

// Since is what was added after an earlier snapshot.
func (s Snapshot) Since(before *Snapshot) Snapshot {
	for b := range s.Count {
		s.Count[b] -= before.Count[b]
	}
	s.Total -= before.Total
	s.Seconds -= before.Seconds
	return s
}

// Quantile is the duration, in seconds, that a share q of all is below, with
// 0 < q < 1. It is 0 if there are none.
func (s *Snapshot) Quantile(q float64) float64 {
	if s.Total == 0 {
		return 0
	}
	rank, below := q*float64(s.Total), uint64(0)
	for b, n := range s.Count {
		if n == 0 || float64(below+n) < rank {
			below += n
			continue
		}
		low := 0.0
		if b > 0 {
			low = upper(b - 1)
		}
		if b == buckets-1 {
			return low
		}
		return low + (upper(b)-low)*(rank-float64(below))/float64(n)
	}
	return topSeconds
}

// octaveCounts is what Prometheus is given: a bucket for each power of two.
func (s *Snapshot) octaveCounts() map[float64]uint64 {
	m := make(map[float64]uint64, octaves+1)
	sum := s.Count[0]
	m[upper(0)] = sum
	for o := range octaves {
		for q := range perOctave {
			sum += s.Count[1+o*perOctave+q]
		}
		m[upper((o+1)*perOctave)] = sum
	}
	return m
}
