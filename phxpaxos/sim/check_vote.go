package sim

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// voteCheck counts the durable votes of a group, knows from them what is
// chosen whether or not any node knows it, and finds a second value at the
// moment at which a quorum makes it one. Only the votes of those count who
// are members at the instance. Records that were merely learned are no votes;
// they are told by not asking for a sync.
type voteCheck struct {
	r      *reporter
	group  int
	model  *model
	votes  map[ballotAt]vote
	values map[uint64]uint64 // instance -> hash of the chosen value
	born   time.Duration     // when instance 0 was decided
}

type ballotAt struct {
	instance uint64
	ballot   paxos.Ballot
}

type vote struct {
	hash  uint64
	nodes nodeSet
}

func newVoteCheck(r *reporter, group int, m *model) *voteCheck {
	return &voteCheck{r: r, group: group, model: m, votes: map[ballotAt]vote{}, values: map[uint64]uint64{}}
}

// durable takes a vote that reached a node's disk.
func (c *voteCheck) durable(node int, instance uint64, b paxos.Ballot, hash uint64) {
	if b.IsNull() {
		return
	}
	at := ballotAt{instance, b}
	v, ok := c.votes[at]
	if ok && v.hash != hash {
		c.r.fail("one value per ballot", "group %d instance %d ballot %v: two values were voted for", c.group, instance, b)
		return
	}
	v.hash = hash
	if v.nodes.has(node) {
		return
	}
	v.nodes |= 1 << node
	c.votes[at] = v
	if instance > c.model.next {
		c.r.fail("instances in order", "group %d: node %d votes at instance %d, and %d is not decided", c.group, node, instance, c.model.next)
		return
	}
	members := c.model.members(instance)
	if !members.has(node) || (v.nodes&members).size() != members.quorum() {
		return
	}
	if known, ok := c.values[instance]; ok && known != hash {
		c.r.fail("agreement", "group %d instance %d: a second value is chosen, under ballot %v", c.group, instance, b)
		return
	}
	c.values[instance] = hash
	if instance == c.model.next {
		if instance == 0 && c.r.now != nil {
			c.born = c.r.now()
		}
		c.model.chose(hash)
	}
}

// chosen returns the hash of the value that is chosen at an instance.
func (c *voteCheck) chosen(instance uint64) (hash uint64, ok bool) {
	hash, ok = c.values[instance]
	return hash, ok
}

// quorumFor reports whether a quorum voted under this very ballot.
func (c *voteCheck) quorumFor(instance uint64, b paxos.Ballot) bool {
	members := c.model.members(instance)
	return (c.votes[ballotAt{instance, b}].nodes & members).size() >= members.quorum()
}
