package sim

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// masterCheck judges what the nodes of a group say about who is master.
//
//   - One master: at no moment of true time do two nodes hold the lease, each
//     by its own clock.
//   - The version of the mastership never goes down on a node, not even in a
//     restart, and an election that a node names is one that counted.
//   - Fenced: what is executed was proposed by whoever was elected last before.
type masterCheck struct {
	r        *reporter
	group    int
	model    *model
	versions []uint64           // by node, plus one; 0 while there is none
	asked    map[uint64]nodeSet // id of a value -> who was asked to propose it
}

func newMasterCheck(r *reporter, group, nodes int, m *model) *masterCheck {
	return &masterCheck{r: r, group: group, model: m, versions: make([]uint64, nodes), asked: map[uint64]nodeSet{}}
}

// says takes a node's answer to who is master; master is None if it says nobody.
func (c *masterCheck) says(node int, master nodeid.ID, version uint64) {
	if version == wire.NoVersion {
		if c.versions[node] != 0 {
			c.r.fail("master version grows", "group %d: node %d forgot version %d", c.group, node, c.versions[node]-1)
		}
		return
	}
	if version+1 < c.versions[node] {
		c.r.fail("master version grows", "group %d: node %d goes from version %d to %d", c.group, node, c.versions[node]-1, version)
	}
	if version+1 > c.versions[node] || master != nodeid.None {
		r, ok := c.model.elected(version)
		switch {
		case !ok:
			c.r.fail("elections are in the log", "group %d: node %d knows an election at instance %d; there was none", c.group, node, version)
		case master != nodeid.None && r.node != nodeIndex(master):
			c.r.fail("elections are in the log", "group %d: node %d takes node %d for master by version %d, node %d was elected",
				c.group, node, nodeIndex(master), version, r.node)
		}
	}
	c.versions[node] = version + 1
}

// holds takes a node that holds the lease by its own clock while another one
// does so by its clock.
func (c *masterCheck) holds(node, other int) {
	c.r.fail("one master", "group %d: nodes %d and %d both hold the lease", c.group, other, node)
}

// asks takes a value that a node was asked to propose.
func (c *masterCheck) asks(node int, id uint64) { c.asked[id] |= 1 << node }

// executes takes an execution in a fenced group.
func (c *masterCheck) executes(node int, instance, id uint64) {
	master, ok := c.model.master(instance)
	if id != 0 && (!ok || !c.asked[id].has(master)) {
		c.r.fail("fenced", "group %d: node %d executes value %d at instance %d; its proposers are %v, elected was node %d (%v)",
			c.group, node, id, instance, c.asked[id], master, ok)
	}
}
