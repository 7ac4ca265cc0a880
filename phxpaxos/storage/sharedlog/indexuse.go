package sharedlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// readTable reads head, rows and variables of an index file.
func (s *Store) readTable(seg *segment) (t table, entries int64, err error) {
	f, err := s.opts.FS.Open(s.path(seg.seq, indexSuffix), storage.ReadOnly)
	if err != nil {
		return t, 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return t, 0, err
	}
	head := make([]byte, indexHead)
	if n, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return t, 0, err
	} else {
		head = head[:n]
	}
	if format := newerIndex(head); format > 0 {
		return t, 0, storage.NewerFormat(s.path(seg.seq, indexSuffix), format, indexFormat)
	}
	_, rows, vars, _, ok := decodeIndexHead(head, seg.seq, seg.seed)
	entries = entriesAt(rows, vars)
	if !ok || entries > size {
		return t, 0, fmt.Errorf("%s offset 0: %w", s.path(seg.seq, indexSuffix), storage.ErrDamaged)
	}
	b := make([]byte, entries)
	if n, err := f.ReadAt(b, 0); n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return t, 0, err
	}
	if t, err = decodeTable(b, seg.seq, seg.seed); err != nil {
		return t, 0, fmt.Errorf("%s: %w", s.path(seg.seq, indexSuffix), err)
	}
	return t, entries, nil
}

// compareIndex compares an index file with what it would be if it were made
// anew. That there is none is no fault.
func (r *recovery) compareIndex(seg *segment) error {
	s := r.s
	if seg.damaged {
		return nil
	}
	want := encodeIndex(seg, seg.tallies)
	got, err := readFile(s.opts.FS, s.path(seg.seq, indexSuffix), int64(len(want))+indexHead)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if format := newerIndex(got); format > 0 {
		return storage.NewerFormat(s.path(seg.seq, indexSuffix), format, indexFormat)
	}
	if err == nil && !bytes.Equal(got[:min(len(got), len(want))], want) {
		s.opts.observe(event.Event{
			Kind: event.IndexReadFail, Group: -1,
			Err: fmt.Errorf("%s is not what the segment holds: %w", s.path(seg.seq, indexSuffix), storage.ErrDamaged),
		})
	}
	return err
}

// rebuildIndex makes the index file of a finished segment again, byte by byte
// as it was, in place: others may be reading it.
func (s *Store) rebuildIndex(seg *segment) error {
	s.rebuild.Lock()
	defer s.rebuild.Unlock()
	again := s.newSegment(seg.seq)
	again.end = seg.end
	err := s.withScanner(seg.seq, func(sc *scanner) error {
		_, err := sc.walk(seg.end, seg.end, walker{
			record: func(h *Header, off int64, payload []byte, whole bool) error {
				if !whole {
					return s.damage(seg, off, "record is damaged")
				}
				if h.Kind == Oldest {
					again.oldest = max(again.oldest, h.Instance)
				}
				if h.Kind.ofGroup() {
					t := again.tallies[h.Group]
					if t == nil {
						t = &tally{}
						again.tallies[h.Group] = t
					}
					t.add(seg.seq, h, off, payload, nil)
				}
				return nil
			},
			hole: func(from, to int64) error { return s.damage(seg, from, "%d bytes cannot be read", to-from) },
		})
		return err
	})
	if err != nil {
		return err
	}
	f, err := s.opts.FS.Open(s.path(seg.seq, indexSuffix), storage.ReadWrite|storage.Create)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(encodeIndex(again, again.tallies), 0); err == nil {
		err = f.SyncData()
	}
	return errors.Join(err, f.Close())
}
