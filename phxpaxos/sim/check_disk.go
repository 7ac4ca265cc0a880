package sim

import (
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// diskCheck knows what a node's disk holds of one group for certain: every
// record whose write has returned and that it or a later record synced.
//
//   - P2: no record carries a lower promise than an earlier one.
//   - After a crash every durable record is there, in its durable form or in
//     a later one that was on its way.
type diskCheck struct {
	r     *reporter
	group int
	node  int
	id    nodeid.ID

	last     paxos.Ballot // promise of the newest record handed to the disk
	queue    []issuedRecord
	unsynced []issuedRecord // written, not known to be durable

	promise paxos.Ballot            // highest durable one
	durable map[uint64]issuedRecord // by instance, the newest durable one
	maybe   map[uint64][]uint64     // by instance, hashes of records that may have replaced it
	top     uint64                  // highest durable instance
	cleaned uint64                  // what is below may be gone
	any     bool

	states map[ballotState]struct{} // what was durable at some time

	promises map[paxos.Ballot]nodeSet // of the group: who has promised a ballot durably
}

// ballotState is what a record says about ballots.
type ballotState struct {
	instance           uint64
	promised, accepted paxos.Ballot
}

type issuedRecord struct {
	instance uint64
	promised paxos.Ballot
	accepted paxos.Ballot
	hash     uint64 // of the value
	record   uint64 // of everything that has to be found again
	sync     bool
}

func newDiskCheck(r *reporter, group, node int, id nodeid.ID, promises map[paxos.Ballot]nodeSet) *diskCheck {
	return &diskCheck{r: r, group: group, node: node, id: id, promises: promises,
		durable: map[uint64]issuedRecord{}, maybe: map[uint64][]uint64{}, states: map[ballotState]struct{}{}}
}

func recordHash(rec *paxos.Record) uint64 {
	var d digest
	for _, v := range [...]uint64{rec.Instance, rec.Promised.Number, uint64(rec.Promised.Node),
		rec.Accepted.Number, uint64(rec.Accepted.Node), bytesHash(rec.Value), uint64(rec.Checksum)} {
		d.add(v)
	}
	return uint64(d)
}

// issued takes a record on its way to the disk.
func (c *diskCheck) issued(rec *paxos.Record, sync bool) {
	if rec.Promised.Less(c.last) {
		c.r.fail("promise never goes down (P2)", "group %d node %d instance %d: promise %v behind %v",
			c.group, c.node, rec.Instance, rec.Promised, c.last)
	}
	if rec.Promised.Less(rec.Accepted) {
		c.r.fail("accepted <= promised (P1)", "group %d node %d instance %d: accepted %v, promised %v",
			c.group, c.node, rec.Instance, rec.Accepted, rec.Promised)
	}
	c.last = rec.Promised
	c.queue = append(c.queue, issuedRecord{rec.Instance, rec.Promised, rec.Accepted, bytesHash(rec.Value), recordHash(rec), sync})
}

// written moves the oldest n records to the disk and returns the votes that
// became durable.
func (c *diskCheck) written(n int) (votes []issuedRecord) {
	for _, r := range c.queue[:n] {
		c.unsynced = append(c.unsynced, r)
		if !r.sync {
			continue
		}
		for _, u := range c.unsynced {
			c.settle(u)
			if u.sync {
				votes = append(votes, u)
			}
		}
		c.unsynced = c.unsynced[:0]
	}
	c.queue = c.queue[:copy(c.queue, c.queue[n:])]
	return votes
}

func (c *diskCheck) settle(r issuedRecord) {
	if c.promise.Less(r.promised) {
		c.promise = r.promised
	}
	if set := c.promises[r.promised]; !set.has(c.node) {
		c.promises[r.promised] = set | 1<<c.node
	}
	c.durable[r.instance] = r
	c.states[ballotState{r.instance, r.promised, r.accepted}] = struct{}{}
	delete(c.maybe, r.instance)
	if r.instance >= c.top || !c.any {
		c.top, c.any = r.instance, true
	}
}

// held reports whether a record that said this was ever durable.
func (c *diskCheck) held(instance uint64, promised, accepted paxos.Ballot) bool {
	_, ok := c.states[ballotState{instance, promised, accepted}]
	return ok
}

// crashed forgets what was on its way; any of it may still turn up.
func (c *diskCheck) crashed() {
	for _, q := range [...][]issuedRecord{c.unsynced, c.queue} {
		for _, r := range q {
			c.maybe[r.instance] = append(c.maybe[r.instance], r.record)
		}
	}
	c.queue, c.unsynced = c.queue[:0], c.unsynced[:0]
	c.last = c.promise
}

// found reports whether a record is one that the storage may have after a
// restart.
func (c *diskCheck) found(rec *paxos.Record) bool {
	want, ok := c.durable[rec.Instance]
	h := recordHash(rec)
	if ok && h == want.record {
		return true
	}
	return slices.Contains(c.maybe[rec.Instance], h)
}

// absent reports whether the storage may have no record of an instance after
// a restart.
func (c *diskCheck) absent(instance uint64) bool {
	_, ok := c.durable[instance]
	return !ok || instance < c.cleaned
}

// cleaning takes the instance below which the log is about to be forgotten.
func (c *diskCheck) cleaning(below uint64) { c.cleaned = max(c.cleaned, below) }
