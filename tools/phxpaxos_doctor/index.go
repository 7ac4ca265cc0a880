package main

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// openIndex opens the index and verifies its journals. An index that cannot
// be read is damage; the value files are examined without it.
func (c *groupCheck) openIndex() error {
	faults, err := logdir.CheckJournals(c.path)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	for _, f := range faults {
		if f.Tail && c.rep.Closed {
			c.at(Damaged, "index", f.File, f.Offset, "%s, though the store was closed in order; what was written there is dropped, and it may be a variable", f.Why)
		} else if f.Tail {
			c.at(Suspicious, "index", f.File, f.Offset, "%s, and nothing whole follows: this is what a crash leaves", f.Why)
		} else {
			c.at(Damaged, "index", f.File, f.Offset, "%s; LevelDB drops what was written there, also variables", f.Why)
		}
	}
	if c.index, err = logdir.OpenIndex(c.path); err == nil {
		err = c.findStart()
	}
	if err != nil && !errors.Is(err, storage.ErrDamaged) {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	if err != nil {
		c.loseIndex(err)
	}
	return nil
}

// loseIndex goes on without the index.
func (c *groupCheck) loseIndex(err error) {
	c.found(Damaged, "index", "it cannot be read: %v", err)
	if c.index != nil {
		c.index.Close()
	}
	c.index, c.cur = nil, nil
	c.from = logdir.Position{File: c.s.Oldest()}
}

// findStart finds out where the next start scans from, and what the index
// has.
func (c *groupCheck) findStart() error {
	first := c.index.Ascend(0)
	c.firstKey, c.hasKey = first.Instance, first.Valid
	err := first.Err()
	first.Close()
	if err != nil {
		return err
	}
	from, emptied, err := c.s.Start(c.index)
	if err != nil {
		return err
	}
	c.from = from
	if emptied {
		c.found(Suspicious, "index-lost", "it lacks instance %d, which was in it: the next start makes it again from all value files; membership, master and MINCHOSEN are in the index alone and may be lost", c.s.Note.Last.Instance)
	}
	return nil
}

// orphanRun gathers neighbouring instances that the index has and the value
// files have not.
type orphanRun struct {
	some        bool
	missing     bool // the whole file is
	first, last uint64
	at          logdir.Location // of the first
}

// orphan takes an entry of the index for which no record was found.
func (c *groupCheck) orphan(instance uint64, at logdir.Location, ok bool) {
	if instance < c.minChosen {
		return // trimmed; the entry goes next time
	}
	if !ok {
		c.rep.add(Finding{Severity: Damaged, Check: "index-entry", File: c.name, Instance: &instance, Text: "what the index has is no location"})
		c.cover(instance, false)
		return
	}
	missing := !c.s.HasFile(at.File)
	if !missing && !at.Before(c.from.File, c.from.Offset) {
		c.atRecord(Suspicious, "index-entry", at, instance, "the index points here, but the record never became durable; the next start drops the entry")
		return
	}
	c.cover(instance, false)
	r := &c.run
	if r.some && r.last+1 == instance && r.missing == missing && (!missing || r.at.File == at.File) {
		r.last = instance
		return
	}
	c.endRun()
	*r = orphanRun{some: true, missing: missing, first: instance, last: instance, at: at}
}

// endRun reports what was gathered.
func (c *groupCheck) endRun() {
	r := c.run
	c.run = orphanRun{}
	if !r.some {
		return
	}
	which := span(r.first, r.last)
	if r.missing {
		c.atRecord(Damaged, "value-file", r.at, r.first, "%s in this file, which is missing", which+verb(r.first, r.last, " was", " were"))
		return
	}
	c.atRecord(Damaged, "index-entry", r.at, r.first, "the index has %s, but the value files have not", which)
}

// span names one instance or several.
func span(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("instance %d", first)
	}
	return fmt.Sprintf("instances %d … %d", first, last)
}

func verb(first, last uint64, one, many string) string {
	if first == last {
		return one
	}
	return many
}
