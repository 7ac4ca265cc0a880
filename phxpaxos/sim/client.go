package sim

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
)

// client proposes operations to one group, a few at once, waits for all of
// them, thinks, and goes on, at any node that is up.
type client struct {
	w     *World
	index int
	group int
	home  int // the node it uses when all clients use one
	open  int
	again []*operation // marks with an unknown outcome, to be proposed again
}

// operation is one call of a client.
type operation struct {
	client *client // nil for a probe or a scenario
	member *member
	ticket *group.Ticket
	life   uint32 // of the node
	kind   opKind
	key    uint8
	id     uint64
	size   int
	from   time.Duration
	done   func(o *operation, known bool) // when it is over
	judge  func(t *group.Ticket)          // set for what is no proposal of a client
	shadow bool                           // it is for the second state machine
	ended  bool
}

func (w *World) startClients() {
	for g := range w.plan.Groups {
		home := w.randClient.IntN(w.plan.Nodes)
		for range w.plan.load.clients {
			c := &client{w: w, index: len(w.clients), group: g, home: home}
			w.clients = append(w.clients, c)
			c.rest()
		}
	}
}

// rest lets the client think.
func (c *client) rest() {
	think := between(c.w.randClient, 0, 2*c.w.plan.load.think)
	c.w.events.push(event{at: c.w.now + think, kind: evClient, n: uint64(c.index)})
}

// act proposes the next operations.
func (c *client) act() {
	w := c.w
	if w.phase >= proving {
		return
	}
	r := w.randClient
	n := w.nodes[r.IntN(w.served())]
	if w.plan.load.oneNode {
		n = w.nodes[c.home]
		if n.state != up && r.IntN(8) == 0 {
			c.home = r.IntN(w.served())
		}
	}
	if m := w.leader(c.group); w.plan.world.fence && m != nil && r.IntN(8) > 0 {
		n = m.n
	}
	if n.state != up || n.pausedTill > w.now {
		c.rest()
		return
	}
	count := 1 + r.IntN(w.plan.load.burst)
	c.open += count
	for range count {
		op := c.next()
		if reads := w.plan.world.reads; reads > 0 && r.IntN(100) < reads && !w.plan.world.mute.has(n.index) && op.kind != opMark {
			op.kind = opGet
			n.members[c.group].read(op, c.patience())
			continue
		}
		n.members[c.group].propose(op, c.patience())
	}
	n.members[c.group].settle()
}

// served is how many nodes clients know.
func (w *World) served() int {
	if w.plan.world.stranger {
		return len(w.nodes) - 1
	}
	return len(w.nodes)
}

func (c *client) next() *operation {
	w, r := c.w, c.w.randClient
	op := &operation{client: c, done: c.done, kind: opKind(1 + r.IntN(int(opKinds)-1)), key: uint8(r.IntN(w.plan.load.keys))}
	if n := len(c.again); n > 0 && r.IntN(2) == 0 {
		op.kind, op.id, op.shadow = opMark, c.again[n-1].id, c.again[n-1].shadow
		c.again = c.again[:n-1]
		w.checks[c.group].of(op).retry(op.id)
		return op
	}
	w.nextID++
	op.id = w.nextID
	op.shadow = op.kind == opMark && w.plan.world.shadow && w.plan.world.rare > 0 && op.id%w.plan.world.rare == 0
	op.size = 10 + r.IntN(100)
	if w.plan.load.large > 0 && r.IntN(1000) < w.plan.load.large {
		op.size = 3000 + r.IntN(60000)
	}
	return op
}

// patience is the time until the deadline of the next ticket, 0 for none.
func (c *client) patience() time.Duration {
	if c.w.randClient.IntN(100) < c.w.plan.load.patienceNone {
		return 0
	}
	return 1 + between(c.w.randClient, 0, 2*c.w.plan.load.patience)
}

// done goes on when the last operation of a burst is over.
func (c *client) done(op *operation, known bool) {
	if !known && op.kind == opMark && len(c.again) < 8 {
		c.again = append(c.again, op)
	}
	if c.open--; c.open == 0 {
		c.rest()
	}
}

// propose hands an operation to the group; the caller settles the member.
func (m *member) propose(op *operation, patience time.Duration) {
	w := m.n.w
	op.member, op.life, op.from = m, m.n.life, w.now
	op.ticket = &group.Ticket{SM: machineID, Value: encodeOp(op.kind, op.key, op.id, op.size), Owner: op}
	if op.shadow {
		op.ticket.SM = shadowID
	}
	if patience > 0 {
		op.ticket.Deadline = m.now() + patience
	}
	if op.client != nil {
		op.ticket.Attempts = []int{0, 0, 1, 3}[w.randClient.IntN(4)]
		if w.plan.load.cancel > 0 && w.randClient.IntN(100) < w.plan.load.cancel {
			w.events.push(event{at: w.now + between(w.randClient, 0, time.Second), kind: evCancel,
				node: int16(m.n.index), group: int16(m.index), life: m.n.life, op: op})
		}
	}
	if w.trace != nil {
		w.tracef(m.n.name, "is asked to propose value %d (%d, key %d) in group %d", op.id, op.kind, op.key, m.index)
	}
	w.stats.Proposed++
	m.checks().masters.asks(m.n.index, op.id)
	m.order = append(m.order, op)
	m.g.Tick(m.now())
	m.g.Propose(op.ticket)
}

// cancel takes a ticket back, if it is still open.
func (m *member) cancel(op *operation) {
	if op.ended {
		return
	}
	m.g.Tick(m.now())
	m.g.Cancel(op.ticket, group.ErrTimeout)
	m.settle()
}

func (m *member) forget(op *operation) {
	if i := slices.Index(m.order, op); i >= 0 {
		m.order = slices.Delete(m.order, i, i+1)
	}
}

// finished judges how the group ended an operation.
func (op *operation) finished() {
	m, t := op.member, op.ticket
	w, c := m.n.w, m.checks()
	op.ended = true
	if op.judge != nil {
		op.judge(t)
		return
	}
	if w.trace != nil {
		w.tracef(m.n.name, "value %d of group %d ends: i=%d index=%d err=%v", op.id, m.index, t.Instance, t.Index, t.Err)
	}
	switch {
	case t.Err == nil:
		w.stats.Acknowledged++
		w.digest.add(op.id ^ t.Instance<<32)
		if op.shadow {
			c.shadow.acknowledged(m.n.index, m.shadowed, op.id, t.Instance, t.Index)
		} else {
			at := c.log.acknowledged(m.n.index, m.reached, op.id, t.Instance, t.Index)
			c.reads.saw(sight{min(t.Instance+1, m.g.Instance()), at + 1})
		}
		if len(t.Result) != 8 {
			w.report.fail("results come back", "group %d: value %d was executed and its result is %x", m.index, op.id, t.Result)
			return
		}
		if op.kind != opMark {
			c.calls.ended(op.clientIndex(), op.kind, op.key, op.id, binary.LittleEndian.Uint64(t.Result), op.from, w.now)
		}
		op.over(true)
	case refused(t.Err):
		w.stats.Refused++
		if log := c.of(op); !log.retried[op.id] {
			log.refuse(op.id)
		}
		op.over(true)
	default:
		op.unknown()
	}
}

// of is the log in which an operation has its place.
func (c *checks) of(op *operation) *logCheck {
	if op.shadow {
		return c.shadow
	}
	return c.log
}

// refused reports whether an error promises that the value was chosen nowhere.
func refused(err error) bool {
	for _, e := range [...]error{group.ErrConflict, group.ErrFollower, group.ErrNotMember,
		group.ErrValueTooLarge, group.ErrNoStateMachine, group.ErrBusy, group.ErrNotMaster, group.ErrMasterChanged,
		group.ErrForeignCluster} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// lost is called when the node dies under an operation.
func (op *operation) lost() {
	op.ended = true
	if op.judge != nil {
		op.over(false)
		return
	}
	op.unknown()
}

func (op *operation) unknown() {
	m := op.member
	m.n.w.stats.Unknown++
	if op.kind != opMark {
		m.checks().calls.unknown(op.clientIndex(), op.kind, op.key, op.id, op.from)
	}
	op.over(false)
}

func (op *operation) over(known bool) {
	if op.done != nil {
		op.done(op, known)
	}
}

func (op *operation) clientIndex() int {
	if op.client == nil {
		return 0
	}
	return op.client.index
}
