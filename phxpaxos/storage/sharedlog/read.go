package sharedlog

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Max implements storage.LogStorage.
func (s *Store) Max(group int) (uint64, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return 0, err
	}
	defer s.life.RUnlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g.broken != nil {
		return 0, g.broken
	}
	if !g.mark.hasMax || g.mark.max < g.floor {
		return 0, storage.ErrNotFound
	}
	return g.mark.max, nil
}

// Read implements storage.LogStorage. A record of a segment that has an index
// file takes two reads, any other one.
func (s *Store) Read(group int, instance uint64, buf []byte) ([]byte, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return nil, err
	}
	defer s.life.RUnlock()
	seg, e, err := s.locate(g, instance)
	if err != nil {
		return nil, err
	}
	defer s.unpin(seg)
	data, err := s.readRecord(seg, g, e, buf)
	if errors.Is(err, storage.ErrDamaged) {
		s.opts.observe(event.Event{Kind: event.RecordDamaged, Group: group, Instance: instance, Err: err})
	}
	return data, err
}

// Next returns the lowest instance from the given one on that has a record,
// for tools. It matches storage.ErrNotFound if there is none.
func (s *Store) Next(group int, from uint64) (uint64, error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return 0, err
	}
	defer s.life.RUnlock()
	if seg, _, err := s.locate(g, from); err == nil {
		s.unpin(seg)
		return from, nil
	} else if !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	return s.neighbour(g, from, true)
}

// Locate returns the file that holds the newest record of an instance and the
// offset in it, for tools. It matches storage.ErrNotFound if there is none.
func (s *Store) Locate(group int, instance uint64) (file string, offset int64, err error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return "", 0, err
	}
	defer s.life.RUnlock()
	seg, e, err := s.locate(g, instance)
	if err != nil {
		return "", 0, err
	}
	defer s.unpin(seg)
	return s.path(seg.seq, logSuffix), e.offset(), nil
}

// locate finds the newest record of an instance. The segment is pinned when
// there is no error.
func (s *Store) locate(g *groupLog, instance uint64) (*segment, entry, error) {
	var room [4]span
	rest := room[:0]
	s.mu.RLock()
	if g.broken != nil || instance < g.floor {
		err := g.broken
		s.mu.RUnlock()
		if err == nil {
			err = storage.ErrNotFound
		}
		return nil, entry{}, err
	}
	for i := len(g.spans) - 1; i >= 0; i-- {
		sp := &g.spans[i]
		if !sp.holds(instance) {
			continue
		}
		if sp.t != nil && len(rest) == 0 {
			e, ok := sp.t.find(instance)
			if !ok {
				continue
			}
			if e.length != gone {
				s.pin(sp.seg)
			}
			s.mu.RUnlock()
			return found(sp.seg, e)
		}
		s.pin(sp.seg)
		rest = append(rest, *sp)
	}
	s.mu.RUnlock()
	return s.search(g, instance, rest)
}

func found(seg *segment, e entry) (*segment, entry, error) {
	if e.length == gone {
		return nil, entry{}, storage.ErrNotFound
	}
	return seg, e, nil
}

// search looks into spans of finished segments, newest first. They are
// pinned; what is returned still is.
func (s *Store) search(g *groupLog, instance uint64, spans []span) (*segment, entry, error) {
	var keep *segment
	defer func() {
		for i := range spans {
			if spans[i].seg != keep {
				s.unpin(spans[i].seg)
			}
		}
	}()
	for i := range spans {
		e, ok, err := s.lookup(&spans[i], g, instance)
		if err != nil {
			return nil, entry{}, err
		}
		if ok {
			seg, e, err := found(spans[i].seg, e)
			keep = seg
			return seg, e, err
		}
	}
	return nil, entry{}, storage.ErrNotFound
}

// lookup finds an instance in a span of a finished segment.
func (s *Store) lookup(sp *span, g *groupLog, instance uint64) (e entry, ok bool, err error) {
	if sp.t != nil {
		e, ok = sp.t.find(instance)
		return e, ok, nil
	}
	i, err := s.firstFrom(sp, g, instance)
	if err != nil || i == sp.count {
		return e, false, err
	}
	e, err = s.entryOf(sp, g, i)
	return e, err == nil && e.instance == instance, err
}

// firstFrom returns the index of the first entry of a finished segment that
// is not below an instance.
func (s *Store) firstFrom(sp *span, g *groupLog, instance uint64) (uint32, error) {
	switch {
	case instance <= sp.min:
		return 0, nil
	case instance > sp.max:
		return sp.count, nil
	case sp.max-sp.min == uint64(sp.count)-1: // nothing is missing between
		return uint32(instance - sp.min), nil
	}
	var failed error
	i := sort.Search(int(sp.count), func(i int) bool {
		e, err := s.entryOf(sp, g, uint32(i))
		if err != nil {
			failed = err
		}
		return err != nil || e.instance >= instance
	})
	return uint32(i), failed
}

// entryOf returns an entry of a span of a finished segment. An index file
// that is damaged is made again.
func (s *Store) entryOf(sp *span, g *groupLog, i uint32) (entry, error) {
	if sp.t != nil {
		return sp.t.merged()[i], nil
	}
	e, err := s.readEntry(sp, g, i)
	if errors.Is(err, storage.ErrDamaged) {
		s.opts.observe(event.Event{Kind: event.IndexReadFail, Group: g.id, Err: err})
		if err := s.rebuildIndex(sp.seg); err != nil {
			return e, err
		}
		e, err = s.readEntry(sp, g, i)
	}
	return e, err
}

func (s *Store) readEntry(sp *span, g *groupLog, i uint32) (entry, error) {
	f, err := s.reader(sp.seg, indexSuffix)
	if err != nil {
		return entry{}, err
	}
	b := make([]byte, entryBytes)
	at := sp.seg.table + int64(sp.start+i)*entryBytes
	n, err := f.ReadAt(b, at)
	if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return entry{}, err
	}
	if e, ok := decodeEntry(b, uint32(g.id), sp.seg.seed); ok && n == len(b) {
		return e, nil
	}
	return entry{}, fmt.Errorf("%s offset %d: entry is damaged: %w", s.path(sp.seg.seq, indexSuffix), at, storage.ErrDamaged)
}

// neighbour returns the next instance with a record above or below one.
func (s *Store) neighbour(g *groupLog, instance uint64, above bool) (uint64, error) {
	for {
		var best uint64
		some := false
		s.mu.RLock()
		spans := append([]span(nil), g.spans...)
		for i := range spans {
			s.pin(spans[i].seg)
		}
		var failed error
		// The last span may be in use by a writer, so all of it happens under
		// the lock: this is for tools.
		for i := range spans {
			at, ok, err := s.nearest(&spans[i], g, instance, above)
			failed = errors.Join(failed, err)
			if ok && (!some || above && at < best || !above && at > best) {
				best, some = at, true
			}
		}
		s.mu.RUnlock()
		for i := range spans {
			s.unpin(spans[i].seg)
		}
		if failed != nil {
			return 0, failed
		}
		if !some {
			return 0, storage.ErrNotFound
		}
		seg, _, err := s.locate(g, best)
		if err == nil {
			s.unpin(seg)
			return best, nil
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return 0, err
		}
		instance = best // dropped or trimmed
	}
}

// nearest is neighbour in one span; the record may be dropped.
func (s *Store) nearest(sp *span, g *groupLog, instance uint64, above bool) (uint64, bool, error) {
	if sp.t != nil {
		list := sp.t.merged()
		i := lowest(list, instance)
		if above && i < len(list) && list[i].instance == instance {
			i++
		}
		if !above {
			i--
		}
		if i < 0 || i >= len(list) {
			return 0, false, nil
		}
		return list[i].instance, true, nil
	}
	if above && instance == instanceMax {
		return 0, false, nil
	}
	from := instance
	if above {
		from++
	}
	i, err := s.firstFrom(sp, g, from)
	if err != nil || above && i == sp.count || !above && i == 0 {
		return 0, false, err
	}
	if !above {
		i--
	}
	e, err := s.entryOf(sp, g, i)
	return e.instance, err == nil, err
}

// readTogether is up to which size header and payload are read at once and
// the payload moved to its place.
const readTogether = 64 << 10

// readRecord reads and verifies a record, appended to buf[:0].
func (s *Store) readRecord(seg *segment, g *groupLog, e entry, buf []byte) ([]byte, error) {
	f, err := s.reader(seg, logSuffix)
	if err != nil {
		return nil, err
	}
	n := int(e.length)
	var head []byte
	if n <= readTogether {
		if cap(buf) < headBytes+n {
			buf = make([]byte, headBytes+n)
		}
		buf = buf[:headBytes+n]
		if err := s.readFull(f, seg, buf, e.offset()); err != nil {
			return nil, err
		}
		var h [headBytes]byte
		copy(h[:], buf)
		head = h[:]
		copy(buf, buf[headBytes:])
		buf = buf[:n]
	} else {
		head = make([]byte, headBytes)
		if err := s.readFull(f, seg, head, e.offset()); err != nil {
			return nil, err
		}
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		buf = buf[:n]
		if err := s.readFull(f, seg, buf, e.offset()+headBytes); err != nil {
			return nil, err
		}
	}
	h, ok := decodeHeader(head, seg.seed)
	if !ok || h.Kind != Record && h.Kind != Copy || int(h.Group) != g.id || h.Instance != e.instance || h.Length != e.length {
		return nil, s.damage(seg, e.offset(), "header of group %d instance %d is damaged", g.id, e.instance)
	}
	if payloadSum(buf) != h.Sum {
		return nil, s.damage(seg, e.offset(), "record of group %d instance %d is damaged", g.id, e.instance)
	}
	return buf, nil
}

func (s *Store) readFull(f storage.File, seg *segment, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return s.damage(seg, at, "the file ends at %d", at+int64(n))
	}
	return fmt.Errorf("read %s at offset %d: %w", s.path(seg.seq, logSuffix), at, err)
}
