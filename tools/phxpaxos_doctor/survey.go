package main

import (
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// checkSurvey examines what lies beside the index: meta, the note, and which
// files there are.
func (c *groupCheck) checkSurvey() {
	s := c.s
	c.rep.Files = append(c.rep.Files, s.Files...)
	c.rep.Original = s.HasLog
	c.rep.Closed = s.Own() && s.Note.Clean
	for _, name := range s.Leftovers {
		c.found(Suspicious, "layout", "%s is left of a transfer that was cut short; it can be removed", name)
	}
	c.checkNote()
	c.checkMeta()
	c.checkFiles()
}

// checkNote examines the two slots of the note.
func (c *groupCheck) checkNote() {
	s := c.s
	for _, slot := range s.Slots {
		switch {
		case slot.OK:
		case slot.Used && s.HasNote:
			c.at(Suspicious, "note", logdir.NoteName, slot.Offset, "this slot is damaged; the other one is whole and is used, so the next start scans more")
		case slot.Used:
			c.at(Suspicious, "note", logdir.NoteName, slot.Offset, "this slot is damaged and the other one too: the next start cannot tell what was durable, and drops the CRC-32Cs")
		case s.HasNote && s.Note.Seq > 1:
			c.at(Suspicious, "note", logdir.NoteName, slot.Offset, "this slot is empty, though note %d is in the other one", s.Note.Seq)
		}
	}
	if s.HasNote {
		if !s.Own() {
			c.found(Note, "note", "an original node has been here since this library wrote: what it wrote has only its own checksums")
		} else if s.Note.Cutting {
			c.at(Suspicious, "note", logdir.NoteName, s.Slots[s.Note.Seq%2].Offset, "a removal of the newest instance was cut short; the next start ends it")
		}
		return
	}
	if len(s.Sidecars) > 0 {
		c.at(Suspicious, "note", logdir.NoteName, 0, "there is no note, but there are files of checksums: the next start cannot tell what was durable, and drops them")
	} else if c.native() && len(s.Files) > 0 {
		c.at(Suspicious, "note", logdir.NoteName, 0, "there is neither a note of this library nor the LOG of an original node: the directory is not complete")
	}
}

func (c *groupCheck) checkMeta() {
	s := c.s
	if !s.MetaOK {
		c.at(Suspicious, "meta", logdir.MetaName, 0, "its %d bytes do not match their checksum; the next start takes the newest file, %d.f, as the current one", s.MetaBytes, s.Current())
		return
	}
	if s.MetaBytes > 0 && s.MetaBytes < 8 {
		c.at(Suspicious, "meta", logdir.MetaName, 0, "it has %d bytes instead of 8, so that nothing vouches for file %d, which it names", s.MetaBytes, s.Meta)
	}
	if n := len(s.Files); n > 0 && s.Files[n-1] > s.Meta {
		c.at(Damaged, "meta", logdir.MetaName, 0, "it names file %d, but there is %d.f", s.Meta, s.Files[n-1])
	}
	if s.Own() && s.Meta < s.Note.File {
		c.at(Damaged, "meta", logdir.MetaName, 0, "it names file %d, but file %d was in use", s.Meta, s.Note.File)
	}
}

// checkFiles looks for value files that are not there. What the index knows
// of them comes later.
func (c *groupCheck) checkFiles() {
	s := c.s
	missing := func(sev Severity, id int, format string, args ...any) {
		c.at(sev, "value-file", logdir.ValueName(id), 0, "the file is missing"+format, args...)
	}
	for i := 1; i < len(s.Files); i++ {
		for id := s.Files[i-1] + 1; id < s.Files[i]; id++ {
			missing(Damaged, id, ", though %d.f and %d.f are there", s.Files[i-1], s.Files[i])
		}
	}
	if s.HasFile(s.Current()) {
		return
	}
	highest := -1
	if len(s.Files) > 0 {
		highest = s.Files[len(s.Files)-1]
	}
	switch {
	case s.Own() && s.Note.Offset > 0 && highest < s.Note.File:
		missing(Damaged, s.Note.File, ", though records up to offset %d of it were durable", s.Note.Offset)
	case highest < s.Current()-1:
		missing(Damaged, s.Current()-1, ", though meta names file %d", s.Current())
	case s.Current() > 0:
		missing(Suspicious, s.Current(), ": a crash came before it was made; the next start makes it")
	}
}
