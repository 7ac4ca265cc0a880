package phxpaxos

import "sync"

const (
	// bufferBytesMin: smaller records come from the allocator, which is as
	// quick. A pool for them would hold as many as there were groups at once.
	bufferBytesMin = 4 << 10
	// buffersBytesMax bounds what is kept: two batches of the default size
	// for the group that is busiest, with what is around them.
	buffersBytesMax = 3 << 20
)

// buffers keeps the memory of large records that have been written, for the
// next ones. Otherwise each batch of large values would be another megabyte to
// clear and to collect. Safe for concurrent use.
type buffers struct {
	mu    sync.Mutex
	free  [][]byte // empty ones
	bytes int      // their capacity
}

// take returns an empty buffer with room for size bytes.
func (b *buffers) take(size int) []byte {
	if size < bufferBytesMin {
		return make([]byte, 0, size)
	}
	b.mu.Lock()
	for i := len(b.free) - 1; i >= 0; i-- {
		buf := b.free[i]
		if cap(buf) < size || cap(buf) > 4*size { // a small record must not sit on a large buffer
			continue
		}
		b.free[i] = b.free[len(b.free)-1]
		b.free[len(b.free)-1] = nil
		b.free = b.free[:len(b.free)-1]
		b.bytes -= cap(buf)
		b.mu.Unlock()
		return buf
	}
	b.mu.Unlock()
	return make([]byte, 0, size+size/8) // the next one may be a little larger
}

// give takes a buffer that nobody uses any more. The oldest ones have to go
// for it, since what is asked for is most likely like what was given last.
func (b *buffers) give(buf []byte) {
	if cap(buf) < bufferBytesMin || cap(buf) > buffersBytesMax {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	drop := 0
	for b.bytes+cap(buf) > buffersBytesMax {
		b.bytes -= cap(b.free[drop])
		drop++
	}
	if drop > 0 {
		rest := copy(b.free, b.free[drop:])
		clear(b.free[rest:])
		b.free = b.free[:rest]
	}
	b.free = append(b.free, buf[:0])
	b.bytes += cap(buf)
}
