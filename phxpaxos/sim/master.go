package sim

import (
	"errors"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// watchMaster asks the group who is master and shows the answer to the checks.
func (m *member) watchMaster() {
	w, n := m.n.w, m.n
	if !w.plan.world.master || m.g == nil || n.role == stranger {
		return
	}
	master, version, until := m.g.Master()
	c := m.checks().masters
	c.says(n.index, master, version)
	m.lease = 0
	if master != n.id {
		return
	}
	m.lease = until
	if !m.leads() {
		return
	}
	for _, other := range w.nodes {
		if other != n && other.members[m.index].leads() {
			c.holds(n.index, other.index)
		}
	}
}

// leads reports whether the node would say now that it is master.
func (m *member) leads() bool {
	return m.n.state == up && m.g != nil && m.lease != 0 && m.now() < m.lease
}

// leader is the member that is master now, or nil.
func (w *World) leader(index int) *member {
	for _, n := range w.nodes {
		if n.members[index].leads() {
			return n.members[index]
		}
	}
	return nil
}

// handOver lets the master of a group give up.
func (w *World) handOver(f Fault) {
	bits := uint64(f.X)
	m := w.leader(int(bits % uint64(w.plan.Groups)))
	if m == nil || m.n.pausedTill > w.now {
		return
	}
	target := -1
	if bits>>8%2 == 0 {
		target = (setOf(m.g.Members()) &^ (1 << m.n.index)).choose(bits >> 9)
	}
	m.hand(target)
	m.settle()
}

// hand gives the mastership up, to the node with an index or, with -1, to anybody.
func (m *member) hand(target int) {
	w := m.n.w
	to, heir := nodeid.None, m.n.index
	if target >= 0 {
		to, heir = nodeID(target), target
	}
	w.tracef(m.n.name, "is asked to hand the mastership of group %d to %v", m.index, to)
	m.call(&operation{}, 0, func(t *group.Ticket) { m.g.HandMaster(t, to) }, func(t *group.Ticket) {
		w.tracef(m.n.name, "handing over group %d ends: i=%d err=%v", m.index, t.Instance, t.Err)
		r, ok := m.checks().model.elected(t.Instance)
		switch {
		case t.Err == nil:
			w.stats.HandOvers++
			if !ok || r.node != heir || target < 0 && r.lease != 0 {
				w.report.fail("handing over takes effect", "group %d: node %s was told that it gave up at instance %d; there %+v (%v) is elected",
					m.index, m.n.name, t.Instance, r, ok)
			}
		case errors.Is(t.Err, group.ErrMasterChanged) && ok && r.node == heir && t.Instance != 0: // at 0 it was not proposed at all
			w.report.fail("handing over takes effect", "group %d: node %s was told that it did not hand over at instance %d, and it did",
				m.index, m.n.name, t.Instance)
		}
	})
	m.watchMaster()
	if m.leads() {
		w.report.fail("handing over takes effect", "group %d: node %s is still master", m.index, m.n.name)
	}
}
