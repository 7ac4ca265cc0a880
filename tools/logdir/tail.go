package logdir

import (
	"errors"
	"io"
	"io/fs"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// Position is a place in the value files.
type Position struct {
	File   int
	Offset int64
}

// Start is where a node that opens the directory begins to scan the value
// files: what lies in front is in the index. emptied reports that the index
// lost what it had, so that all of it has to be made again.
func (s *Survey) Start(index *Index) (from Position, emptied bool, err error) {
	oldest := Position{s.Oldest(), 0}
	if s.Own() {
		n := s.Note
		if n.HasLast && n.Indexed {
			if _, err := index.value(n.Last.Instance); errors.Is(err, storage.ErrNotFound) {
				return oldest, true, nil
			} else if err != nil {
				return oldest, false, err
			}
		}
		return Position{n.File, n.Offset}, false, nil
	}
	c := index.Descend()
	defer c.Close()
	for ; c.Valid; c.Next() {
		if !c.OK || c.At.File > s.Current() {
			continue
		}
		if c.At.File < s.Oldest() {
			break
		}
		whole, err := s.wholeAt(c.At, c.Instance)
		if err != nil {
			return oldest, false, err
		}
		if whole {
			return Position{c.At.File, c.At.Offset}, false, nil
		}
	}
	return oldest, false, c.Err()
}

// wholeAt reports whether the record that the index points to is there.
func (s *Survey) wholeAt(loc Location, instance uint64) (bool, error) {
	f, err := OpenFile(s.Dir, loc.File)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	rec, err := f.Records(loc.Offset).Next()
	return err == nil && rec.Instance == instance && rec.SampledCRC() == loc.CRC, nil
}

// tail is what a node would scan when it opens the directory.
type tail struct {
	from Position
	ends map[int]int64 // where the records of each scanned file end
	last uint64
	some bool

	found bool // the wanted instance
	at    Location
}

// gone reports whether what the index points to lies behind the end of the
// records: it never became durable.
func (t *tail) gone(loc Location) bool {
	end, scanned := t.ends[loc.File]
	return scanned && loc.Offset >= end
}

// readTail scans from the start on and remembers the newest record of the
// wanted instance, if there is one. It keeps no more than that.
func (g *Group) readTail(want *uint64) (*tail, error) {
	var at Location
	found := false
	t, err := g.scanTail(func(instance uint64, loc Location) {
		if want != nil && instance == *want {
			at, found = loc, true
		}
	})
	if err == nil {
		t.at, t.found = at, found
	}
	return t, err
}

// scanTail scans from the start on.
func (g *Group) scanTail(record func(instance uint64, at Location)) (*tail, error) {
	t := &tail{ends: map[int]int64{}}
	var err error
	if t.from, _, err = g.survey.Start(g.index); err != nil {
		return nil, err
	}
	for _, id := range g.survey.Files {
		if id < t.from.File || id > g.survey.Current() {
			continue
		}
		offset := int64(0)
		if id == t.from.File {
			offset = t.from.Offset
		}
		if err := g.scanTailFile(t, id, offset, record); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (g *Group) scanTailFile(t *tail, id int, offset int64, record func(uint64, Location)) error {
	f, err := OpenFile(g.path, id)
	if err != nil {
		return err
	}
	defer f.Close()
	sums := &Checksums{}
	if g.survey.Trusted(id) {
		if sums, err = OpenChecksums(g.path, id); err != nil {
			return err
		}
		defer sums.Close()
	}
	own := g.survey.Own() && (id > g.survey.Note.File || id == g.survey.Note.File && offset >= g.survey.Note.Offset)
	for sc := f.Records(offset); ; {
		t.ends[id] = sc.Offset()
		rec, err := sc.Next()
		var bad *vfile.BadRecordError
		if errors.Is(err, io.EOF) || errors.As(err, &bad) {
			return nil
		}
		if err != nil {
			return err
		}
		if c, ok := sums.For(rec.Offset); ok {
			if !c.Matches(rec) {
				return sums.Err()
			}
		} else if rec.Instance <= InstanceMax && (!vfile.ValidState(rec.Instance, rec.Data) || own && LacksSector(rec)) {
			return sums.Err()
		}
		if rec.Instance > InstanceMax {
			continue // what the original kept there once
		}
		if t.some && rec.Instance < t.last {
			return nil
		}
		t.last, t.some = rec.Instance, true
		record(rec.Instance, Location{File: id, Offset: rec.Offset, CRC: rec.SampledCRC()})
	}
}
