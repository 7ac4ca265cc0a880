package sharedlog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

const (
	// directBytes is from where on a payload goes to the file by itself: a
	// call costs less than copying it.
	directBytes = 32 << 10

	// bufferMax is when a buffer is written before the commit is complete.
	bufferMax = 1 << 20
)

// writer is the end of the log. Store.wmu guards it.
type writer struct {
	seg  *segment // records are appended to it; nil until the first one
	f    storage.File
	prev int64 // where the segment in front of the next one ends

	buf    []byte // records that are not in the file yet
	base   int64  // where buf goes
	off    int64  // where the next record goes
	synced int64  // durable up to here
	reuse  reuse
	dirty  bool // something was written since Open
	staged []stagedRecord

	touched []*groupLog // of the commit under way
}

// stagedRecord is not visible yet.
type stagedRecord struct {
	h       Header
	off     int64
	payload []byte // of variables and drops, not of records
}

// stage adds a record to the buffer, turning to a new segment when the
// current one is full. It fills in the header. The caller holds wmu.
func (s *Store) stage(h *Header, data []byte) error {
	w := &s.w
	h.Length = uint32(len(data))
	full := w.seg != nil && w.off+h.size() > s.opts.SegmentBytes && w.off > headBytes+beginBytes
	if w.seg == nil || full && h.Kind != Close {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	return s.put(h, data)
}

// put is stage within the current segment.
func (s *Store) put(h *Header, data []byte) error {
	w := &s.w
	if h.Kind.ofGroup() {
		g := s.groups[h.Group]
		g.number = nextNumber(g.number)
		h.Number = g.number
	}
	h.Length = uint32(len(data))
	h.Durable = uint32(w.synced / alignment)
	h.Sum = payloadSum(data)
	r := stagedRecord{h: *h, off: w.off}
	if h.Kind != Record && h.Kind != Copy {
		r.payload = data
	}
	w.staged = append(w.staged, r)
	w.buf = h.append(w.buf, w.seg.seed)
	w.dirty = true
	if len(data) < directBytes {
		w.buf = append(w.buf, data...)
	} else {
		if err := s.flush(); err != nil {
			return err
		}
		n := len(data) - w.reuse.rest(w.base+int64(len(data)))
		if err := s.writeAt(data[:n], n); err != nil {
			return err
		}
		w.buf = append(w.buf, data[n:]...)
	}
	w.buf = append(w.buf, padding[:padded(int64(len(data)))-int64(len(data))]...)
	w.off += h.size()
	if len(w.buf) >= bufferMax {
		return s.flush()
	}
	return nil
}

// nextNumber counts the records of a group; 0 means none.
func nextNumber(n uint32) uint32 {
	if n++; n == 0 {
		n = 1
	}
	return n
}

// flush writes the buffer to the file, in one call.
func (s *Store) flush() error {
	w := &s.w
	n := len(w.buf)
	if n == 0 {
		return nil
	}
	w.buf = w.reuse.fill(w.buf, w.base+int64(n))
	if err := s.writeAt(w.buf, n); err != nil {
		return err
	}
	if w.buf = w.buf[:0]; cap(w.buf) > 2*bufferMax {
		w.buf = nil
	}
	return nil
}

// writeAt writes b, of which the first n bytes belong to records.
func (s *Store) writeAt(b []byte, n int) error {
	w := &s.w
	s.z.claim(w.base + int64(len(b)))
	if _, err := w.f.WriteAt(b, w.base); err != nil {
		s.opts.observe(event.Event{Kind: event.RecordWriteFail, Group: -1, Size: len(b), Err: err})
		return fmt.Errorf("write %d bytes at offset %d of %s: %w", len(b), w.base, s.path(w.seg.seq, logSuffix), err)
	}
	w.base += int64(n)
	return nil
}

// sync makes everything that is written durable.
func (s *Store) sync() error {
	w := &s.w
	if w.synced >= w.base {
		return nil
	}
	if err := w.f.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", s.path(w.seg.seq, logSuffix), err)
	}
	s.z.synced(w.base - w.synced)
	w.synced = w.base
	return nil
}

// publish makes what is staged visible.
func (s *Store) publish() {
	w := &s.w
	if len(w.staged) == 0 {
		return
	}
	s.mu.Lock()
	for i := range w.staged {
		r := &w.staged[i]
		s.apply(w.seg, &r.h, r.off, r.payload, nil)
	}
	w.seg.end = w.off
	s.mu.Unlock()
	clear(w.staged)
	w.staged = w.staged[:0]
}

// rotate turns to the next segment. Everything in front of it is durable
// first, so a segment that has begun proves that the one in front is whole.
func (s *Store) rotate() error {
	w := &s.w
	if w.seg != nil {
		if err := s.settle(true); err != nil {
			return err
		}
		w.prev = w.off
	}
	next, err := s.takeNext()
	if err != nil {
		return fmt.Errorf("make the next segment: %w", err)
	}
	seg := s.newSegment(next.seq)
	s.z.turn(next.f, next.size)
	s.mu.Lock()
	s.segs = append(s.segs, seg)
	if len(s.segs) == 1 {
		s.oldest = seg.seq
	}
	oldest := s.oldest
	s.mu.Unlock()
	s.busy.Store(true)
	old := w.f
	w.seg, w.f = seg, next.f
	w.base, w.off, w.synced = 0, 0, 0
	w.reuse = reuse{size: next.size}
	if old != nil {
		old.Close() // it is durable
	}
	return s.put(&Header{Kind: Begin, Instance: seg.seq}, beginning{uint64(w.prev), oldest}.encode())
}

// prepared is a file for the next segment.
type prepared struct {
	seq  uint64
	f    storage.File
	size int64 // so many bytes of it were written before
}

// takeNext returns a file for a segment, which the background may have made.
func (s *Store) takeNext() (*prepared, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.next
	s.next, s.last = nil, next.seq
	s.ready.Store(false)
	return next, nil
}

// prepare makes a file for the next segment unless there is one: an old one that is
// not needed any more if there is any, since a sync into blocks that exist is
// cheaper. Its name is durable when prepare returns.
func (s *Store) prepare() error {
	s.prep.Lock()
	defer s.prep.Unlock()
	s.mu.RLock()
	next, seq := s.next, s.last+1
	s.mu.RUnlock()
	if next != nil {
		return nil
	}
	fsys := s.opts.FS
	name := s.path(seq, logSuffix)
	if len(s.spares) > 0 {
		spare := s.spares[0]
		s.spares = slices.Delete(s.spares, 0, 1)
		if err := fsys.Rename(s.path(spare, spareSuffix), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := fsys.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil {
		err = fsys.SyncDir(s.dir)
	}
	if err != nil {
		f.Close()
		return err
	}
	s.mu.Lock()
	s.next = &prepared{seq, f, size}
	s.mu.Unlock()
	s.ready.Store(true)
	return nil
}
