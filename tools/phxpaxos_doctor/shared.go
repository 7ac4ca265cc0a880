package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// complaints is what a shared log says while it is opened.
type complaints []event.Event

func (c *complaints) Observe(e event.Event) { *c = append(*c, e) }

// examineShared looks at a shared log. Opening it verifies every byte; then
// the newest record of each instance is read.
func examineShared(ctx context.Context, dir string, p *gauge) (*Report, error) {
	r := &Report{Dir: dir, Layout: layout.Shared.String(), Groups: []*GroupReport{}, Findings: []Finding{}}
	var said complaints
	s, err := openWhole(dir, &said)
	if errors.Is(err, storage.ErrNewerFormat) {
		r.newer(nil, err)
		r.conclude()
		return r, nil
	}
	if errors.Is(err, storage.ErrDamaged) {
		r.Findings = append(r.Findings, Finding{Severity: Damaged, Check: "record", Text: err.Error()})
		r.conclude()
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for g := range s.Groups() {
		p.beginGroup(g, s.Groups(), 1)
		c := &sharedCheck{s: s, rep: &GroupReport{Group: g, Files: []int{}, Members: []string{}, Findings: []Finding{}}}
		c.examine(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.Groups = append(r.Groups, c.rep)
	}
	r.weigh(s, said)
	r.compareGroups()
	if err := r.checkOwner(dir); err != nil {
		return nil, err
	}
	r.conclude()
	return r, nil
}

// openWhole opens a log with all groups that are in it.
func openWhole(dir string, said *complaints) (*sharedlog.Store, error) {
	s, err := sharedlog.Open(dir, 1, sharedlog.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	groups := max(1, s.Found())
	if err := s.Close(); err != nil {
		return nil, err
	}
	return sharedlog.Open(dir, groups, sharedlog.Options{ReadOnly: true, Observer: said})
}

// weigh judges what was found in the bytes: it is damage if a node would miss
// it.
func (r *Report) weigh(s *sharedlog.Store, said complaints) {
	for _, e := range said {
		f := Finding{Severity: Damaged, Check: "crc32c", Text: e.Err.Error()}
		switch {
		case e.Kind == event.IndexReadFail:
			f.Severity, f.Check = Suspicious, "index"
			f.Text += "; the next start makes it again"
		case e.Kind != event.RecordDamaged:
			continue
		case e.Group >= 0 && e.Group < s.Groups() && s.Err(e.Group) == nil:
			if _, err := s.Read(e.Group, e.Instance, nil); err == nil {
				f.Severity = Suspicious
				f.Text += "; a newer record has taken its place"
			}
		}
		r.Findings = append(r.Findings, f)
	}
}

// sharedCheck is the examination of one group of a shared log.
type sharedCheck struct {
	s   *sharedlog.Store
	rep *GroupReport

	groupCheck // for the variables and what they are compared with
	promised   paxos.Ballot
	sum        uint32
	next       uint64
}

func (c *sharedCheck) examine(ctx context.Context) {
	c.groupCheck.rep = c.rep
	g := c.rep.Group
	if err := c.s.Err(g); err != nil {
		c.found(Damaged, "record", "the group does not start: %v", err)
		return
	}
	c.rep.Closed = c.s.Closed()
	c.sharedVariables()
	var buf []byte
	for from := uint64(0); ctx.Err() == nil; from++ {
		instance, err := c.s.Next(g, from)
		if errors.Is(err, storage.ErrNotFound) {
			break
		}
		if err != nil {
			c.found(Damaged, "index", "%v", err)
			return
		}
		from = instance
		if buf, err = c.s.Read(g, instance, buf); err != nil {
			c.rep.add(Finding{Severity: Damaged, Check: "crc32c", Instance: &instance, Text: err.Error()})
			c.sum, c.next = 0, instance+1
			continue
		}
		c.record(instance, buf)
	}
	if !c.promised.IsNull() {
		c.rep.Promised = c.promised.String()
	}
	if c.rep.Last != nil && c.minChosen > *c.rep.Last+1 {
		c.found(Note, "min-chosen", "MINCHOSEN is %d, behind the last instance %d: state machines are ahead of the log", c.minChosen, *c.rep.Last)
	}
	c.checkVersions()
}

// sharedVariables reads MINCHOSEN, membership and master.
func (c *sharedCheck) sharedVariables() {
	checks := map[storage.Variable]string{storage.MinChosen: "min-chosen", storage.SystemVariables: "members", storage.MasterVariables: "master"}
	for name := storage.MinChosen; name <= storage.MasterVariables; name++ {
		value, err := c.s.Variable(c.rep.Group, name)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			c.found(Damaged, checks[name], "%s cannot be read: %v", variableNames[name], err)
		case name == storage.SystemVariables:
			c.readSystem(value)
		case name == storage.MasterVariables:
			c.readMaster(value)
		default:
			c.minChosen = binary.LittleEndian.Uint64(value)
			c.rep.MinChosen = c.minChosen
		}
	}
}

// record examines what the newest record of an instance says.
func (c *sharedCheck) record(instance uint64, data []byte) {
	r := &c.last
	file, offset, _ := c.s.Locate(c.rep.Group, instance)
	at := func(s Severity, check, format string, args ...any) {
		c.rep.add(Finding{Severity: s, Check: check, File: filepath.Base(file), Offset: &offset, Instance: &instance, Text: fmt.Sprintf(format, args...)})
	}
	c.rep.Records++
	c.rep.Instances++
	c.rep.Bytes += int64(len(data))
	c.rep.Checksums.Full++
	if c.rep.First == nil {
		c.rep.First = pointer(instance)
	} else if instance > c.next {
		at(Damaged, "gap", "%s%s missing in front of it", span(c.next, instance-1), verb(c.next, instance-1, " is", " are"))
		c.sum = 0
	}
	c.rep.Last, c.next = pointer(instance), instance+1
	if err := wire.DecodeRecord(data, r); err != nil || r.Instance != instance {
		at(Damaged, "record", "it cannot be decoded, or is of instance %d: %v", r.Instance, err)
		c.sum = 0
		return
	}
	if r.Promised.Less(c.promised) {
		at(Damaged, "promise", "the promise is %v, it was %v before", r.Promised, c.promised)
	} else {
		c.promised = r.Promised
	}
	if r.Promised.Less(r.Accepted) {
		at(Damaged, "promise", "accepted %v above the promise %v", r.Accepted, r.Promised)
	}
	if want := paxos.ChainChecksum(r.Instance, c.sum, r.Value); want != 0 && r.Checksum != 0 {
		if want == r.Checksum {
			c.rep.Checksums.Chained++
		} else {
			at(Damaged, "chain", "the chain of values is %08x here, the record says %08x", want, r.Checksum)
		}
	}
	c.sum = r.Checksum
	c.compareVersions(r)
}
