package sim

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// sendCheck looks at every message that leaves a node and compares it with
// what is on that node's disk.
//
//   - P3: a promise or vote leaves only once its record is durable, and a
//     promise tells every vote that it has to tell.
//   - P4: a ballot is durable at its owner before a peer hears of it, every
//     prepare round has a ballot of its own, and under one ballot an instance
//     is offered one value.
//   - P7: what is offered is offered under a ballot that a quorum of the
//     members in force at the instance has promised, durably.
//   - A number under which a value was sent early stands for that value alone,
//     and an accept names only what was sent.
//   - A success or a learned value is sent only when a quorum has it.
type sendCheck struct {
	r     *reporter
	group int
	ids   []nodeid.ID
	disk  []*diskCheck
	votes *voteCheck

	promises map[paxos.Ballot]nodeSet
	offered  map[ballotAt]uint64 // hash of the value in the accepts sent
	early    map[earlyAt]uint64  // hash of the value sent under a number
	prepare  []prepareRound      // by node, the newest
}

type earlyAt struct {
	node   int
	number uint64
}

type prepareRound struct {
	number   uint64
	instance uint64
	turn     uint64 // of the node's group; one round is sent in one turn
}

func newSendCheck(r *reporter, group int, ids []nodeid.ID, disk []*diskCheck, votes *voteCheck, promises map[paxos.Ballot]nodeSet) *sendCheck {
	return &sendCheck{r: r, group: group, ids: ids, disk: disk, votes: votes, promises: promises,
		offered: map[ballotAt]uint64{}, early: map[earlyAt]uint64{}, prepare: make([]prepareRound, len(ids))}
}

// sent takes a message that leaves a node for another. turn counts how often
// the node's group has handed out something.
func (c *sendCheck) sent(node int, to nodeid.ID, m *paxos.Message, turn uint64) {
	switch m.Kind {
	case paxos.Prepare:
		c.ballot(node, m)
		c.fresh(node, m, turn)
	case paxos.Accept:
		c.ballot(node, m)
		c.oneValue(node, m, bytesHash(m.Value))
	case paxos.EarlyValue:
		c.sentEarly(node, m)
	case paxos.AcceptEarly:
		value, ok := c.early[earlyAt{node, m.Early}]
		if !ok {
			c.r.fail("only what was sent is named", "group %d: node %d sends %v, which names a value that it has not sent", c.group, node, m)
			return
		}
		c.ballot(node, m)
		c.oneValue(node, m, value)
	case paxos.PrepareReply:
		if !m.Rejected() {
			c.promise(node, to, m)
		}
	case paxos.AcceptReply:
		if !m.Rejected() {
			c.vote(node, to, m)
		}
	case paxos.Success:
		b := paxos.Ballot{Number: m.Ballot.Number, Node: c.ids[node]}
		if !c.votes.quorumFor(m.Instance, b) {
			c.r.fail("only what is chosen is announced", "group %d: node %d announces instance %d under %v without a durable quorum",
				c.group, node, m.Instance, b)
		}
	case paxos.LearnValue:
		if h, ok := c.votes.chosen(m.Instance); !ok || h != bytesHash(m.Value) {
			c.r.fail("only what is chosen is taught", "group %d: node %d teaches a value for instance %d that is not chosen (chosen: %v)",
				c.group, node, m.Instance, ok)
		}
	}
}

func (c *sendCheck) ballot(node int, m *paxos.Message) {
	b := paxos.Ballot{Number: m.Ballot.Number, Node: c.ids[node]}
	if c.disk[node].promise.Less(b) {
		c.r.fail("ballot durable before it is heard of (P4)", "group %d: node %d sends %v, its disk has promised only %v",
			c.group, node, m, c.disk[node].promise)
	}
}

func (c *sendCheck) fresh(node int, m *paxos.Message, turn uint64) {
	last := &c.prepare[node]
	this := prepareRound{m.Ballot.Number, m.Instance, turn}
	if this.number < last.number || this.number == last.number && this != *last {
		c.r.fail("fresh ballot for each prepare (P4)", "group %d: node %d sends %v, it has used %d at instance %d before",
			c.group, node, m, last.number, last.instance)
	}
	*last = this
}

func (c *sendCheck) sentEarly(node int, m *paxos.Message) {
	at, h := earlyAt{node, m.Early}, bytesHash(m.Value)
	if was, ok := c.early[at]; ok && was != h {
		c.r.fail("one value per number", "group %d: node %d sends a second value under number %d", c.group, node, m.Early)
	}
	c.early[at] = h
}

// oneValue takes an offer of the value with hash h.
func (c *sendCheck) oneValue(node int, m *paxos.Message, h uint64) {
	at := ballotAt{m.Instance, paxos.Ballot{Number: m.Ballot.Number, Node: c.ids[node]}}
	if members := c.votes.model.members(m.Instance); (c.promises[at.ballot] & members).size() < members.quorum() {
		c.r.fail("offers are backed by promises (P7)", "group %d: node %d offers a value at instance %d under %v, which %v have promised; the members are %v",
			c.group, node, m.Instance, at.ballot, c.promises[at.ballot], members)
	}
	if was, ok := c.offered[at]; ok && was != h {
		c.r.fail("one value per ballot", "group %d: node %d offers a second value for instance %d under %v",
			c.group, node, m.Instance, at.ballot)
	}
	c.offered[at] = h
}

// promise: every promise is a record of its own, so what the reply says is
// exactly what some durable record says.
func (c *sendCheck) promise(node int, to nodeid.ID, m *paxos.Message) {
	b := paxos.Ballot{Number: m.Ballot.Number, Node: to}
	if !c.disk[node].held(m.Instance, b, m.PreAccepted) {
		c.r.fail("no reply before its record (P3)", "group %d: node %d promises %v at instance %d and tells %v; no such record is durable (promised %v)",
			c.group, node, b, m.Instance, m.PreAccepted, c.disk[node].promise)
	}
}

func (c *sendCheck) vote(node int, to nodeid.ID, m *paxos.Message) {
	b := paxos.Ballot{Number: m.Ballot.Number, Node: to}
	if !c.disk[node].held(m.Instance, b, b) {
		c.r.fail("no reply before its record (P3)", "group %d: node %d says it accepted %v at instance %d; no such record is durable",
			c.group, node, b, m.Instance)
	}
}
