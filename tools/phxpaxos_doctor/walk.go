package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// walk is where the examination of the records stands. It holds the instance
// under way and what is carried from one to the next, never more.
type walk struct {
	some     bool
	instance uint64          // under way
	newest   logdir.Location // its newest record so far
	indexed  bool            // the index has it
	indexAt  logdir.Location
	indexOK  bool // what the index has is a location
	older    bool // the index points to a record of it that is not the newest
	sum      uint32
	prevSum  uint32 // of the instance before, 0 if unknown

	promised   paxos.Ballot
	promisedAt logdir.Location

	covered    bool   // an instance was there
	coveredTo  uint64 // the highest one
	bytesDone  int64
	lastOfNote bool // the record that the note names was found
}

// fileWalk is the part of it that ends with a file.
type fileWalk struct {
	*logdir.File
	sums    *logdir.Checksums // those that count, maybe none
	sc      *vfile.Scanner
	bare    uint64 // records without an entry that should have one
	bareAt  logdir.Location
	bareIns uint64
}

// walkFiles examines the records of all files in their order, side by side
// with the index.
func (c *groupCheck) walkFiles() error {
	if c.index != nil {
		c.cur = c.index.Ascend(0)
		defer func() {
			if c.cur != nil {
				c.cur.Close()
			}
		}()
	}
	for _, id := range c.s.Files {
		if err := c.walkFile(id); err != nil {
			return err
		}
	}
	c.endInstance()
	for c.cur != nil && c.cur.Valid {
		c.orphan(c.cur.Instance, c.cur.At, c.cur.OK)
		c.cur.Next()
	}
	c.endRun()
	if c.cur != nil {
		if err := c.cur.Err(); errors.Is(err, storage.ErrDamaged) {
			c.found(Damaged, "index", "it cannot be read to its end: %v", err)
		} else if err != nil {
			return err
		}
	}
	c.endWalk()
	return nil
}

func (c *groupCheck) walkFile(id int) error {
	f, err := c.openFile(id)
	if err != nil {
		return err
	}
	defer f.Close()
	defer f.sums.Close()
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			c.p.at(c.walk.bytesDone + f.sc.Offset())
		}
		at := f.sc.Offset()
		rec, err := f.sc.Next()
		var bad *vfile.BadRecordError
		switch {
		case errors.Is(err, io.EOF):
			err = c.endOfRecords(f, at, "the records end here", false)
		case errors.As(err, &bad):
			err = c.endOfRecords(f, at, bad.Why, true)
		case err == nil:
			err = c.record(f, rec)
		case !isRead(err):
			return err
		default:
			c.at(Damaged, "record", logdir.ValueName(id), at, "the disk cannot read it: %v", err)
			err = errStop
		}
		if errors.Is(err, errStop) {
			break
		}
		if err != nil {
			return err
		}
	}
	c.walk.bytesDone += f.sc.Offset()
	return c.endFile(f)
}

// errStop ends the records of a file.
var errStop = errors.New("no record follows")

// isRead reports whether an error comes from reading a place that is there.
func isRead(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "read"
}

func (c *groupCheck) openFile(id int) (*fileWalk, error) {
	file, err := logdir.OpenFile(c.path, id)
	if err != nil {
		return nil, err
	}
	f := &fileWalk{File: file, sums: &logdir.Checksums{}}
	if c.s.Trusted(id) {
		if f.sums, err = logdir.OpenChecksums(c.path, id); err != nil {
			file.Close()
			return nil, err
		}
	}
	if n := c.s.Note; c.s.Own() && n.Cutting && n.File == id {
		f.Size = min(f.Size, n.Offset) // what is behind goes at the next start
	}
	f.sc = f.Records(0)
	return f, nil
}

// durableTo is how far the note says that the records of a file are on disk.
func (c *groupCheck) durableTo(f *fileWalk) int64 {
	if n := c.s.Note; c.s.Own() && n.File == f.ID {
		return n.Offset
	}
	return 0
}

// record examines one record. Where it is not one, endOfRecords decides.
func (c *groupCheck) record(f *fileWalk, rec vfile.Record) error {
	at := logdir.Location{File: f.ID, Offset: rec.Offset, CRC: rec.SampledCRC()}
	entry, has := f.sums.For(rec.Offset)
	if has && !entry.Matches(rec) {
		if entry.Intent {
			return c.endOfRecords(f, rec.Offset, fmt.Sprintf("instance %d is not what was announced", rec.Instance), true)
		}
		return c.mismatch(f, rec, entry)
	}
	if rec.Instance > logdir.InstanceMax {
		if len(rec.Data) == 8 {
			return nil // an old version of the original kept MINCHOSEN there
		}
		return c.endOfRecords(f, rec.Offset, fmt.Sprintf("instance %d is impossible", rec.Instance), true)
	}
	if !has && !vfile.ValidState(rec.Instance, rec.Data) {
		return c.endOfRecords(f, rec.Offset, fmt.Sprintf("instance %d is not whole", rec.Instance), true)
	}
	if !has && c.behindNote(at) && logdir.LacksSector(rec) {
		return c.endOfRecords(f, rec.Offset, fmt.Sprintf("instance %d lacks a sector", rec.Instance), true)
	}
	c.rep.Records++
	c.rep.Bytes += rec.Bytes()
	if c.walk.some && rec.Instance < c.walk.instance {
		c.atRecord(Damaged, "order", at, rec.Instance, "it comes after instance %d; a node refuses to start on this", c.walk.instance)
		return nil
	}
	c.beginInstance(rec.Instance)
	c.account(f, rec, at, has)
	c.content(rec, at)
	return nil
}

// behindNote reports whether this library wrote a record after the note.
func (c *groupCheck) behindNote(at logdir.Location) bool {
	return c.s.Own() && !at.Before(c.s.Note.File, c.s.Note.Offset)
}

// mismatch reports a record that is not what its CRC-32C says.
func (c *groupCheck) mismatch(f *fileWalk, rec vfile.Record, entry logdir.Checksum) error {
	at := logdir.Location{File: f.ID, Offset: rec.Offset, CRC: entry.Sampled}
	switch {
	case int(entry.Length) != 8+len(rec.Data):
		c.atRecord(Damaged, "record", at, entry.Instance, "its length word says %d, it was %d", 8+len(rec.Data), entry.Length)
		f.sc = f.Records(entry.End())
	case entry.Instance != rec.Instance:
		c.atRecord(Damaged, "record", at, entry.Instance, "it says that it is of instance %d", rec.Instance)
	default:
		c.atRecord(Damaged, "crc32c", at, entry.Instance, "CRC-32C is %08x, was %08x", logdir.FullCRC(rec), entry.Full)
	}
	c.standIn(entry.Instance, at)
	return nil
}

// standIn takes a damaged record for present, so that one fault is reported
// once. Nothing more is asked of its instance.
func (c *groupCheck) standIn(instance uint64, at logdir.Location) {
	w := &c.walk
	if w.some && instance < w.instance || instance > logdir.InstanceMax {
		return
	}
	c.beginInstance(instance)
	w.newest, w.sum = at, 0
	w.older = false
	if c.s.Own() && at.File == c.s.Note.Last.At.File && at.Offset == c.s.Note.Last.At.Offset {
		w.lastOfNote = true
	}
}

// account compares a whole record with index and note, and counts what
// vouches for it.
func (c *groupCheck) account(f *fileWalk, rec vfile.Record, at logdir.Location, full bool) {
	w := &c.walk
	w.older = w.older || w.indexed && w.newest.File == w.indexAt.File && w.newest.Offset == w.indexAt.Offset
	w.newest = at
	here := w.indexed && w.indexOK && w.indexAt.File == at.File && w.indexAt.Offset == at.Offset
	if here && w.indexAt.CRC != at.CRC {
		c.atRecord(Damaged, "sampled", at, rec.Instance, "checksum is %08x, the index has %08x", at.CRC, w.indexAt.CRC)
	}
	sums := &c.rep.Checksums
	switch {
	case full:
		sums.Full++
	case here:
		sums.Sampled++
	default:
		sums.None++
	}
	if !full && c.native() && c.s.Own() && at.Before(c.s.Note.File, c.s.Note.Offset) {
		if f.bare == 0 {
			f.bareAt, f.bareIns = at, rec.Instance
		}
		f.bare++
	}
	if n := c.s.Note; c.s.Own() && n.HasLast && at.File == n.Last.At.File && at.Offset == n.Last.At.Offset {
		w.lastOfNote = true
		if rec.Instance != n.Last.Instance || logdir.FullCRC(rec) != n.Last.Full {
			c.atRecord(Damaged, "crc32c", at, rec.Instance, "it is the last one that was durable, and not what the note says of it: instance %d, CRC-32C %08x", n.Last.Instance, n.Last.Full)
		}
	}
}

// content examines what a record says.
func (c *groupCheck) content(rec vfile.Record, at logdir.Location) {
	w, r := &c.walk, &c.last
	if err := wire.DecodeRecord(rec.Data, r); err != nil {
		c.atRecord(Damaged, "record", at, rec.Instance, "it cannot be decoded: %v", err)
		w.sum = 0
		return
	}
	if r.Promised.Less(w.promised) {
		c.atRecord(c.unlessOriginal(), "promise", at, r.Instance, "the promise is %v, it was %v in %s at offset %d: a node that starts here breaks it",
			r.Promised, w.promised, logdir.ValueName(w.promisedAt.File), w.promisedAt.Offset)
	} else {
		w.promised, w.promisedAt = r.Promised, at
	}
	if r.Promised.Less(r.Accepted) {
		c.atRecord(c.unlessOriginal(), "promise", at, r.Instance, "accepted %v above the promise %v", r.Accepted, r.Promised)
	}
	if want := paxos.ChainChecksum(r.Instance, w.prevSum, r.Value); want != 0 && r.Checksum != 0 {
		if want == r.Checksum {
			c.rep.Checksums.Chained++
		} else {
			c.atRecord(Damaged, "chain", at, r.Instance, "the chain of values is %08x here, the record says %08x", want, r.Checksum)
		}
	}
	w.sum = r.Checksum
	c.compareVersions(r)
}
