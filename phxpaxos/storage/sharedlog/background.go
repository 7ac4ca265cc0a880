package sharedlog

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// background is the goroutine that does what nobody waits for.
type background struct {
	wake chan struct{} // holds a token while there may be something to do
	quit chan struct{}
	done chan struct{}
}

func startBackground(s *Store) *background {
	b := &background{wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for {
			select {
			case <-b.quit:
				return
			case <-b.wake:
				s.chores()
			}
		}
	}()
	return b
}

func (b *background) stop() {
	close(b.quit)
	<-b.done
}

// stopping reports whether the store is being closed.
func (s *Store) stopping() bool {
	if s.back == nil {
		return false
	}
	select {
	case <-s.back.quit:
		return true
	default:
		return false
	}
}

// wake lets the background look for something to do; without one, it is done
// here. The caller holds no lock but life.
func (s *Store) wake() {
	if s.back == nil {
		if !s.hasFailed() {
			s.chores()
		}
		return
	}
	if !s.wantsZeros() && !s.busy.Load() && !s.wantsNext() {
		return
	}
	select {
	case s.back.wake <- struct{}{}:
	default:
	}
}

// chores is one round of the background.
func (s *Store) chores() {
	if !s.choring.TryLock() {
		return // a deterministic store that is used by several goroutines
	}
	defer s.choring.Unlock()
	s.busy.Store(false)
	if s.wantsZeros() {
		s.zeroAhead()
	}
	for _, job := range []func() error{s.indexSegments, s.clean, s.recycle, s.prepareAhead, s.dropCaches} {
		if s.hasFailed() || s.stopping() {
			return
		}
		if err := job(); err != nil {
			s.opts.observe(event.Event{Kind: event.IndexWriteFail, Group: -1, Err: err})
		}
	}
}

// wantsNext reports whether the current segment is half full, and there is no
// file for the next one.
func (s *Store) wantsNext() bool {
	return s.z.written.Load() >= s.opts.SegmentBytes/2 && !s.ready.Load()
}

func (s *Store) prepareAhead() error {
	if !s.wantsNext() {
		return nil
	}
	return s.prepare()
}

// indexSegments writes the index files of segments that are finished.
func (s *Store) indexSegments() error {
	for {
		s.mu.RLock()
		var next *segment
		for _, seg := range s.segs[:max(0, len(s.segs)-1)] {
			if !seg.indexed && !seg.damaged {
				next = seg
				break
			}
		}
		s.mu.RUnlock()
		if next == nil || s.stopping() {
			return nil
		}
		if err := s.indexSegment(next); err != nil {
			return err
		}
	}
}

// indexSegment writes an index file and lets go of the index in memory. The
// tallies of a finished segment do not change any more.
func (s *Store) indexSegment(seg *segment) error {
	if err := s.writeTemporary(fileName(seg.seq, indexSuffix), encodeIndex(seg, seg.tallies)); err != nil {
		return err
	}
	starts := map[int]uint32{}
	start := uint32(0)
	varBytes := 0
	for _, g := range sortedGroups(seg.tallies) {
		t := seg.tallies[g]
		starts[int(g)] = start
		start += uint32(len(t.merged()))
		for name := range t.vars {
			if t.vars[name].some {
				varBytes += varHeadBytes + len(t.vars[name].value)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range seg.tallies {
		group := s.groups[g]
		for i := range group.spans {
			if sp := &group.spans[i]; sp.seg == seg {
				sp.start, sp.count = starts[int(g)], uint32(len(sp.t.merged()))
				sp.t = nil
			}
		}
	}
	seg.table = entriesAt(len(seg.tallies), varBytes)
	seg.tallies, seg.indexed = nil, true
	return nil
}
