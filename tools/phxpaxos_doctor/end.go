package main

import (
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// endOfRecords decides what it is that the records of a file end, at offset:
// the end of the data, what a crash left, or damage. bad says that something
// lies there. It follows what a node does when it starts:
//
//	a record at or behind it was durable          damage
//	only zeros follow                             the end
//	this library finished the file                damage: it was synced before the next was begun
//	this library wrote it behind its note         torn: nothing behind it was ever promised
//	a whole record follows                        damage
//	else                                          torn
//
// Unlike a node it goes on behind damage, if it finds where. It returns
// errStop when there is no more to read.
func (c *groupCheck) endOfRecords(f *fileWalk, at int64, why string, bad bool) error {
	entry, has := f.sums.For(at)
	durable := c.durableBehind(f, at, entry, has)
	end, err := f.DataEnd(at)
	if err != nil {
		return err
	}
	if !bad && end == at {
		if durable > at {
			c.at(Damaged, "record", logdir.ValueName(f.ID), at, "%s, but records up to offset %d were durable", why, durable)
			c.standInAt(f, at, entry, has)
		}
		return errStop
	}
	own := c.s.Own()
	here := logdir.Location{File: f.ID, Offset: at}
	if own && f.ID == c.s.Current() && durable <= at && !here.Before(c.from.File, c.from.Offset) {
		c.at(Suspicious, "torn-tail", logdir.ValueName(f.ID), at, "%s: a crash left this; the %d bytes behind it were never promised to anybody, and the next start drops them", why, end-at)
		return errStop
	}
	next, known, err := c.resume(f, at)
	if err != nil {
		return err
	}
	switch {
	case known:
		c.damagedAt(f, at, entry, has, "%s, and a record follows at offset %d", why, next)
		f.sc = f.Records(next)
		return nil
	case durable > at:
		c.damagedAt(f, at, entry, has, "%s, but records up to offset %d were durable", why, durable)
	case durable == finished:
		c.damagedAt(f, at, entry, has, "%s, and more than zeros follow in a file that was finished", why)
	default:
		c.at(Suspicious, "torn-tail", logdir.ValueName(f.ID), at, "%s, and no record follows: a crash left this, and the next start drops the %d bytes behind it", why, end-at)
	}
	return errStop
}

// finished stands for the end of a file that was synced as a whole.
const finished = -1

// durableBehind returns up to where records of a file are proven to have been
// on disk, if that is behind at; finished if this library finished the file;
// and else 0.
func (c *groupCheck) durableBehind(f *fileWalk, at int64, entry logdir.Checksum, has bool) int64 {
	to := c.durableTo(f)
	if has && !entry.Intent {
		to = max(to, entry.End())
	}
	if next, ok := f.sums.Peek(); ok && !next.Intent && next.Offset > at {
		to = max(to, next.End())
	}
	if to > at {
		return to
	}
	if c.s.Own() && f.ID < c.s.Note.File || c.s.Own() && f.ID < c.s.Current() {
		return finished
	}
	return 0
}

// damagedAt reports damage where a record should begin, and takes its
// instance for present if it is known.
func (c *groupCheck) damagedAt(f *fileWalk, at int64, entry logdir.Checksum, has bool, format string, args ...any) {
	if instance, ok := c.instanceAt(f, at, entry, has); ok {
		here := logdir.Location{File: f.ID, Offset: at, CRC: entry.Sampled}
		c.atRecord(Damaged, "record", here, instance, format, args...)
		c.standIn(instance, here)
		return
	}
	c.at(Damaged, "record", logdir.ValueName(f.ID), at, format, args...)
}

func (c *groupCheck) standInAt(f *fileWalk, at int64, entry logdir.Checksum, has bool) {
	if instance, ok := c.instanceAt(f, at, entry, has); ok {
		c.standIn(instance, logdir.Location{File: f.ID, Offset: at, CRC: entry.Sampled})
	}
}

// instanceAt says whose record was at an offset: the sidecar knows, or the
// index.
func (c *groupCheck) instanceAt(f *fileWalk, at int64, entry logdir.Checksum, has bool) (uint64, bool) {
	if has {
		return entry.Instance, true
	}
	w := &c.walk
	if w.indexed && w.indexOK && w.indexAt.File == f.ID && w.indexAt.Offset == at {
		return w.instance, true
	}
	if c.cur != nil && c.cur.Valid && c.cur.OK && c.cur.At.File == f.ID && c.cur.At.Offset == at {
		return c.cur.Instance, true
	}
	return 0, false
}

// resume finds the next record behind damage: by the sidecar, by the index,
// and last by its looks.
func (c *groupCheck) resume(f *fileWalk, at int64) (next int64, ok bool, err error) {
	for e, more := f.sums.Peek(); more; e, more = f.sums.Peek() {
		if e.Offset > at {
			rec, err := f.Records(e.Offset).Next()
			if err == nil && e.Matches(rec) {
				return e.Offset, true, nil
			}
		}
		f.sums.For(e.Offset)
	}
	last := uint64(0)
	if c.walk.some {
		last = c.walk.instance
	}
	if c.index != nil {
		x := c.index.Ascend(last)
		defer x.Close()
		for ; x.Valid && (!x.OK || x.At.File <= f.ID); x.Next() {
			if x.OK && x.At.File == f.ID && x.At.Offset > at && f.ValidAt(x.At.Offset) {
				return x.At.Offset, true, nil
			}
		}
	}
	next, err = f.RecordBehind(at, last)
	return next, next >= 0, err
}

// endFile reports what the sidecar of a file lacks.
func (c *groupCheck) endFile(f *fileWalk) error {
	f.sums.For(int64(^uint32(0))) // to its end, so that every entry was read
	if err := f.sums.Err(); err != nil {
		return err
	}
	name := logdir.SidecarName(f.ID)
	lost := uint64(0)
	if f.sums.Damaged > 0 {
		text := "%d entries from here on cannot be read: their records have only the original's checksum"
		if n := c.s.Note; c.s.Own() && n.File == f.ID && f.sums.FirstBad >= n.Entries*logdir.ChecksumBytes {
			text = "%d entries behind the note cannot be read: a crash left this, and the next start makes them again"
		}
		c.at(Suspicious, "sidecar", name, f.sums.FirstBad, text, f.sums.Damaged)
		lost = uint64(f.sums.Damaged)
	}
	n := c.s.Note
	noted := int64(0) // entries that the note knows of
	if c.s.Own() && n.File == f.ID {
		noted = n.Entries
	}
	switch {
	case !f.sums.Exists() && (noted > 0 || f.bare > 0):
		c.at(Suspicious, "sidecar", name, 0, "the file is missing: %d records have only the original's checksum", max(f.bare, uint64(noted)))
	case f.sums.Exists() && f.sums.Size() < noted*logdir.ChecksumBytes:
		c.at(Suspicious, "sidecar", name, f.sums.Size(), "the file ends here, the note knows of %d entries: their records have only the original's checksum", noted)
	case f.bare > lost:
		c.atRecord(Suspicious, "sidecar", f.bareAt, f.bareIns, "%d records from here on have no CRC-32C in %s, only the original's checksum", f.bare, name)
	}
	return nil
}
