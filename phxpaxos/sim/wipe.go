package sim

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// wipe takes everything that a node has on its disk, as an operator might,
// and starts it again later. It happens only if the others can do without it:
// see group, newcomer.go, for what is asked of the operator.
func (w *World) wipe(n *node, back time.Duration) {
	if n.state == dead || n.state == absent || n.role == stranger || n.role == follower {
		return
	}
	for g := range w.plan.Groups {
		if !w.spares(n, g) {
			return
		}
	}
	w.tracef(n.name, "is wiped")
	w.stats.Wiped++
	if n.state == up {
		n.end(false)
	}
	n.life++ // a start that was planned is void
	n.wiped, n.features = true, nil
	n.files = memfs.New()
	n.medium = n.newMedium()
	for _, m := range n.members {
		m.stores, m.newcomer, m.ledger = [2]store{}, false, nil
		m.checks().forget(n.index)
	}
	w.events.push(event{at: w.now + back, kind: evBoot, node: int16(n.index), life: n.life})
}

// young is how long after instance 0 was decided packets of that time may come.
const young = lateMax + 3*time.Second

// spares reports whether a group can do without what a node knows: no packet of
// the time when the cluster was new is under way, all other nodes are whole,
// vote, and have learned something for good, and another of the present members
// knows that they are, and no change of them is under way. (Where one alone
// decides that others take its place, nobody else may know what it decided
// before.)
func (w *World) spares(n *node, g int) bool {
	model := w.checks[g].model
	if model.changes > model.next || w.now < w.checks[g].votes.born+young {
		return false
	}
	last := model.eras[len(model.eras)-1]
	known := false
	for _, o := range w.nodes {
		if o == n || o.role == stranger || o.role == follower || o.state == absent {
			continue
		}
		m := o.members[g]
		if o.state != up || m.newcomer || !m.g.Votes() || m.g.Readable() == 0 || w.checks[g].disk[o.index].top == 0 {
			return false
		}
		known = known || last.members.has(o.index) && m.g.Instance() >= last.from
	}
	return known
}

// forget takes a node's disk for empty.
func (c *checks) forget(node int) {
	old := c.disk[node]
	c.disk[node] = newDiskCheck(old.r, old.group, old.node, old.id, old.promises)
	c.sends.disk[node] = c.disk[node]
	c.sends.prepare[node] = prepareRound{}
	c.masters.versions[node] = 0
}
