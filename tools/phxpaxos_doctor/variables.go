package main

import (
	"errors"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
)

// checkVariables reads MINCHOSEN, membership and master. Whether they are
// what the log says comes out when the log was walked.
func (c *groupCheck) checkVariables() {
	if c.index == nil {
		return
	}
	if value, ok := c.variable("min-chosen", storage.MinChosen); ok {
		c.readMinChosen(value)
	}
	if value, ok := c.variable("members", storage.SystemVariables); ok {
		c.readSystem(value)
	}
	if value, ok := c.variable("master", storage.MasterVariables); ok {
		c.readMaster(value)
	}
}

func (c *groupCheck) variable(check string, name storage.Variable) ([]byte, bool) {
	value, err := c.index.Variable(name)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, false
	}
	if err != nil {
		c.found(Damaged, check, "%s cannot be read: %v", variableNames[name], err)
		return nil, false
	}
	return value, true
}

func (c *groupCheck) readMinChosen(value []byte) {
	value, err := logdir.ReadMinChosen(value, func(at logdir.Location) ([]byte, error) {
		f, err := logdir.OpenFile(c.path, at.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		rec, err := f.Records(at.Offset).Next()
		return slices.Clone(rec.Data), err
	})
	if err != nil {
		c.found(Damaged, "min-chosen", "MINCHOSEN cannot be read: %v", err)
		return
	}
	c.minChosen = logdir.MinChosen(value)
	c.rep.MinChosen = c.minChosen
}

func (c *groupCheck) readSystem(value []byte) {
	var v wire.SystemVariables
	if err := wire.DecodeSystemVariables(value, &v); err != nil {
		c.found(Damaged, "members", "SYSTEMVARIABLES of %d bytes cannot be decoded: %v", len(value), err)
		return
	}
	c.rep.Cluster = v.Cluster
	for _, id := range v.Members {
		c.rep.Members = append(c.rep.Members, id.String())
	}
	c.system = versioned{at: v.Version, known: hasVersion(v.Version)}
	if c.system.known {
		c.rep.MembersAt = pointer(v.Version)
	}
	if v.Cluster != 0 && len(v.Members) == 0 {
		c.found(Suspicious, "members", "there is a cluster id, but no member: the group can never decide anything")
	}
	if len(paxos.NewMembership(v.Members)) != len(v.Members) || slices.Contains(v.Members, nodeid.None) {
		c.found(Suspicious, "members", "a member is there twice, or is nobody: %v", c.rep.Members)
	}
}

func (c *groupCheck) readMaster(value []byte) {
	var v wire.MasterVariables
	if err := wire.DecodeMasterVariables(value, &v); err != nil {
		c.found(Damaged, "master", "MASTERVARIABLES of %d bytes cannot be decoded: %v", len(value), err)
		return
	}
	if v.Master != nodeid.None {
		c.rep.Master = v.Master.String()
	}
	c.master = versioned{at: v.Version, known: hasVersion(v.Version)}
	if c.master.known {
		c.rep.MasterAt = pointer(v.Version)
	}
}

// compareVersions compares the stored variables with the value that set them.
func (c *groupCheck) compareVersions(r *paxos.Record) {
	if !(c.system.known && r.Instance == c.system.at) && !(c.master.known && r.Instance == c.master.at) {
		return
	}
	system, master := false, false
	eachValue(r.Value, func(id sm.ID, body []byte) {
		switch id {
		case sm.System:
			var v wire.SystemVariables
			if wire.DecodeSystemVariables(body, &v) == nil {
				system = v.Cluster == c.rep.Cluster && sameMembers(v.Members, c.rep.Members)
			}
		case sm.Master:
			var o wire.MasterOperator
			if wire.DecodeMasterOperator(body, &o) == nil {
				master = o.Node.String() == c.rep.Master
			}
		}
	})
	c.system.note(r.Instance, system)
	c.master.note(r.Instance, master)
}

func sameMembers(ids []nodeid.ID, names []string) bool {
	return slices.EqualFunc(ids, names, func(id nodeid.ID, name string) bool { return id.String() == name })
}

// eachValue calls fn for a value, or for the values of a batch.
func eachValue(value []byte, fn func(id sm.ID, body []byte)) {
	id, body, ok := wire.SplitValue(value)
	if !ok {
		return
	}
	if id != sm.Batch {
		fn(id, body)
		return
	}
	entries, err := wire.DecodeBatch(body, nil)
	if err != nil {
		return
	}
	for _, e := range entries {
		fn(e.SM, e.Value)
	}
}

// checkVersions reports variables that the log contradicts.
func (c *groupCheck) checkVersions() {
	if v := c.system; v.seen && !v.agrees {
		c.rep.add(Finding{Severity: Suspicious, Check: "members", Instance: &v.at,
			Text: "the stored cluster id or membership is not what this instance set: it was changed by hand, or comes from another cluster"})
	}
	if v := c.master; v.seen && !v.agrees {
		c.rep.add(Finding{Severity: Suspicious, Check: "master", Instance: &v.at,
			Text: "the stored master is not the one that this instance elected"})
	}
}
