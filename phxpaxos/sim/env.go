package sim

import (
	"errors"
	"fmt"
	"slices"

	paxosevent "github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

var _ group.Env = (*member)(nil)

// errLost: a record that was durable is not what the storage has.
var errLost = errors.New("durable data was lost without notice")

// Buffer returns new memory each time: the disk of the simulator keeps it.
func (m *member) Buffer(size int) []byte { return make([]byte, 0, size) }

// Save shows the record to the checks and queues it for the node's disk.
func (m *member) Save(s group.Save) {
	w := m.n.w
	var rec paxos.Record
	if err := wire.DecodeRecord(s.Data, &rec); err != nil {
		w.report.fail("records can be read", "node %s group %d saves a record that does not parse: %v", m.n.name, m.index, err)
		return
	}
	if rec.Instance != s.Instance {
		w.report.fail("records can be read", "node %s group %d saves a record of instance %d as %d", m.n.name, m.index, rec.Instance, s.Instance)
	}
	if w.trace != nil {
		w.tracef(m.n.name, "saves %d group %d i=%d promised=%v accepted=%v v=%s sync=%v",
			s.Seq, m.index, rec.Instance, rec.Promised, rec.Accepted, describeValue(rec.Value), s.Sync)
	}
	m.checks().saved(m.n.index, &rec, s.Sync)
	m.n.disk.save(m.index, s)
}

// Send shows the message to the checks and gives the packet to the network.
func (m *member) Send(to nodeid.ID, packet []byte, stream bool) {
	w := m.n.w
	target := -1
	for _, n := range w.nodes {
		if n.id == to {
			target = n.index
		}
	}
	if target < 0 || target == m.n.index {
		w.report.fail("messages go to other nodes", "node %s sends to %v", m.n.name, to)
		return
	}
	w.stats.Sent++
	if msg, ok := w.reader.read(packet); ok {
		m.checks().sends.sent(m.n.index, to, msg, m.turn)
		m.checkRound(msg)
		w.stats.early(msg.Kind)
		if w.trace != nil {
			w.tracef(m.n.name, "-> %s group %d %s", w.nodes[target].name, m.index, describeMessage(msg, to))
		}
	}
	w.net.send(m.n.index, target, m.index, m.rotValue(packet), stream)
}

// Finish tells the client how its operation ended.
func (m *member) Finish(t *group.Ticket) {
	op, ok := t.Owner.(*operation)
	if !ok || op.member != m || op.ticket != t || op.life != m.n.life {
		m.n.w.report.fail("tickets end once", "node %s group %d finishes a ticket that is not open here", m.n.name, m.index)
		return
	}
	m.forget(op)
	op.finished()
}

// Read returns a record from the storage.
func (m *member) Read(instance uint64) (data []byte, ok bool, err error) {
	data, err = m.n.log.Read(m.index, instance, nil)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// Max returns the highest instance in the storage.
func (m *member) Max() (instance uint64, ok bool, err error) {
	instance, err = m.n.log.Max(m.index)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, false, nil
	}
	return instance, err == nil, err
}

// Variable reads a variable from the storage.
func (m *member) Variable(name group.Variable) (value []byte, ok bool, err error) {
	switch name {
	case group.Newcomer:
		return nil, m.newcomer, nil
	case group.Features:
		return m.n.features, len(m.n.features) > 0, nil
	}
	if name == group.Ledger {
		return m.ledger, m.ledger != nil, nil
	}
	value, err = m.n.log.Variable(m.index, storage.Variable(name))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// SetVariable writes a variable to the storage.
func (m *member) SetVariable(name group.Variable, value []byte) error {
	switch name {
	case group.Newcomer:
		m.newcomer = len(value) > 0
		return nil
	case group.Features:
		m.n.features = value
		return nil
	}
	if name == group.Ledger {
		m.ledger = slices.Clone(value)
		return nil
	}
	return m.n.log.SetVariable(m.index, storage.Variable(name), value)
}

// Observe counts events and shows those of trouble in a trace.
func (m *member) Observe(e paxosevent.Event) {
	w := m.n.w
	w.stats.observe(e.Kind)
	if w.trace != nil && e.Err != nil {
		w.tracef(m.n.name, "event %v group %d i=%d: %v", e.Kind, m.index, e.Instance, e.Err)
	}
}

// executes takes an entry that the state machine executes.
func (m *member) executes(e sm.Entry, id uint64) {
	w := m.n.w
	w.stats.Executed++
	if w.trace != nil && !e.Replay {
		w.tracef(m.n.name, "executes group %d i=%d index=%d value %d", m.index, e.Instance, e.Index, id)
	}
	w.digest.add(id)
	m.checks().log.executed(m.n.index, m.executed, e, id)
	if w.plan.world.fence && m.n.role != stranger {
		m.checks().masters.executes(m.n.index, e.Instance, id)
	}
	m.executed++
	m.reached = max(m.reached, m.executed)
	m.idle = 0
}

// shadows takes an entry that the second state machine executes.
func (m *member) shadows(e sm.Entry, id uint64) {
	w := m.n.w
	w.digest.add(id)
	m.checks().shadow.executed(m.n.index, m.shadowed, e, id)
	if w.plan.world.fence && m.n.role != stranger {
		m.checks().masters.executes(m.n.index, e.Instance, id)
	}
	m.shadowed++
}

// checkRound: a node begins a round only among those who vote at its
// instance, and a follower begins none and votes in none.
func (m *member) checkRound(msg *paxos.Message) {
	w, n := m.n.w, m.n
	switch msg.Kind {
	case paxos.Prepare, paxos.Accept, paxos.AcceptEarly, paxos.PrepareReply, paxos.AcceptReply:
	default:
		return
	}
	if n.role == follower {
		w.report.fail("followers only learn", "group %d: follower %s sends %v", m.index, n.name, msg)
	}
	asks := msg.Kind == paxos.Prepare || msg.Kind == paxos.Accept || msg.Kind == paxos.AcceptEarly
	if !asks || msg.Instance != m.g.Instance() {
		return
	}
	have, want := setOf(m.g.Members()), m.checks().model.members(msg.Instance)
	if have != want {
		w.report.fail("rounds among the members in force", "group %d: node %s begins a round at instance %d among %v, the members there are %v",
			m.index, n.name, msg.Instance, have, want)
	}
}

// checkRecords compares the records that have reached their final form.
func (m *member) checkRecords() {
	w := m.n.w
	m.checked = max(m.checked, m.g.MinChosen()) // behind a checkpoint the last record before may have come to nothing
	for ; m.checked < m.g.Readable() && w.report.first == nil; m.checked++ {
		var err error
		m.buf, err = m.n.log.Read(m.index, m.checked, m.buf)
		var rec paxos.Record
		switch {
		case errors.Is(err, storage.ErrNotFound) && m.checked < m.g.MinChosen():
			continue
		case errors.Is(err, storage.ErrDamaged) && m.n.flipped:
			w.stats.Found++
			continue
		case err == nil:
			err = wire.DecodeRecord(m.buf, &rec)
		}
		if err != nil {
			w.report.fail("records can be read", "node %s group %d: instance %d is below Readable: %v", m.n.name, m.index, m.checked, err)
			return
		}
		m.checks().log.record(m.n.index, &rec)
	}
}

// verifyDisk compares what the storage has after a start with what was
// durable: all of the newest records, and some of the older ones.
func (m *member) verifyDisk() error {
	c := m.checks().disk[m.n.index]
	if !c.any {
		return nil
	}
	for i := range uint64(48) {
		at := c.top + 8 - min(i, c.top+8)
		if i >= 32 {
			at = m.n.w.randSched.Uint64N(c.top + 1)
		}
		if err := m.verifyRecord(c, at); err != nil {
			return err
		}
	}
	return nil
}

// verifyRecord compares one instance's record with what may be there.
func (m *member) verifyRecord(c *diskCheck, instance uint64) error {
	var rec paxos.Record
	var err error
	m.buf, err = m.n.log.Read(m.index, instance, m.buf)
	if err == nil {
		err = wire.DecodeRecord(m.buf, &rec)
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if c.absent(instance) {
			return nil
		}
		return fmt.Errorf("%w: group %d instance %d is gone", errLost, m.index, instance)
	case errors.Is(err, storage.ErrDamaged) && m.n.flipped:
		return nil // whoever needs it is told
	case err != nil:
		return err
	case !c.found(&rec):
		return fmt.Errorf("%w: group %d instance %d has a record that is not its durable one", errLost, m.index, instance)
	}
	return nil
}
