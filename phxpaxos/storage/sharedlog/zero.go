package sharedlog

import (
	"sync"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

const (
	// zeroChunkMin is where writing zeros ahead begins: an idle store should
	// not take more than this on disk. The chunk grows with the segment.
	zeroChunkMin = 64 << 10

	// zeroBelow is how many bytes go into a sync at most, on average, while
	// zeros are written ahead. Above it a sync is mostly data, which would be
	// written twice for nothing.
	zeroBelow = 96 << 10
)

// zeros is what is written ahead, a piece at a time.
var zeros [64 << 10]byte

// zeroing fills the segment that is written with zeros ahead of the records,
// so that a sync of these need not allocate blocks. A segment whose file was
// used before needs none.
type zeroing struct {
	mu      sync.Mutex // writing zeros, or turning to another file
	f       storage.File
	zeroed  atomic.Int64 // blocks exist up to here; raised under mu
	written atomic.Int64 // records end here, or will at once
	average atomic.Int64 // bytes for each sync
}

// turn goes to another file, of which size bytes were written before.
func (z *zeroing) turn(f storage.File, size int64) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.f = f
	z.zeroed.Store(size)
	z.written.Store(0)
}

// claim says that records are written up to end: no zeros go there any more.
// It waits for zeros that are just being written.
func (z *zeroing) claim(end int64) {
	z.written.Store(end)
	if end <= z.zeroed.Load() {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if end > z.zeroed.Load() {
		z.zeroed.Store(end)
	}
}

// synced counts a sync of so many bytes.
func (z *zeroing) synced(bytes int64) {
	average := z.average.Load()
	if average == 0 {
		average = bytes
	}
	z.average.Store((3*average + bytes) / 4)
}

func (s *Store) zeroChunk(end int64) int64 {
	return min(max(end, zeroChunkMin), s.opts.ZeroAheadMax)
}

// wantsZeros reports whether less than half a chunk is left.
func (s *Store) wantsZeros() bool {
	z := &s.z
	if s.opts.ZeroAheadMax < 0 || z.average.Load() > zeroBelow {
		return false
	}
	end, zeroed := z.written.Load(), z.zeroed.Load()
	return end > 0 && zeroed < s.opts.SegmentBytes && zeroed-end < s.zeroChunk(end)/2
}

// zeroAhead writes a chunk of zeros and syncs it.
func (s *Store) zeroAhead() {
	z := &s.z
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.f == nil || !s.wantsZeros() || s.hasFailed() {
		return
	}
	from := z.zeroed.Load()
	to := min(from+s.zeroChunk(from), s.opts.SegmentBytes)
	for at := from; at < to; {
		n := min(to-at, int64(len(zeros)))
		if _, err := z.f.WriteAt(zeros[:n], at); err != nil {
			// Nothing is lost: if the disk is full, appending will find out.
			s.opts.observe(event.Event{Kind: event.RecordWriteFail, Group: -1, Size: int(n), Err: err})
			return
		}
		at += n
	}
	if err := z.f.SyncData(); err != nil {
		s.fail(err) // records may have been lost with the zeros
		return
	}
	z.zeroed.Store(to)
}

func (s *Store) hasFailed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.failed != nil
}
