package vfile

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// background is the two goroutines of a store: one moves index entries to the
// index, makes checkpoints and trims; the other writes zeros ahead, which
// must not wait behind a compaction.
type background struct {
	index, zeros chan *group // as long as there are groups: sending never blocks
	end          sync.WaitGroup
}

func startBackground(groups []*group) *background {
	b := &background{
		index: make(chan *group, len(groups)),
		zeros: make(chan *group, len(groups)),
	}
	b.end.Go(func() {
		for g := range b.index {
			g.queued.Store(false)
			g.maintain()
		}
	})
	b.end.Go(func() {
		for g := range b.zeros {
			g.zqueued.Store(false)
			g.zeroAhead()
		}
	})
	return b
}

func (b *background) stop() {
	close(b.index)
	close(b.zeros)
	b.end.Wait()
}

// overlayFactor bounds the entries in memory, as a multiple of FlushEntries.
const overlayFactor = 8

// due says what maintenance a group needs.
type due struct {
	flush, checkpoint, trim, zeros bool
	urgent                         bool // whoever writes has to wait for it
}

func (g *group) due() due {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.broken != nil || g.failed != nil {
		return due{}
	}
	waiting := g.cur.side.waiting()
	return due{
		flush:      len(g.active) >= g.opts.FlushEntries,
		checkpoint: g.since >= g.opts.CheckpointBytes || waiting >= overlayFactor/2*g.opts.FlushEntries,
		trim:       g.wantsTrim(),
		zeros:      g.wantsZeros(),
		urgent:     len(g.active) >= overlayFactor*g.opts.FlushEntries || waiting >= overlayFactor*g.opts.FlushEntries,
	}
}

// wake sees to the maintenance that a write or a trim has made due.
func (g *group) wake(b *background) {
	d := g.due()
	if b == nil {
		if d.zeros {
			g.zeroAhead()
		}
		if d.flush || d.checkpoint || d.trim {
			g.maintain()
		}
		return
	}
	if d.zeros && g.zqueued.CompareAndSwap(false, true) {
		b.zeros <- g
	}
	if d.urgent {
		g.maintain() // the background does not keep up: memory stays bounded
		return
	}
	if (d.flush || d.checkpoint || d.trim) && g.queued.CompareAndSwap(false, true) {
		b.index <- g
	}
}

// maintain does what is due. A failure makes the group refuse writes.
func (g *group) maintain() {
	g.imu.Lock()
	defer g.imu.Unlock()
	d := g.due()
	var err error
	switch {
	case d.trim:
		err = g.trim()
	case d.checkpoint:
		err = g.checkpointLocked(false)
	case d.flush:
		err = g.flush()
	}
	if err != nil {
		g.fail(err)
	}
}

// snapshot is the state that a flush or checkpoint makes durable.
type snapshot struct {
	v      *valueFile // pinned
	end    int64
	last   tail
	since  int64
	zeroed int64
}

// take moves the overlay aside for flushing, as sorted ops, together with the
// position it belongs to. The caller holds imu.
func (g *group) take() snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.flushing) == 0 { // else an earlier flush failed; the group has too
		g.active, g.flushing = g.flushing, g.active
	}
	g.ops = g.ops[:0]
	// Also what was trimmed goes to the index: should the deletion be lost in
	// a crash, the newest record must come back, not an older one.
	for key, loc := range g.flushing {
		g.ops = append(g.ops, indexOp{key: key, loc: loc})
	}
	slices.SortFunc(g.ops, func(a, b indexOp) int { return cmp.Compare(a.key, b.key) })
	v, err := g.files.acquire(g.cur.id)
	if err != nil {
		v = nil // cannot be: cur is pinned
	}
	return snapshot{v: v, end: g.end, last: g.last, since: g.since, zeroed: g.zeroed.Load()}
}

// give ends what take began; done says that the index has the entries.
func (g *group) give(s snapshot, done, checkpoint bool) {
	if s.v != nil {
		g.files.release(s.v)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if done {
		clear(g.flushing)
	}
	if checkpoint {
		g.since -= s.since
	}
}

// flush moves the overlay to the index. The caller holds imu.
func (g *group) flush() error {
	s := g.take()
	err := g.applyOps(false)
	g.give(s, err == nil, false)
	return err
}

func (g *group) applyOps(sync bool) error {
	began := time.Now()
	err := g.index.apply(g.ops, sync)
	e := event.Event{Kind: event.IndexWrite, Group: g.id, Size: len(g.ops), Err: err}
	if err != nil {
		e.Kind = event.IndexWriteFail
	}
	if !g.opts.Deterministic {
		e.Took = time.Since(began)
	}
	g.opts.observe(e)
	return err
}

// checkpoint makes everything up to the present position durable: records,
// checksums, index, and last of all the note that says so.
func (g *group) checkpoint(clean bool) error {
	g.imu.Lock()
	defer g.imu.Unlock()
	return g.checkpointLocked(clean)
}

func (g *group) checkpointLocked(clean bool) error {
	s := g.take()
	err := g.checkpointAt(s, clean)
	g.give(s, err == nil, err == nil)
	return err
}

func (g *group) checkpointAt(s snapshot, clean bool) error {
	if s.v == nil {
		return fmt.Errorf("current value file of %s is gone: %w", g.dir, storage.ErrDamaged)
	}
	if err := s.v.sync(); err != nil {
		return err
	}
	if err := s.v.side.prove(s.end); err != nil {
		return err
	}
	if _, err := s.v.side.sync(); err != nil {
		return err
	}
	if err := g.syncNewSidecar(s.v); err != nil {
		return err
	}
	count, err := s.v.side.below(s.end)
	if err != nil {
		return err
	}
	if err := g.applyOps(false); err != nil {
		return err
	}
	if err := g.index.sync(); err != nil {
		return err
	}
	return g.note(durable{
		file: s.v.id, offset: s.end, zeroed: s.zeroed, sideCount: count, clean: clean, last: s.last,
	})
}

// note writes the durable file. As long as it says that the last record's
// instance is indexed, that key must stay in the index: if it is missing, the
// next open takes the index for lost.
func (g *group) note(d durable) error {
	if d.last.some {
		_, _, err := locate(g.index, d.last.instance)
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		d.indexed = err == nil
	}
	return g.writeNote(d)
}

func (g *group) writeNote(d durable) error {
	d.logSize = g.logSize
	g.noted = d
	return g.durable.write(d)
}

// logPath is the original's own event log.
func (g *group) logPath() string { return path.Join(g.dir, "LOG") }
