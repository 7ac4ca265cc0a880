package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// examine looks at a storage directory. An error means that there is no
// verdict; damage is in the report.
func examine(ctx context.Context, dir string, p *gauge) (*Report, error) {
	if is, err := layout.Of(osfs.FS{}, dir); err != nil || is == layout.Shared {
		if err != nil {
			return nil, err
		}
		return examineShared(ctx, dir, p)
	}
	found, err := logdir.ReadLayout(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Dir: dir, Layout: layout.Original.String(), Groups: []*GroupReport{}, Findings: []Finding{}}
	r.checkLayout(found)
	for i, id := range found.Groups {
		g, err := examineGroup(ctx, dir, id, func(total int64) *gauge {
			p.beginGroup(i, len(found.Groups), total)
			return p
		})
		if errors.Is(err, storage.ErrNewerFormat) {
			r.newer(&id, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		r.Groups = append(r.Groups, g)
	}
	r.compareGroups()
	if err := r.checkOwner(dir); err != nil {
		return nil, err
	}
	r.conclude()
	return r, nil
}

// newer reports that a newer version wrote a group, or the whole log. Nothing
// else can be said of it.
func (r *Report) newer(group *int, err error) {
	r.Findings = append(r.Findings, Finding{Severity: Newer, Check: "format", Group: group, Text: err.Error()})
}

// checkLayout looks for groups that are not there, and for what a Clear left.
func (r *Report) checkLayout(l logdir.Layout) {
	found := func(s Severity, file, text string) {
		r.Findings = append(r.Findings, Finding{Severity: s, Check: "layout", File: file, Text: text})
	}
	highest := -1
	for _, ids := range [][]int{l.Groups, l.Backups, l.News} {
		if len(ids) > 0 {
			highest = max(highest, ids[len(ids)-1])
		}
	}
	for id := range highest + 1 {
		name := fmt.Sprintf("g%d", id)
		fresh, backup := slices.Contains(l.News, id), slices.Contains(l.Backups, id)
		switch _, is := slices.BinarySearch(l.Groups, id); {
		case is && fresh:
			found(Suspicious, name+".new", "a Clear did not get as far as replacing the log; the next start removes this")
		case is && backup:
			found(Note, name+".bak", "the log before the last Clear; nobody reads it")
		case is:
		case fresh:
			found(Suspicious, name, "a crash came between the two renames of a Clear; the next start puts "+name+".new in this place")
		case backup:
			found(Suspicious, name, "an original node died while it cleared the log; the next start puts "+name+".bak back")
		default:
			found(Damaged, name, "the group is missing, and with it what the node promised there")
		}
	}
}

// groupCheck is the examination of one group.
type groupCheck struct {
	ctx  context.Context
	p    *gauge
	rep  *GroupReport
	name string // g<i>
	path string
	s    *logdir.Survey

	index    *logdir.Index // nil if it cannot be read
	cur      *logdir.Cursor
	from     logdir.Position // the next start scans from here on
	firstKey uint64
	hasKey   bool

	system, master versioned
	minChosen      uint64

	walk walk
	run  orphanRun
	last paxos.Record // scratch
}

func examineGroup(ctx context.Context, dir string, id int, begin func(total int64) *gauge) (*GroupReport, error) {
	c := &groupCheck{
		ctx: ctx, name: fmt.Sprintf("g%d", id), path: logdir.GroupDir(dir, id),
		rep: &GroupReport{Group: id, Files: []int{}, Members: []string{}, Findings: []Finding{}},
	}
	lock, err := logdir.Lock(c.path)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if c.s, err = logdir.ReadSurvey(c.path); err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	c.checkSurvey()
	if err := c.openIndex(); err != nil {
		return nil, err
	}
	if c.index != nil {
		defer c.index.Close()
	}
	c.checkVariables()
	c.p = begin(c.bytes())
	if err := c.walkFiles(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	c.checkVersions()
	return c.rep, nil
}

// native reports whether no original node was ever here. Then every record
// has to keep what this library promises.
func (c *groupCheck) native() bool { return !c.s.HasLog }

// unless returns Suspicious where an original node may have done it, whose
// rules are weaker, and Damaged elsewhere.
func (c *groupCheck) unlessOriginal() Severity {
	if c.native() {
		return Damaged
	}
	return Suspicious
}

// found reports something about the group, at reports something in one of its
// files.
func (c *groupCheck) found(s Severity, check, format string, args ...any) {
	c.rep.add(Finding{Severity: s, Check: check, Text: fmt.Sprintf(format, args...)})
}

func (c *groupCheck) at(s Severity, check, file string, offset int64, format string, args ...any) {
	c.rep.add(Finding{
		Severity: s, Check: check, File: filepath.ToSlash(filepath.Join(c.name, file)), Offset: &offset,
		Text: fmt.Sprintf(format, args...),
	})
}

// atRecord reports something about a record.
func (c *groupCheck) atRecord(s Severity, check string, at logdir.Location, instance uint64, format string, args ...any) {
	c.rep.add(Finding{
		Severity: s, Check: check, File: c.name + "/" + logdir.ValueName(at.File), Offset: &at.Offset,
		Instance: &instance, Text: fmt.Sprintf(format, args...),
	})
}

// bytes is about how much there is to read.
func (c *groupCheck) bytes() int64 {
	total := int64(0)
	for _, id := range c.s.Files {
		if id == c.s.Current() {
			continue
		}
		if f, err := logdir.OpenFile(c.path, id); err == nil {
			total += f.Size
			f.Close()
		}
	}
	end := int64(0)
	if c.s.HasNote && c.s.Note.File == c.s.Current() {
		end = c.s.Note.Offset
	}
	if c.index != nil {
		if d := c.index.Descend(); d.Valid && d.OK && d.At.File == c.s.Current() {
			end = max(end, d.At.Offset)
			d.Close()
		} else {
			d.Close()
		}
	}
	return total + end
}

// compareGroups looks for groups that came from somewhere else.
func (r *Report) compareGroups() {
	found := func(format string, args ...any) {
		r.Findings = append(r.Findings, Finding{Severity: Suspicious, Check: "cluster", Text: fmt.Sprintf(format, args...)})
	}
	seen := map[uint64]int{}
	var first *GroupReport // with members
	for _, g := range r.Groups {
		if g.Cluster == 0 {
			continue
		}
		if other, ok := seen[g.Cluster]; ok {
			found("groups %d and %d have the same cluster id %d, which is made at random for each: one may be a copy of the other", other, g.Group, g.Cluster)
		} else {
			seen[g.Cluster] = g.Group
		}
		if first == nil && len(g.Members) > 0 {
			first = g
		} else if first != nil && len(g.Members) > 0 && !slices.ContainsFunc(g.Members, func(m string) bool { return slices.Contains(first.Members, m) }) {
			found("groups %d and %d have no member in common: one may come from another cluster", first.Group, g.Group)
		}
	}
}

// versioned is a variable that says which instance set it.
type versioned struct {
	at     uint64
	known  bool // it was set by an instance
	seen   bool // the newest record of that instance was read
	agrees bool // and holds the same
}

// note remembers what the newest record of the instance says.
func (v *versioned) note(instance uint64, agrees bool) {
	if v.known && instance == v.at {
		v.seen, v.agrees = true, agrees
	}
}

var variableNames = map[storage.Variable]string{
	storage.MinChosen: "MINCHOSEN", storage.SystemVariables: "SYSTEMVARIABLES", storage.MasterVariables: "MASTERVARIABLES",
}

// hasVersion reports whether a version is that of an instance.
func hasVersion(v uint64) bool { return v != wire.NoVersion }
