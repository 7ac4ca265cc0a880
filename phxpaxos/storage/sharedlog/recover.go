package sharedlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// hole is a part of a segment that cannot be read.
type hole struct {
	seg      *segment
	from, to int64
}

// recovery is what Open finds out.
type recovery struct {
	s      *Store
	logs   []uint64 // numbers of the segment files, ascending
	begins map[uint64]beginning
	last   uint64 // the newest segment that has begun, 0 for none
	v      verdict
	holes  []hole

	// What goes when everything was read: Open changes nothing in a directory
	// that a newer version has written.
	halfMade []string // names
	unbegun  []uint64 // segments
	unneeded []uint64 // segments
}

// recover reads the directory: see the package's comment.
func (s *Store) recover() error {
	r := &recovery{s: s, begins: map[uint64]beginning{}}
	for _, step := range []func() error{r.list, r.readBegins, r.findLast, r.judgeLast, r.dropOld, r.replay, r.checkMax, r.tidy} {
		if err := step(); err != nil {
			return err
		}
	}
	r.fence()
	for _, g := range s.groups {
		if g.broken != nil {
			s.opts.observe(event.Event{Kind: event.RecordDamaged, Group: g.id, Err: g.broken})
		}
	}
	s.orderly = r.last == 0 || r.v.last == Close && !r.v.more
	return r.settleTail()
}

// list reads the names.
func (r *recovery) list() error {
	s := r.s
	entries, err := s.opts.FS.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if seq, ok := parseName(e.Name, logSuffix); ok {
			r.logs = append(r.logs, seq)
		} else if seq, ok := parseName(e.Name, spareSuffix); ok {
			s.spares = append(s.spares, seq)
		} else if strings.HasSuffix(e.Name, temporarySuffix) {
			r.halfMade = append(r.halfMade, e.Name)
		}
	}
	slices.Sort(r.logs)
	return nil
}

// withScanner opens a segment for reading.
func (s *Store) withScanner(seq uint64, fn func(*scanner) error) error {
	f, err := s.opts.FS.Open(s.path(seq, logSuffix), storage.ReadOnly)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if err := fn(newScanner(f, size, s.id.seed(seq))); err != nil {
		return fmt.Errorf("%s: %w", s.path(seq, logSuffix), err)
	}
	return nil
}

// readBegins reads the first record of every segment.
func (r *recovery) readBegins() error {
	for _, seq := range r.logs {
		err := r.s.withScanner(seq, func(sc *scanner) error {
			h, ok, err := sc.header(0)
			if err != nil || !ok || h.Kind != Begin || h.Instance != seq {
				return err
			}
			payload, whole, err := sc.payload(&h, 0, true)
			if err == nil && whole {
				r.begins[seq] = decodeBeginning(payload)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// findLast finds the newest segment that has begun. Files behind it were made
// for later: what is in them was never acknowledged. A file whose first
// record is damaged has begun all the same if others in it prove that it was
// durable.
func (r *recovery) findLast() error {
	s := r.s
	for len(r.logs) > 0 {
		seq := r.logs[len(r.logs)-1]
		_, begun := r.begins[seq]
		if !begun {
			err := s.withScanner(seq, func(sc *scanner) error {
				v, err := sc.judge()
				begun = v.proven > 0
				return err
			})
			if err != nil {
				return err
			}
		}
		if begun {
			r.last = seq
			break
		}
		r.logs = r.logs[:len(r.logs)-1]
		r.unbegun = append(r.unbegun, seq)
	}
	s.last = r.last
	return nil
}

// judgeLast finds the end of the newest segment.
func (r *recovery) judgeLast() error {
	if r.last == 0 {
		return nil
	}
	return r.s.withScanner(r.last, func(sc *scanner) (err error) {
		r.v, err = sc.judge()
		return err
	})
}

// dropOld leaves out segments that are not needed any more, and checks that
// the others are all there.
func (r *recovery) dropOld() error {
	s := r.s
	if r.last == 0 {
		s.oldest = 1
		return nil
	}
	oldest := r.v.oldest
	if b, ok := r.begins[r.last]; ok {
		oldest = max(oldest, b.oldest)
	}
	if oldest == 0 { // the record that says it is damaged
		oldest = r.logs[0]
	}
	if oldest > r.last {
		return fmt.Errorf("%s says that segments up to %d are not needed: %w", s.path(r.last, logSuffix), oldest, storage.ErrDamaged)
	}
	for len(r.logs) > 0 && r.logs[0] < oldest {
		r.unneeded = append(r.unneeded, r.logs[0])
		r.logs = r.logs[1:]
	}
	for i, seq := range r.logs {
		if want := oldest + uint64(i); seq != want {
			return fmt.Errorf("%s is missing: %w", s.path(want, logSuffix), storage.ErrDamaged)
		}
	}
	s.oldest = oldest
	return nil
}

// tidy removes what a crash left half made, and disposes of segments that are
// not needed.
func (r *recovery) tidy() error {
	s := r.s
	if s.opts.ReadOnly {
		return nil
	}
	for _, name := range r.halfMade {
		if err := s.opts.FS.Remove(path.Join(s.dir, name)); err != nil {
			return err
		}
	}
	for _, seq := range r.unbegun {
		// Another life may have written records with the same seed.
		if err := s.opts.FS.Remove(s.path(seq, logSuffix)); err != nil {
			return err
		}
		if err := s.opts.FS.SyncDir(s.dir); err != nil {
			return err
		}
	}
	for _, seq := range r.unneeded {
		if err := s.retire(seq); err != nil {
			return err
		}
	}
	return nil
}

// replay takes every segment into the index, the oldest first.
func (r *recovery) replay() error {
	s := r.s
	for _, seq := range r.logs {
		seg := s.newSegment(seq)
		s.segs = append(s.segs, seg)
		if seq == r.last {
			seg.end = r.v.end
			if err := r.scan(seg, r.v.proven); err != nil {
				return err
			}
			continue
		}
		next, known := r.begins[seq+1]
		seg.end = int64(next.previous)
		done, err := r.fromIndex(seg, known)
		if err == nil && !done {
			if !known {
				err = s.withScanner(seq, func(sc *scanner) error {
					v, err := sc.judge()
					seg.end = v.end
					return err
				})
			}
			if err == nil {
				err = r.scan(seg, seg.end)
			}
			if err == nil && s.opts.ReadOnly {
				err = r.compareIndex(seg)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fromIndex uses the index file of a finished segment, if there is one and it
// is whole.
func (r *recovery) fromIndex(seg *segment, endKnown bool) (done bool, err error) {
	s := r.s
	if s.opts.ReadOnly {
		return false, nil
	}
	t, at, err := s.readTable(seg)
	if err != nil {
		if errors.Is(err, storage.ErrDamaged) {
			s.opts.observe(event.Event{Kind: event.IndexReadFail, Group: -1, Err: err})
			return false, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	if endKnown && t.end != seg.end {
		return false, nil
	}
	seg.end, seg.oldest, seg.table, seg.indexed, seg.tallies = t.end, t.oldest, at, true, nil
	for i := range t.rows {
		row := &t.rows[i]
		s.grow(int(row.group) + 1)
		r.number(s.groups[row.group], seg, 0, row.t.first)
		s.take(seg, row)
	}
	return true, nil
}

// scan takes the records of a segment into the index.
func (r *recovery) scan(seg *segment, proven int64) error {
	s := r.s
	return s.withScanner(seg.seq, func(sc *scanner) error {
		end, err := sc.walk(proven, seg.end, walker{
			record: func(h *Header, off int64, payload []byte, whole bool) error {
				var damage error
				if !whole {
					damage = s.damage(seg, off, "a record of group %d instance %d is damaged", h.Group, h.Instance)
					seg.damaged = true
					s.opts.observe(event.Event{Kind: event.RecordDamaged, Group: int(h.Group), Instance: h.Instance, Err: damage})
				}
				if h.Kind.ofGroup() {
					s.grow(int(h.Group) + 1)
					g := s.groups[h.Group]
					r.number(g, seg, off, h.Number)
					if damage != nil && h.Kind == Drop {
						r.breaks(g, damage)
						return nil
					}
				}
				s.apply(seg, h, off, payload, damage)
				return nil
			},
			hole: func(from, to int64) error { r.lost(seg, from, to); return nil },
		})
		if err == nil && end < seg.end {
			r.lost(seg, end, seg.end)
		}
		return err
	})
}

// lost notes a hole.
func (r *recovery) lost(seg *segment, from, to int64) {
	seg.damaged = true
	if from > 0 || to != headBytes+beginBytes { // else it is the segment's beginning, and no group's
		r.holes = append(r.holes, hole{seg, from, to})
	}
	r.s.opts.observe(event.Event{
		Kind: event.RecordDamaged, Group: -1, Err: r.s.damage(seg, from, "%d bytes cannot be read", to-from),
	})
}

func (r *recovery) breaks(g *groupLog, err error) {
	if g.broken == nil {
		g.broken = fmt.Errorf("group %d: %w", g.id, err)
	}
}

// number checks that no record of a group is missing in front of one.
func (r *recovery) number(g *groupLog, seg *segment, off int64, number uint32) {
	if g.number == 0 && (len(r.holes) == 0 || number == 1) || number == nextNumber(g.number) {
		return
	}
	err := r.s.damage(seg, off, "records of the group are missing in front of its record %d", number)
	if n := len(r.holes); n > 0 {
		h := r.holes[n-1]
		err = r.s.damage(h.seg, h.from, "%d bytes cannot be read, and a record of the group was there", h.to-h.from)
	}
	r.breaks(g, err)
}

// checkMax looks whether the highest record that a Drop left is still there.
func (r *recovery) checkMax() error {
	for _, g := range r.s.groups {
		if !g.mark.dropped || !g.mark.hasMax || g.broken != nil {
			continue
		}
		seg, _, err := r.s.locate(g, g.mark.max)
		if err == nil {
			r.s.unpin(seg)
			continue
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		below, err := r.s.neighbour(g, g.mark.max, false)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		g.mark.max, g.mark.hasMax = below, err == nil
	}
	return nil
}

// fence stops the groups that may have lost their last records: those without
// a record behind a hole.
func (r *recovery) fence() {
	for _, h := range r.holes {
		for _, g := range r.s.groups {
			if g.lastIn < h.seg.seq || g.lastIn == h.seg.seq && g.lastAt < h.from {
				r.breaks(g, r.s.damage(h.seg, h.from, "%d bytes cannot be read, and the group's last record may have been there", h.to-h.from))
			}
		}
	}
}

// settleTail makes what was found durable and says where the log goes on.
func (r *recovery) settleTail() error {
	s, w := r.s, &r.s.w
	if r.last == 0 || s.opts.ReadOnly {
		return nil
	}
	w.prev = r.v.end
	name := s.path(r.last, logSuffix)
	f, err := s.opts.FS.Open(name, storage.ReadWrite)
	if err != nil {
		return err
	}
	if err := rewrite(f, r.v.proven, r.v.end); err != nil {
		f.Close()
		return fmt.Errorf("make %s durable: %w", name, err)
	}
	seg := s.active()
	size, err := f.Size()
	if err != nil || r.v.last != Close || r.v.more || seg.damaged || r.v.end >= s.opts.SegmentBytes {
		return errors.Join(err, f.Close())
	}
	w.seg, w.f = seg, f
	w.base, w.off, w.synced = r.v.end, r.v.end, r.v.end
	w.reuse = reuse{size: size}
	s.z.turn(f, size)
	s.z.claim(w.off)
	return nil
}

// rewrite writes once more what nobody knows to be durable: after a failed
// sync the cache may show what the disk does not have.
func rewrite(f storage.File, from, to int64) error {
	buf := make([]byte, min(to-from, windowBytes))
	for at := from; at < to; {
		b := buf[:min(to-at, int64(len(buf)))]
		if n, err := f.ReadAt(b, at); n < len(b) {
			return err
		}
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
		at += int64(len(b))
	}
	return f.SyncData()
}
