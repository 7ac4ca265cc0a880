package sim

import (
	"errors"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// call hands a group a ticket that is no proposal of a client; ask gives it
// over, judge looks at how it ended. The caller settles the member.
func (m *member) call(op *operation, patience time.Duration, ask func(t *group.Ticket), judge func(t *group.Ticket)) {
	w := m.n.w
	op.member, op.life, op.from, op.judge = m, m.n.life, w.now, judge
	op.ticket = &group.Ticket{Owner: op}
	if patience > 0 {
		op.ticket.Deadline = m.now() + patience
	}
	m.order = append(m.order, op)
	m.g.Tick(m.now())
	ask(op.ticket)
}

// change asks for a change of the membership, by indexes of nodes; -1 is none.
func (m *member) change(add, remove int, patience time.Duration) {
	w := m.n.w
	var in, out nodeid.ID
	var plus, minus nodeSet
	if remove >= 0 {
		out, minus = nodeID(remove), 1<<remove
	}
	if add >= 0 {
		in, plus = nodeID(add), 1<<add
	}
	var want nodeSet
	m.call(&operation{}, patience, func(t *group.Ticket) {
		// Only here: a change that waited for its record may have been executed
		// at the tick before.
		want = setOf(m.g.Members())&^minus | plus
		if w.trace != nil {
			w.tracef(m.n.name, "is asked to change the members of group %d to %v", m.index, want)
		}
		m.g.ChangeMembers(t, in, out)
	}, func(t *group.Ticket) {
		m.changed(t, want)
	})
}

// changed judges the end of a change: it is in the log exactly if the caller
// was told so.
func (m *member) changed(t *group.Ticket, want nodeSet) {
	w := m.n.w
	w.tracef(m.n.name, "change of group %d to %v ends: i=%d err=%v", m.index, want, t.Instance, t.Err)
	got, ok := m.checks().model.changed(t.Instance)
	switch {
	case t.Err == nil:
		w.stats.Changes++
		if !ok || got != want {
			w.report.fail("changes are in the log", "group %d: node %s acknowledged the members %v at instance %d; there the log says %v (%v)",
				m.index, m.n.name, want, t.Instance, got, ok)
		}
	case errors.Is(t.Err, group.ErrVersionConflict):
		w.stats.ChangeConflicts++
		if ok && t.Instance != 0 { // at 0 it was refused before it was proposed
			w.report.fail("changes are in the log", "group %d: node %s refused the change at instance %d, and the log made it %v",
				m.index, m.n.name, t.Instance, got)
		}
	}
}

// beginChange lets a node ask for another membership.
func (w *World) beginChange(f Fault) {
	at, bits := w.asker(f.Node), uint64(f.X)
	if at == nil {
		return
	}
	m := at.members[bits%uint64(w.plan.Groups)]
	w.askChange(m, f.Kind, bits>>8)
	if f.Kind == TwoChanges {
		other := w.asker(f.Peer)
		o := other.members[m.index]
		w.askChange(o, AddNode, bits>>32)
		o.settle()
	}
	m.settle()
}

// membersMost bounds what a membership grows to.
const membersMost = 7

func (w *World) askChange(m *member, k FaultKind, bits uint64) {
	members := setOf(m.g.Members())
	var outside nodeSet
	for _, n := range w.nodes {
		if (n.role == voter || n.role == spare) && !members.has(n.index) {
			outside |= 1 << n.index
		}
	}
	add, remove := outside.choose(bits), members.choose(bits>>8)
	if k == TwoChanges {
		k = RemoveNode + FaultKind(bits>>16%2)
	}
	switch k {
	case AddNode:
		remove = -1
	case RemoveNode:
		add = -1
	}
	switch {
	case add < 0 && (remove < 0 || members.size() < 2), remove < 0 && members.size() >= membersMost:
		return
	}
	if !w.whole(m.index, (members|setOfOne(add))&^setOfOne(remove)) {
		return
	}
	if add >= 0 {
		w.begins(w.nodes[add], bits>>20)
	}
	m.change(add, remove, pick(w.randFault, 0, 2*time.Second))
}

// choose picks one of a set, or -1 of an empty one.
func (s nodeSet) choose(bits uint64) int {
	if s == 0 {
		return -1
	}
	nth := int(bits % 256 % uint64(s.size()))
	for n := range 64 {
		if s.has(n) {
			if nth == 0 {
				return n
			}
			nth--
		}
	}
	return -1
}

// begins starts a spare that was never started: at once, soon, or when all
// faults are over.
func (w *World) begins(n *node, bits uint64) {
	if n.state != absent {
		return
	}
	n.state = down
	if bits%4 == 0 {
		return
	}
	late := time.Duration(bits/4%3) * time.Second
	w.events.push(event{at: w.now + late, kind: evBoot, node: int16(n.index), life: n.life})
}

// asker is the first node from an index on that can be asked.
func (w *World) asker(from int) *node {
	for i := range w.nodes {
		n := w.nodes[(from+i)%len(w.nodes)]
		if n.state == up && n.pausedTill <= w.now && n.role != stranger && n.role != follower {
			return n
		}
	}
	return nil
}

// strangerJoins starts the node of another cluster, which founds that.
func (w *World) strangerJoins() {
	n := w.nodes[len(w.nodes)-1]
	for _, c := range w.checks {
		if c.model.cluster == 0 {
			return // it would only be the first to found this one
		}
	}
	for _, o := range w.nodes[:w.plan.Nodes] {
		for _, m := range o.members {
			if o.state != up || m.g.Cluster() == 0 {
				return
			}
		}
	}
	n.state = down
	n.boot()
	for _, m := range n.members {
		if n.state == up {
			w.nextID++
			m.propose(&operation{kind: opMark, id: w.nextID}, 0)
			m.settle()
		}
	}
}

// strangerClaims has it take members of this cluster into its own. What it
// says to them from then on must have no effect.
func (w *World) strangerClaims() {
	n := w.nodes[len(w.nodes)-1]
	if n.state != up {
		return
	}
	for _, m := range n.members {
		for i := range min(2, w.plan.Nodes) {
			m.change(i, -1, 0)
		}
		m.settle()
	}
}

// setOfOne is the set of a node; of -1 it is empty.
func setOfOne(node int) nodeSet {
	if node < 0 {
		return 0
	}
	return 1 << node
}

// whole reports whether some node of a set may vote: one that was wiped and
// has not found back must not become the only member.
func (w *World) whole(g int, set nodeSet) bool {
	for _, n := range w.nodes {
		if m := n.members[g]; set.has(n.index) && !(n.wiped && (m.newcomer || m.g == nil || !m.g.Votes())) {
			return true
		}
	}
	return false
}
