package sharedlog

import (
	"errors"
	"io/fs"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

const (
	// garbageMax is how many times what is needed the log may take, and
	// slackSegments how many segments more, before records are moved. Two
	// records for each instance, a vote and what was learned, are usual, so
	// half of a log that was never trimmed is not needed already.
	garbageMax    = 3
	slackSegments = 4

	// copyBytes is how much the cleaner moves before it lets others write.
	copyBytes = 256 << 10

	// sparesMax is how many old files are kept to be used again.
	sparesMax = 4
)

// Trim implements storage.LogStorage. What lies below is no longer found at
// once. Its room is free when the oldest segment holds nothing else that is
// needed, or when the cleaner has moved what is. After a crash some of it may
// be back.
func (s *Store) Trim(group int, below uint64) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.mu.Lock()
	if g.broken != nil {
		s.mu.Unlock()
		return g.broken
	}
	if g.mark.hasNewest {
		// What comes later is not concerned, even if it is below.
		g.floor = max(g.floor, min(below, g.mark.newest+1))
		g.forget(s.active())
	}
	s.mu.Unlock()
	s.busy.Store(true)
	s.wake()
	return nil
}

// floor returns below which instance nothing of a group is found.
func (s *Store) floor(g *groupLog) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return g.floor
}

// active returns the segment that is written, or nil. The caller holds mu.
func (s *Store) active() *segment {
	if len(s.segs) == 0 {
		return nil
	}
	return s.segs[len(s.segs)-1]
}

// clean frees the oldest segments: those that nobody needs, and, when the log
// takes far more room than what is needed of it, also others, after moving
// what is needed to the front. So a group that never trims costs its own
// records a few times at most, and not everybody's.
func (s *Store) clean() error {
	for !s.stopping() {
		seg := s.cleanable()
		if seg == nil {
			return nil
		}
		if err := s.evacuate(seg); err != nil {
			if errors.Is(err, storage.ErrDamaged) {
				seg.damaged = true // it stays, as evidence
			}
			return err
		}
		if err := s.free(seg); err != nil {
			return err
		}
	}
	return nil
}

// cleanable returns the oldest segment if it should go.
func (s *Store) cleanable() *segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.segs) < 2 || s.failed != nil {
		return nil
	}
	seg := s.segs[0]
	if !seg.indexed || seg.damaged {
		return nil
	}
	total, live := int64(0), int64(0)
	for _, sg := range s.segs {
		total += sg.end
		live += sg.live
	}
	if seg.live > 0 && total <= garbageMax*live+slackSegments*s.opts.SegmentBytes {
		return nil
	}
	for _, g := range s.groups {
		if g.broken != nil {
			return nil // what became of its records is for a person to find out
		}
	}
	return seg
}

// evacuate moves what is needed of the oldest segment to the front.
func (s *Store) evacuate(seg *segment) error {
	for _, g := range s.groups {
		s.mu.RLock()
		some := g.at == seg.seq
		for i := range g.vars {
			some = some || g.vars[i].some && g.vars[i].seg == seg.seq
		}
		var sp *span
		if len(g.spans) > 0 && g.spans[0].seg == seg {
			first := g.spans[0]
			sp, some = &first, true
		}
		s.mu.RUnlock()
		if !some {
			continue
		}
		if err := s.evacuateGroup(seg, g, sp); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) evacuateGroup(seg *segment, g *groupLog, sp *span) error {
	if sp != nil {
		for i := uint32(0); i < sp.count; {
			next, err := s.moveSome(seg, g, sp, i)
			if err != nil {
				return err
			}
			i = next
		}
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.hasFailed() {
		return storage.ErrFailed
	}
	for name := range g.vars {
		if v := g.vars[name]; v.some && v.seg == seg.seq {
			if err := s.stage(&Header{Kind: Variable, Group: uint32(g.id), Instance: uint64(name)}, v.value); err != nil {
				return s.fail(err)
			}
		}
	}
	if g.at == seg.seq && g.mark.hasNewest && (!g.mark.hasMax || s.floor(g) > g.mark.max) {
		// All records are trimmed; the order of what comes must be kept.
		if err := s.stage(&Header{Kind: Newest, Group: uint32(g.id), Instance: g.mark.newest}, nil); err != nil {
			return s.fail(err)
		}
	}
	if err := s.settle(false); err != nil {
		return s.fail(err)
	}
	return nil
}

// moveSome moves records of a group, from entry i on, and returns which entry
// is next.
func (s *Store) moveSome(seg *segment, g *groupLog, sp *span, i uint32) (uint32, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.hasFailed() {
		return 0, storage.ErrFailed
	}
	moved := int64(0)
	for ; i < sp.count && moved < copyBytes; i++ {
		e, err := s.entryOf(sp, g, i)
		if err != nil {
			return 0, err
		}
		// Only the newest record of an instance is needed, and nobody writes
		// one meanwhile.
		where, at, err := s.locate(g, e.instance)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		s.unpin(where)
		if where != seg || at != e {
			continue
		}
		data, err := s.readRecord(seg, g, e, nil)
		if err != nil {
			return 0, err
		}
		moved += e.bytes()
		if err := s.stage(&Header{Kind: Copy, Group: uint32(g.id), Instance: e.instance}, data); err != nil {
			return 0, s.fail(err)
		}
	}
	if err := s.settle(false); err != nil {
		return 0, s.fail(err)
	}
	return i, nil
}

// free lets go of the oldest segment. First it is durable that nobody needs
// it, and with that what was moved.
func (s *Store) free(seg *segment) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.hasFailed() {
		return storage.ErrFailed
	}
	err := s.stage(&Header{Kind: Oldest, Instance: seg.seq + 1}, nil)
	if err == nil {
		err = s.settle(true)
	}
	if err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		if len(g.spans) > 0 && g.spans[0].seg == seg {
			g.spans = append([]span(nil), g.spans[1:]...)
		}
	}
	s.segs = append([]*segment(nil), s.segs[1:]...)
	s.oldest = seg.seq + 1
	s.files.Lock()
	defer s.files.Unlock()
	seg.freed = true
	delete(s.opened, seg)
	if seg.refs == 0 {
		closeFiles(seg)
		s.retired = append(s.retired, seg)
	}
	return nil
}

// recycle keeps some files of segments that are not needed, and removes the
// others.
func (s *Store) recycle() error {
	s.files.Lock()
	retired := s.retired
	s.retired = nil
	s.files.Unlock()
	s.prep.Lock()
	defer s.prep.Unlock()
	for _, seg := range retired {
		if err := s.retire(seg.seq); err != nil {
			return err
		}
	}
	return nil
}

// retire disposes of the files of a segment. The caller holds prep.
func (s *Store) retire(seq uint64) error {
	fsys := s.opts.FS
	if err := fsys.Remove(s.path(seq, indexSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(s.spares) >= sparesMax {
		return fsys.Remove(s.path(seq, logSuffix))
	}
	if err := fsys.Rename(s.path(seq, logSuffix), s.path(seq, spareSuffix)); err != nil {
		return err
	}
	s.spares = append(s.spares, seq)
	return nil
}
