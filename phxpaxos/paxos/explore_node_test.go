package paxos

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

const (
	exploreNodesMax     = 5
	exploreInstancesMax = 2
)

// exploreRecord is a record that was handed to the disk.
type exploreRecord struct {
	Record
	sync bool
}

// exploreNode is one node: its core, its disk, and what it has said and
// decided in all of its lives. It exists while a step is computed; between
// steps a node is its frozen form.
type exploreNode struct {
	x    *explorer
	me   nodeid.ID
	core *Core

	crashes  uint64 // so far
	prepares uint64 // so far, in all lives
	top      uint64 // highest number of a ballot that a peer may have heard of, in all lives
	tries    uint64 // values given to Propose at the current instance, in this life

	disk    []exploreRecord // durable: the newest record of every instance
	tail    []exploreRecord // asked for since; a crash keeps any number of the first ones
	written int             // that many of tail were reported as saved, without being synced

	sent   exploreSet                 // messages that left, in any life
	chosen [exploreInstancesMax]uint8 // values that were decided here, in any life

	bad string // first check that failed
}

func (n *exploreNode) fail(format string, args ...any) {
	if n.bad == "" {
		n.bad = fmt.Sprintf(format, args...)
	}
}

// Save implements Env: the record is on its way.
func (n *exploreNode) Save(s Save) {
	r := exploreRecord{s.Record, s.Sync}
	newest := n.newest()
	if n.x.strict && r.Promised.Less(newest.Promised) {
		n.fail("n%d: the promise on disk goes down from %v to %v", n.me, newest.Promised, r.Promised)
	}
	if n.x.strict && r.Instance < newest.Instance {
		n.fail("n%d: a record of instance %d follows one of instance %d", n.me, r.Instance, newest.Instance)
	}
	if n.x.fault == faultLoseOwnVote && r.Accepted.Node == n.me {
		r.Accepted, r.Value, r.Checksum = Ballot{}, nil, 0
	}
	n.tail = append(n.tail, r)
}

// Send implements Env: the message is in the network for ever.
func (n *exploreNode) Send(m *Message) {
	if m.Kind == AskForLearn {
		return // teaching needs no request here
	}
	if n.x.strict {
		n.checkDurable(m)
		n.checkFresh(m)
	}
	n.sent.add(n.x.intern(m))
}

// Observe implements Env; it only counts what the bounds are about.
func (n *exploreNode) Observe(e event.Event) {
	if e.Kind == event.PrepareStart {
		n.prepares++
	}
}

// checkDurable asserts P3 and P4 on a message that leaves: what it promises is
// durable, not merely on its way.
func (n *exploreNode) checkDurable(m *Message) {
	var promised Ballot
	var vote exploreRecord
	for _, r := range n.disk {
		promised = maxBallot(promised, r.Promised)
		if r.Instance == m.Instance {
			vote = r
		}
	}
	own := Ballot{m.Ballot.Number, n.me}
	switch {
	case m.Kind == Prepare || m.Kind == Accept:
		if promised.Less(own) {
			n.fail("%v leaves, durable is the promise %v", m, promised)
		}
	case m.Rejected():
	case m.Kind == PrepareReply:
		if promised.Less(Ballot{m.Ballot.Number, m.To}) {
			n.fail("%v leaves, durable is the promise %v", m, promised)
		}
	case m.Kind == AcceptReply:
		if vote.Accepted.Less(Ballot{m.Ballot.Number, m.To}) {
			n.fail("%v leaves, durable is the vote %v", m, vote.Accepted)
		}
	}
}

// checkFresh asserts the other half of P4: every prepare takes a new ballot.
func (n *exploreNode) checkFresh(m *Message) {
	if m.Kind != Prepare {
		return
	}
	if m.Ballot.Number <= n.top {
		n.fail("%v leaves, the node has used ballot number %d already", m, n.top)
	}
	n.top = m.Ballot.Number
}

// newest is the record that was handed to the disk last.
func (n *exploreNode) newest() exploreRecord {
	if len(n.tail) > 0 {
		return n.tail[len(n.tail)-1]
	}
	if len(n.disk) > 0 {
		return n.disk[len(n.disk)-1]
	}
	return exploreRecord{}
}

// start brings the node up with what its disk holds, as group.Open does: the
// newest record says where it is, those below it are decided.
func (n *exploreNode) start() {
	var s State
	for i, r := range n.disk {
		s.Promised = maxBallot(s.Promised, r.Promised)
		if i < len(n.disk)-1 {
			n.decide(r.Instance, r.Value, "replays")
			s.LastChecksum = r.Checksum
		} else {
			s.Instance, s.Accepted, s.Value, s.Checksum = r.Instance, r.Accepted, r.Value, r.Checksum
		}
		if r.Instance != uint64(i) {
			n.fail("the log holds instance %d at place %d", r.Instance, i)
		}
	}
	switch n.x.fault {
	case faultForgetPromise:
		s.Promised = s.Accepted
	case faultForgetVote:
		s.Accepted, s.Value, s.Checksum = Ballot{}, nil, 0
	}
	n.core = New(n.x.coreConfig(n.me), n, s, 0)
	n.tries = 0
	n.settle()
}

// decide notes what this node takes as chosen; it must stay the same for ever.
func (n *exploreNode) decide(instance uint64, value []byte, how string) {
	if len(value) != 1 {
		n.fail("n%d %s instance %d with %q, which nobody proposed", n.me, how, instance, value)
		return
	}
	if was := n.chosen[instance]; was != 0 && was != value[0] {
		n.fail("two values of instance %d: n%d %s %s, it had %s", instance, n.me, how,
			n.x.valueName(value[0]), n.x.valueName(was))
	}
	n.chosen[instance] = value[0]
}

// settle is what package group does after every input: execute and advance,
// then hand out everything.
func (n *exploreNode) settle() {
	for !n.x.slowExecute && n.core.Err() == nil && n.core.Chosen() != nil {
		n.execute()
	}
	n.core.Flush()
	for n.eager() && len(n.tail) > n.written && n.core.Err() == nil {
		n.saved(len(n.tail) - n.written)
		n.core.Flush()
	}
	if n.x.fault == faultDiskLies && n.core.Err() == nil {
		for n.written < len(n.tail) {
			n.written = len(n.tail)
			n.core.Saved(n.core.out.seq)
			for n.core.Err() == nil && n.core.Chosen() != nil {
				n.execute()
			}
			n.core.Flush()
		}
	}
	if !n.x.retryQueue {
		n.core.retry = retryQueue{}
	}
	n.teach()
	if err := n.core.Err(); err != nil {
		n.fail("n%d: %v", n.me, err)
	}
}

// eager reports whether saves are reported at once. At the end of what is
// explored their order with anything else makes no difference any more.
func (n *exploreNode) eager() bool {
	return n.x.eager[n.me-1] || !n.x.plain && n.core.instance >= n.x.instances && n.crashes >= n.x.crashes[n.me-1]
}

// execute takes the decided value and goes on to the next instance.
func (n *exploreNode) execute() {
	c := n.core.Chosen()
	n.decide(c.Instance, c.Value, "decides")
	if n.tries > 0 && len(c.Value) == 1 {
		// Every call of Propose has its own bytes here, so it was the caller's
		// value exactly if the bytes are.
		last := n.x.value(n.me, c.Instance, n.crashes, n.tries-1)
		if bytes.Equal(last, c.Value) && !c.Own {
			n.fail("n%d: its value %s is chosen at instance %d, the caller is told it was not", n.me, n.x.valueName(last[0]), c.Instance)
		}
	}
	n.core.Advance()
	n.tries = 0
}

// saved reports the next k records as written, and synced if one of them asks
// for that.
func (n *exploreNode) saved(k int) {
	n.written += k
	seq := n.core.out.durable + uint64(k)
	for i := n.written - 1; i >= 0; i-- {
		if n.tail[i].sync {
			n.durable(i + 1)
			break
		}
	}
	n.core.Saved(seq)
	for !n.x.slowExecute && n.core.Err() == nil && n.core.Chosen() != nil {
		n.execute()
	}
}

// durable moves the first k records of the tail to the disk.
func (n *exploreNode) durable(k int) {
	for _, r := range n.tail[:k] {
		n.disk = putRecord(n.disk, r)
	}
	n.tail = n.tail[k:]
	n.written = max(0, n.written-k)
}

// putRecord returns log with r as the newest record of its instance.
func putRecord(log []exploreRecord, r exploreRecord) []exploreRecord {
	r.sync = false
	if i := len(log) - 1; i >= 0 && log[i].Instance == r.Instance {
		log[i] = r
		return log
	}
	return append(log, r)
}

// crash loses what is in memory and all but the first k records of the tail,
// and starts again.
func (n *exploreNode) crash(k int) {
	n.durable(k)
	n.tail, n.written = nil, 0
	n.crashes++
	n.start()
}

// teach is the teacher: every record that a teacher may read is sent to
// everybody, without being asked. Since a message need not arrive, this covers
// all conversations.
func (n *exploreNode) teach() {
	till := n.core.Readable()
	if n.x.fault == faultTeachUnread {
		till = n.core.Instance()
	}
	if till == 0 {
		return
	}
	log := slices.Clone(n.disk)
	for _, r := range n.tail[:n.written] {
		log = putRecord(log, r)
	}
	for i := range till {
		if i >= uint64(len(log)) || log[i].Accepted.IsNull() {
			if n.x.strict {
				n.fail("n%d: instance %d is readable and not in the log", n.me, i)
			}
			return
		}
		r := log[i]
		n.sent.add(n.x.intern(&Message{Kind: LearnValue, Instance: i, Ballot: r.Accepted, Value: r.Value}))
	}
}

// deliver gives the node a message that another one has sent; before is the
// node as it is.
func (n *exploreNode) deliver(id int, before *exploreNode) {
	m := n.x.messages[id]
	if m.Kind == LearnValue {
		m.From = n.me%nodeid.ID(n.x.nodes) + 1 // any other node
	}
	m.Checked = true
	kept := len(n.core.retry.messages)
	n.core.Step(&m)
	if q := &n.core.retry; len(q.messages) > kept && slices.ContainsFunc(q.messages[:kept], func(o Message) bool {
		return n.x.intern(&o) == id
	}) {
		q.messages = q.messages[:kept] // a second copy of what waits there changes nothing
		q.bytes -= len(m.Value)
	}
	if !n.x.eager[n.me-1] {
		n.settle()
		n.mergeRepeat(before)
	}
	n.settle()
}

// mergeRepeat takes back a save that only asks for the newest record once
// more, as a request that comes twice does: the reply may as well wait for the
// first one. Otherwise duplicates would make the queue to the disk endlessly
// long.
func (n *exploreNode) mergeRepeat(before *exploreNode) {
	o := &n.core.out
	pending := len(before.tail) - before.written
	if n.bad != "" || len(n.tail) != len(before.tail)+1 || n.written != before.written {
		return
	}
	last, was := n.newest(), before.newest()
	if last.Instance != was.Instance || last.Promised != was.Promised || last.Accepted != was.Accepted ||
		!bytes.Equal(last.Value, was.Value) || len(before.tail)+len(before.disk) == 0 {
		return
	}
	if len(before.tail) > 0 && (pending == 0 || !was.sync) {
		return // this one is synced, the one before was not
	}
	n.tail = n.tail[:len(n.tail)-1]
	o.seq--
	o.unsaved = o.unsaved[:len(o.unsaved)-1]
	gates := len(o.gated) - 1
	if gates < 0 || o.gated[gates].after <= o.seq {
		return
	}
	reply := o.gated[gates].m
	o.gated = o.gated[:gates]
	id := n.x.intern(&reply)
	if !slices.ContainsFunc(o.gated, func(g gated) bool { return n.x.intern(&g.m) == id }) {
		o.sendAfter(o.seq, &reply)
		o.flush()
	}
}
