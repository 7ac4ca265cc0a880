package sim

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// read reads a key at this node without a place in the log. A master in a
// fenced group answers at once, at every second read.
func (m *member) read(op *operation, patience time.Duration) {
	w := m.n.w
	w.stats.Reads++
	from := m.checks().reads.seen
	if w.trace != nil {
		w.tracef(m.n.name, "is asked to read key %d in group %d as %d", op.key, m.index, op.id)
	}
	if w.plan.world.fence && m.leads() && m.g.Level() && w.randClient.IntN(2) == 0 {
		w.stats.LeaseReads++
		op.member, op.from = m, w.now
		m.answer(op, "lease read", from, m.g.Instance())
		return
	}
	if patience == 0 && (m.n.role == follower || w.plan.world.mute != 0) {
		patience = 5 * time.Second // where too few answer and this node may not propose, only time ends it
	}
	m.call(op, patience, m.g.Read, func(t *group.Ticket) {
		if t.Err != nil {
			w.stats.ReadsFailed++
			op.over(false)
			return
		}
		m.answer(op, "read", from, t.Instance)
	})
}

// answer reads the key from what is executed here and ends the operation.
func (m *member) answer(op *operation, how string, from sight, point uint64) {
	w, c := m.n.w, m.checks()
	if w.trace != nil {
		w.tracef(m.n.name, "%s %d of group %d ends: everything below %d, here is %d", how, op.id, m.index, point, m.g.Instance())
	}
	op.ended = true
	if m.executed < m.reached { // a state machine that has fallen back answers nothing
		w.stats.ReadsFailed++
		op.over(false)
		return
	}
	c.reads.ended(m.n.index, how, from, point, m.sees())
	c.calls.read(op.clientIndex(), op.key, m.machine.registers[op.key], m.executed, op.from, w.now)
	op.over(true)
}

// sees is what a caller can see here.
func (m *member) sees() sight { return sight{m.g.Instance(), m.executed} }

// deaf reports whether a node does not know what a packet is, and ignores it.
func (w *World) deaf(to int, packet []byte) bool {
	if !w.plan.world.mute.has(to) {
		return false
	}
	m, ok := w.reader.read(packet)
	return ok && (m.Kind == paxos.ReadAsk || m.Kind == paxos.ReadReply)
}
