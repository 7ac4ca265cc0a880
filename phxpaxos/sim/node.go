package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

type nodeState uint8

const (
	down nodeState = iota
	up
	dead   // its disk is damaged: it may never vote again
	absent // not started yet
)

// role is what a node is for.
type role uint8

const (
	voter    role = iota // a member from the beginning
	spare                // may be taken in
	follower             // only learns
	stranger             // belongs to another cluster
)

// node is one machine: its disk lasts, its processes come and go.
type node struct {
	w          *World
	index      int
	name       string
	id         nodeid.ID
	role       role
	following  nodeid.ID
	state      nodeState
	life       uint32 // counts starts and ends of processes
	pausedTill time.Duration
	clock      clock
	medium     medium
	log        storage.LogStorage
	disk       disk
	files      *memfs.FS // snapshots and transfers, in worlds with checkpoints
	snapshots  int       // that were taken, for their names
	members    []*member // by group
	checks     []*checks // by group; a stranger has its own
	wiped      bool      // it lost its disk, once at least
	flipped    bool      // a bit of its disk was turned
	hurt       bool      // a write of this life was made to fail
	features   []byte    // the stored variable of that name, durable
}

func newNode(w *World, index int, id nodeid.ID) *node {
	n := &node{w: w, index: index, id: id, name: nodeName(index), checks: w.checks}
	n.cast()
	n.medium = n.newMedium()
	n.disk.n = n
	for g := range w.plan.Groups {
		m := &member{n: n, index: g}
		m.clerk.m = m
		n.members = append(n.members, m)
	}
	if w.plan.world.checkpoints {
		n.files = memfs.New()
	}
	return n
}

// newMedium is an empty disk.
func (n *node) newMedium() medium {
	p := &n.w.plan
	return newMedium(n.w.kept, p.Groups, p.load.bytesMax(), stream(p.Seed, streamMedium+uint64(n.index)<<20))
}

// cast gives the node its role: the first ones vote, then come spares,
// followers and the stranger.
func (n *node) cast() {
	w, p := n.w, &n.w.plan
	switch at := n.index - p.Nodes; {
	case at < 0:
	case at < p.world.spares:
		n.role, n.state = spare, absent
	case at < p.world.spares+p.world.followers:
		// Every other one follows a follower.
		n.role, n.following = follower, w.nodes[(at*7)%p.Nodes].id
		if before := w.nodes[n.index-1]; before.role == follower {
			n.following = before.id
		}
	default:
		n.role, n.state = stranger, absent
		n.checks = nil
		for g := range p.Groups {
			n.checks = append(n.checks, newChecks(&w.report, g, w.ids(), 1<<n.index))
		}
	}
}

// boot starts a process: it opens the storage and all groups.
func (n *node) boot() {
	w := n.w
	if n.state != down {
		return
	}
	n.life++
	n.state, n.pausedTill, n.hurt = up, 0, false
	n.disk.reset()
	n.clock = clock{boot: w.now, base: time.Duration(w.randSched.Int64N(int64(time.Hour))), ppm: 0}
	if w.plan.drift > 0 {
		n.clock.ppm = w.randSched.Int64N(2*w.plan.drift+1) - w.plan.drift
		if w.plan.world.master { // leases are tried where it hurts
			n.clock.ppm = pick(w.randSched, n.clock.ppm, w.plan.drift, -w.plan.drift)
		}
	}
	w.stats.Boots++
	w.tracef(n.name, "starts")
	log, err := n.medium.open()
	if err != nil {
		n.unusable(fmt.Errorf("open the storage: %w", err))
		return
	}
	n.log = log
	for _, m := range n.members {
		err := m.verifyDisk()
		if err == nil && w.report.first == nil {
			err = m.open()
		}
		if err != nil {
			n.unusable(fmt.Errorf("open group %d: %w", m.index, err))
		}
		if err != nil || w.report.first != nil {
			return
		}
	}
	for _, m := range n.members {
		m.settle()
	}
}

// unusable takes the end of a node whose storage does not open, or lacks what
// was durable.
func (n *node) unusable(err error) {
	w := n.w
	w.tracef(n.name, "cannot start: %v", err)
	switch {
	case errors.Is(err, errInjected):
		// A fault that was meant for a write of the life before.
		n.crash(false, between(w.randFault, 0, 2*time.Second))
	case n.flipped && errors.Is(err, storage.ErrDamaged):
		w.stats.Found++
		n.bury()
	case errors.Is(err, errLost):
		w.report.fail("durability", "node %s: %v", n.name, err)
	default:
		w.report.fail("restart", "node %s cannot start: %v", n.name, err)
	}
}

// bury ends a node for good.
func (n *node) bury() {
	n.end(false)
	n.state = dead
}

// crash ends the process at once; power also takes what was not synced. The
// node comes back after the given time.
func (n *node) crash(power bool, back time.Duration) {
	if n.state == dead || n.state == absent {
		return
	}
	if n.state == up {
		n.w.tracef(n.name, "crashes, power=%v", power)
		n.end(power)
	} else if power {
		n.medium.crash(true, n.w.randDisk) // a machine can fail while its process is down
		return
	}
	n.w.events.push(event{at: n.w.now + back, kind: evBoot, node: int16(n.index), life: n.life})
}

func (n *node) end(power bool) {
	n.disk.crash()
	n.medium.crash(power, n.w.randDisk)
	switch {
	case n.files == nil:
	case power:
		n.files = n.files.Crash(memfs.Policy(n.w.randDisk.IntN(memfs.Policies)), n.w.randDisk)
	default:
		n.files = n.files.Kill()
	}
	n.state, n.log = down, nil
	n.life++
	n.w.stats.Crashes++
	for _, m := range n.members {
		m.end()
		m.checks().disk[n.index].crashed()
	}
}

// pause lets the process stand still.
func (n *node) pause(d time.Duration) {
	n.pausedTill = max(n.pausedTill, n.w.now+d)
	n.w.tracef(n.name, "stands still for %v", d)
}

// member is one group on one node: the driver's side of a group.
type member struct {
	n        *node
	index    int
	g        *group.Group
	machine  *machine
	timerAt  time.Duration // of the one timer event that counts, none if negative
	flushing bool          // a flush event is under way
	turn     uint64        // flushes of all lives
	executed int           // entries in the state
	reached  int           // entries executed in this life; more than executed while the machine has fallen back
	shadow   *machine      // in worlds with two machines
	shadowed int           // as executed, for shadow
	stores   [2]store      // of machine and shadow
	clerk    clerk
	newcomer bool          // as the disk has it
	ledger   []byte        // as well, nil if there is none
	checked  uint64        // records below it were checked in this life
	order    []*operation  // the open ones in the order of their calls
	idle     int           // timers in a row that moved nothing
	lease    time.Duration // on the node's clock: until then it says that it is master; 0 if it does not
	buf      []byte
}

func (m *member) checks() *checks { return m.n.checks[m.index] }

// open starts the group of a new life.
func (m *member) open() error {
	w := m.n.w
	m.timerAt, m.flushing, m.executed, m.reached, m.idle, m.lease = -1, false, 0, 0, 0, 0
	m.order = m.order[:0]
	chance := stream(w.plan.Seed, streamGroup+uint64(m.n.index*w.plan.Groups+m.index)+uint64(m.n.life)<<20)
	m.shadowed = 0
	g, err := group.Open(m.config(chance), m, m.now())
	if err != nil {
		return err
	}
	m.g = g
	// Records that earlier lives have shown are compared again only near the
	// end of the log, where a crash could have changed something.
	m.checked = 0
	if r := g.Readable(); r > 64 {
		m.checked = r - 64
	}
	return nil
}

func (m *member) config(chance *rand.Rand) group.Config {
	w := m.n.w
	x := &w.plan.world
	var siblings group.Siblings
	if m.index == 0 && (w.plan.Groups > 1 || w.plan.digest) {
		siblings = siblingsOf{m.n}
	}
	return group.Config{
		Features: m.n.storedFeatures(), Siblings: siblings, Index: m.index, Groups: w.plan.Groups, Me: m.n.id, Members: m.configured(), Following: m.n.following,
		StateMachines: m.machines(chance), Rand: chance, PacketCRC: w.plan.crc,
		BatchCountMax: w.plan.load.batchMax, BatchBytesMax: 512000, BatchDelay: w.plan.load.batchDelay,
		EarlyBytesMin: w.plan.load.early,
		ValueBytesMax: 10 << 20, Hazards: w.hazards, FullHistory: w.plan.history,
		UseMembers: x.members, UseMaster: x.master && m.n.role != stranger, MasterLease: x.lease, Fence: x.fence && m.n.role != stranger,
		ChangeBeforePropose: x.change, Hold: x.hold,
		CheckHistory: m.n.wiped || x.cautious && m.n.role == voter,
	}
}

// storedFeatures is what the node starts with.
func (n *node) storedFeatures() feature.State {
	s, err := feature.DecodeState(n.features)
	if err != nil {
		return feature.State{} // it has stored none
	}
	return s
}

// machines makes the state machines of a new life.
func (m *member) machines(chance *rand.Rand) []sm.StateMachine {
	w := m.n.w
	x := &w.plan.world
	fails := w.plan.load.executeFails
	if w.phase > chaos {
		fails = 0
	}
	m.machine = &machine{id: machineID, chance: chance, fails: fails, report: m.executes}
	if !x.checkpoints {
		return []sm.StateMachine{m.shaped()}
	}
	c := m.checks()
	list := []sm.StateMachine{m.durable(m.machine, 0, func() {
		m.executed = c.log.through(m.stores[0].at)
		m.reached = m.executed
	})}
	if x.shadow {
		m.shadow = &machine{id: shadowID, chance: chance, fails: fails, report: m.shadows}
		list = append(list, m.durable(m.shadow, 1, func() { m.shadowed = c.shadow.through(m.stores[1].at) }))
	}
	switch x.idle {
	case 1:
		list = append(list, idle{m.n})
	case 2:
		list = append(list, idleSnapshotter{idle{m.n}})
	}
	return list
}

// durable gives a machine the state that is on the disk.
func (m *member) durable(of *machine, i int, moved func()) *durable {
	d := &durable{machine: of, n: m.n, group: m.index, store: &m.stores[i], every: m.n.w.plan.world.every[i], moved: moved}
	if d.store.some {
		d.decode(d.store.state)
		moved()
	}
	return d
}

// configured is the list of nodes that the node is started with. A node that
// is to be taken in gets the first members and the present ones, without itself:
// one that names itself could take part in founding another cluster.
func (m *member) configured() paxos.Membership {
	set := m.n.w.founders()
	switch m.n.role {
	case stranger:
		set = 1 << m.n.index
	case spare, follower:
		set = (set | m.checks().model.present()) &^ (1 << m.n.index)
	case voter:
		if m.n.wiped {
			set |= m.checks().model.present() // the list of old could found a cluster anew
		}
	}
	var ids []nodeid.ID
	for _, id := range m.n.w.ids() {
		if set.has(nodeIndex(id)) {
			ids = append(ids, id)
		}
	}
	return paxos.NewMembership(ids)
}

// end forgets the group of a life that is over. What its callers asked for
// has an unknown outcome.
func (m *member) end() {
	m.g, m.lease = nil, 0
	m.clerk.end()
	for _, op := range m.order {
		op.lost()
	}
	m.order = m.order[:0]
}

func (m *member) now() time.Duration { return m.n.clock.read(m.n.w.now) }

func (m *member) receive(from int, packet []byte) {
	w := m.n.w
	w.stats.Delivered++
	if w.trace != nil {
		if msg, ok := w.reader.read(packet); ok {
			w.tracef(m.n.name, "<- %s group %d %s", w.nodes[from].name, m.index, describeMessage(msg, m.n.id))
		} else {
			w.tracef(m.n.name, "<- %s damaged packet or other command, %d bytes", w.nodes[from].name, len(packet))
		}
	}
	m.g.Tick(m.now())
	m.g.Receive(packet)
	m.settle()
}

func (m *member) timer(at time.Duration) {
	if at != m.timerAt {
		return
	}
	m.timerAt = -1
	m.g.Tick(m.now())
	m.settle()
}

// settle lets the group hand out what the last input caused, at once or a
// moment later together with what further inputs cause.
func (m *member) settle() {
	if m.g == nil {
		return // a digest reaches other groups as well, and one of them has ended the node
	}
	w := m.n.w
	m.watchMaster()
	if w.plan.jitter > 0 && w.script == nil {
		if m.flushing {
			return
		}
		if late := w.randSched.Int64N(2 * int64(w.plan.jitter)); late > int64(w.plan.jitter) {
			m.flushing = true
			w.events.push(event{at: w.now + time.Duration(late) - w.plan.jitter, kind: evFlush,
				node: int16(m.n.index), group: int16(m.index), life: m.n.life})
			return
		}
	}
	m.flush()
}

func (m *member) flush() {
	m.flushing = false
	m.turn++
	m.g.Flush()
	m.g.SendEarly()
	m.afterFlush()
}

// afterFlush checks the group's health and records and arms its timer.
func (m *member) afterFlush() {
	w := m.n.w
	if err := m.g.Err(); err != nil {
		m.stopped(err)
		return
	}
	m.watchMaster()
	m.checkRecords()
	deadline := m.g.Deadline()
	if deadline == math.MaxInt64 {
		return
	}
	at := w.now
	if deadline > m.now() {
		at = m.n.clock.when(deadline)
		m.idle = 0
	} else if m.idle++; m.idle > 1000 {
		w.report.fail("liveness", "node %s group %d: a deadline that has passed stays due", m.n.name, m.index)
		return
	}
	if m.timerAt < 0 || at < m.timerAt {
		m.timerAt = at
		w.events.push(event{at: at, n: uint64(at), kind: evTimer, node: int16(m.n.index), group: int16(m.index), life: m.n.life})
	}
}

// stopped takes a group that gave up. A failed write is a good reason; then
// the process is ended and starts again, as a supervisor would do it.
func (m *member) stopped(err error) {
	n := m.n
	n.w.tracef(n.name, "group %d stopped: %v", m.index, err)
	switch {
	case n.hurt && (errors.Is(err, paxos.ErrSave) || errors.Is(err, storage.ErrFailed)):
		n.crash(false, between(n.w.randFault, 0, 2*time.Second))
	case n.flipped && errors.Is(err, storage.ErrDamaged):
		n.w.stats.Found++
		n.bury()
	default:
		n.w.report.fail("group goes on", "node %s group %d stopped: %v", n.name, m.index, err)
	}
}
