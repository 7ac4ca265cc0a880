package main

import (
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// beginInstance turns to an instance, if it is not the one under way.
func (c *groupCheck) beginInstance(instance uint64) {
	w := &c.walk
	if w.some && w.instance == instance {
		return
	}
	c.endInstance()
	for c.cur != nil && c.cur.Valid && c.cur.Instance < instance {
		c.orphan(c.cur.Instance, c.cur.At, c.cur.OK)
		c.cur.Next()
	}
	w.prevSum = 0
	if w.some && w.instance+1 == instance {
		w.prevSum = w.sum
	}
	w.some, w.instance, w.sum, w.older = true, instance, 0, false
	w.newest = logdir.Location{File: -1}
	w.indexed = c.cur != nil && c.cur.Valid && c.cur.Instance == instance
	if w.indexed {
		w.indexAt, w.indexOK = c.cur.At, c.cur.OK
		c.cur.Next()
	}
}

// endInstance decides whether a node can read the instance under way.
func (c *groupCheck) endInstance() {
	w := &c.walk
	if !w.some {
		return
	}
	scanned := !w.newest.Before(c.from.File, c.from.Offset)
	switch {
	case c.index == nil:
		c.cover(w.instance, true)
	case w.indexed && !w.indexOK:
		c.atRecord(Damaged, "index-entry", w.newest, w.instance, "its record is here, but what the index has is no location")
		c.cover(w.instance, false)
	case w.indexed && w.indexAt.File == w.newest.File && w.indexAt.Offset == w.newest.Offset:
		c.cover(w.instance, true)
	case scanned:
		c.rep.ToBeIndex++
		c.cover(w.instance, true)
	case w.indexed && w.older:
		c.atRecord(Damaged, "index-entry", w.newest, w.instance, "the newest record is here, the index points to an older one in %s at offset %d", logdir.ValueName(w.indexAt.File), w.indexAt.Offset)
		c.cover(w.instance, false)
	case w.indexed:
		c.atRecord(Damaged, "index-entry", w.newest, w.instance, "the newest record is here, the index points to %s at offset %d, where there is none of it", logdir.ValueName(w.indexAt.File), w.indexAt.Offset)
		c.cover(w.instance, false)
	case !c.hasKey || w.instance < c.firstKey || w.instance < c.minChosen:
		// trimmed: the file stays until all of it can go
	default:
		c.atRecord(Damaged, "gap", w.newest, w.instance, "its record is here, but the index has no entry for it: it was deleted by hand, or the index lost it")
		c.cover(w.instance, false)
	}
}

// headSlack is how far MINCHOSEN on the disk of an original node may lag
// behind what was deleted (spec/storage-api.md section 3.2).
const headSlack = 101

// cover notes an instance that is there; readable is false if it is damaged,
// which was reported. Instances come in rising order.
func (c *groupCheck) cover(instance uint64, readable bool) {
	w := &c.walk
	expected := c.minChosen
	if w.covered {
		expected = max(expected, w.coveredTo+1)
	}
	if instance > expected {
		c.gap(expected, instance-1, !w.covered)
	}
	w.covered, w.coveredTo = true, instance
	if !readable {
		return
	}
	c.rep.Instances++
	if c.rep.First == nil {
		c.rep.First = pointer(instance)
	}
	c.rep.Last = pointer(instance)
}

// gap reports instances that are neither in the index nor in the files.
func (c *groupCheck) gap(first, last uint64, head bool) {
	sev := Damaged
	text := span(first, last) + verb(first, last, " is", " are") + " missing"
	if head {
		if !c.native() && last-first < headSlack {
			return
		}
		// A node takes them for cleaned, and MINCHOSEN for late.
		sev = Suspicious
		text += " at the beginning, though MINCHOSEN says that the log holds " + verb(first, last, "it", "them")
	}
	c.rep.add(Finding{Severity: sev, Check: "gap", Instance: &first, Text: text})
}

// endWalk looks at what only the whole shows.
func (c *groupCheck) endWalk() {
	w := &c.walk
	if !w.promised.IsNull() {
		c.rep.Promised = w.promised.String()
	}
	n := c.s.Note
	if c.s.Own() && n.HasLast && !w.lastOfNote && c.s.HasFile(n.Last.At.File) {
		c.atRecord(Damaged, "note", logdir.Location{File: n.Last.At.File, Offset: n.Last.At.Offset}, n.Last.Instance,
			"the note says that the last durable record is here, but there is none")
	}
	if c.index != nil && !c.hasKey && c.rep.Records > 0 && !c.s.Own() {
		c.found(Suspicious, "index-lost", "it is empty, and the value files hold %d records: the next start makes it again from them; membership, master and MINCHOSEN are in the index alone and may be lost", c.rep.Records)
	}
	if c.index != nil && c.hasKey && c.rep.Instances == 0 && c.rep.Records == 0 && c.firstKey >= c.minChosen {
		c.found(Damaged, "record", "the index has instances, and the value files hold no record at all")
	}
	if w.covered && c.minChosen > w.coveredTo+1 {
		c.found(Note, "min-chosen", "MINCHOSEN is %d, behind the last instance %d: state machines are ahead of the log", c.minChosen, w.coveredTo)
	}
}
