package sim

import (
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// logCheck holds the one log that all nodes of a group must have.
//
//   - Agreement: one value per instance, in every final record.
//   - Chain: one checksum per instance, and it is the chain of the values.
//   - Order: every node executes the same entries in the same order, none left
//     out, and only of instances that a durable quorum voted for.
//   - Once: nothing is executed twice, unless its caller retried it.
//   - Acknowledged: a value stays at the place at which it was acknowledged.
//   - Refused: a value that was refused for certain never shows up.
type logCheck struct {
	r       *reporter
	group   int
	votes   *voteCheck
	final   map[uint64]finalRecord
	entries []entry
	where   map[uint64]int // id of a value -> its first place in entries
	retried map[uint64]bool
	refused map[uint64]bool
}

type finalRecord struct {
	hash     uint64
	checksum uint32
	node     int
}

type entry struct {
	instance uint64
	index    int
	hash     uint64
	id       uint64
}

func newLogCheck(r *reporter, group int, votes *voteCheck) *logCheck {
	return &logCheck{
		r: r, group: group, votes: votes, final: map[uint64]finalRecord{},
		where: map[uint64]int{}, retried: map[uint64]bool{}, refused: map[uint64]bool{},
	}
}

// record takes a record in its final form, as a node's storage has it.
func (c *logCheck) record(node int, rec *paxos.Record) {
	hash := bytesHash(rec.Value)
	if rec.Accepted.IsNull() {
		c.r.fail("agreement", "group %d: node %d has a final record of instance %d without a value", c.group, node, rec.Instance)
		return
	}
	if want, ok := c.votes.chosen(rec.Instance); ok && want != hash {
		c.r.fail("agreement", "group %d instance %d: node %d keeps a value that its quorum did not vote for", c.group, rec.Instance, node)
		return
	}
	known, ok := c.final[rec.Instance]
	if !ok {
		c.final[rec.Instance] = finalRecord{hash, rec.Checksum, node}
		c.chain(node, rec)
		return
	}
	if known.hash != hash {
		c.r.fail("agreement", "group %d instance %d: nodes %d and %d keep different values", c.group, rec.Instance, known.node, node)
		return
	}
	if rec.Checksum != 0 && known.checksum != 0 && rec.Checksum != known.checksum {
		c.r.fail("chain", "group %d instance %d: checksum %08x at node %d, %08x at node %d",
			c.group, rec.Instance, known.checksum, known.node, rec.Checksum, node)
	}
	if known.checksum == 0 {
		c.final[rec.Instance] = finalRecord{hash, rec.Checksum, node}
	}
}

// chain compares a record's checksum with that of the instance before.
func (c *logCheck) chain(node int, rec *paxos.Record) {
	var last uint32
	if rec.Instance > 0 {
		before, ok := c.final[rec.Instance-1]
		if !ok || before.checksum == 0 {
			return
		}
		last = before.checksum
	}
	want := paxos.ChainChecksum(rec.Instance, last, rec.Value)
	if rec.Checksum != 0 && rec.Checksum != want {
		c.r.fail("chain", "group %d instance %d: node %d has checksum %08x, the chain gives %08x",
			c.group, rec.Instance, node, rec.Checksum, want)
	}
}

// executed takes an entry that a node executes as its at-th one of this life.
func (c *logCheck) executed(node, at int, e sm.Entry, id uint64) {
	this := entry{e.Instance, e.Index, bytesHash(e.Value), id}
	if at < len(c.entries) {
		if want := c.entries[at]; want != this {
			c.r.fail("order", "group %d: entry %d of node %d is value %d of instance %d index %d, elsewhere it is value %d of instance %d index %d",
				c.group, at, node, this.id, this.instance, this.index, want.id, want.instance, want.index)
		}
		return
	}
	if n := len(c.entries); n > 0 {
		last := c.entries[n-1]
		if this.instance < last.instance || this.instance == last.instance && this.index <= last.index {
			c.r.fail("order", "group %d: node %d executes instance %d index %d behind instance %d index %d",
				c.group, node, this.instance, this.index, last.instance, last.index)
			return
		}
	}
	if _, ok := c.votes.chosen(e.Instance); !ok {
		c.r.fail("agreement", "group %d instance %d: node %d executes what no durable quorum voted for", c.group, e.Instance, node)
		return
	}
	c.entries = append(c.entries, this)
	if id == 0 {
		return
	}
	if c.refused[id] {
		c.r.fail("refused", "group %d: value %d was refused for certain, yet it is executed at instance %d", c.group, id, e.Instance)
	}
	if first, ok := c.where[id]; !ok {
		c.where[id] = len(c.entries) - 1
	} else if !c.retried[id] {
		c.r.fail("once", "group %d: value %d is executed at instance %d and again at instance %d",
			c.group, id, c.entries[first].instance, e.Instance)
	}
}

// through is how many entries there are of instances up to the given one.
func (c *logCheck) through(instance uint64) int {
	at, _ := slices.BinarySearchFunc(c.entries, instance, func(e entry, i uint64) int {
		if e.instance <= i {
			return -1
		}
		return 1
	})
	return at
}

// acknowledged takes a call that ended well at a node that has executed at
// entries so far, and returns its place among them.
func (c *logCheck) acknowledged(node, at int, id, instance uint64, index int) (place int) {
	for i := range at {
		// From the newest: an acknowledged value has just been executed.
		e := &c.entries[at-1-i]
		if e.instance < instance {
			break
		}
		if e.instance == instance && e.index == index && e.id == id {
			return at - 1 - i
		}
	}
	c.r.fail("acknowledged", "group %d: node %d acknowledged value %d at instance %d index %d and has not executed it there",
		c.group, node, id, instance, index)
	return 0
}

// refuse takes a call that ended with the promise that its value was chosen
// nowhere.
func (c *logCheck) refuse(id uint64) {
	if _, ok := c.where[id]; ok {
		c.r.fail("refused", "group %d: value %d was refused for certain, yet it is in the log", c.group, id)
	}
	c.refused[id] = true
}

// retry takes a value whose call ended without a known outcome and that is
// proposed again.
func (c *logCheck) retry(id uint64) { c.retried[id] = true }

// place returns where in the log a value was executed first.
func (c *logCheck) place(id uint64) (at int, ok bool) {
	at, ok = c.where[id]
	return at, ok
}
