package vfile

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// zeroChunkMin is where writing zeros ahead begins: an idle group should not
// take more than this on disk. The chunk grows with the file.
const zeroChunkMin = 64 << 10

// zeros is what is written ahead, a piece at a time.
var zeros [64 << 10]byte

func (g *group) zeroChunk(end int64) int64 {
	return min(max(end, zeroChunkMin), g.opts.ZeroAheadMax)
}

// wantsZeros reports whether less than half a chunk is left. The caller holds
// mu.
func (g *group) wantsZeros() bool {
	if g.opts.ZeroAheadMax < 0 {
		return false
	}
	zeroed := g.zeroed.Load()
	return zeroed < g.cur.size && zeroed-g.end < g.zeroChunk(g.end)/2
}

// claim tells the other goroutine not to write zeros in front of end: records
// come there now. It waits for zeros that are just being written; records
// then overwrite them.
func (g *group) claim(end int64) {
	if end <= g.zeroed.Load() {
		return
	}
	g.zmu.Lock()
	defer g.zmu.Unlock()
	if end > g.zeroed.Load() {
		g.zeroed.Store(end)
	}
}

// zeroAhead fills the next chunk with zeros and syncs it, so that the records
// that follow overwrite blocks which exist. Zeros are what the original reads
// as the end of the data, and what the file holds there anyway.
func (g *group) zeroAhead() {
	g.zmu.Lock()
	defer g.zmu.Unlock()
	g.mu.RLock()
	if g.broken != nil || g.failed != nil || !g.wantsZeros() {
		g.mu.RUnlock()
		return
	}
	end := g.end
	v, err := g.files.acquire(g.cur.id)
	g.mu.RUnlock()
	if err != nil {
		return
	}
	defer g.files.release(v)
	from := g.zeroed.Load()
	to := min(max(from, end)+g.zeroChunk(end), v.size)
	for at := from; at < to; {
		n := min(to-at, int64(len(zeros)))
		if _, err := v.f.WriteAt(zeros[:n], at); err != nil {
			// Nothing is lost: if the disk is full, appending will find out.
			g.opts.observe(event.Event{Kind: event.RecordWriteFail, Group: g.id, Size: int(n), Err: err})
			return
		}
		at += n
	}
	if err := v.sync(); err != nil {
		g.fail(err) // records may have been lost with the zeros
		return
	}
	g.zeroed.Store(to)
}
