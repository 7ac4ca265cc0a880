package phxpaxos

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/crowd"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// machine is what a loop needs of *group.Group.
type machine interface {
	Propose(t *group.Ticket)
	Cancel(t *group.Ticket, err error)
	Receive(packet []byte)
	Saved(seq uint64)
	SaveFailed(seq uint64, err error)
	Tick(now time.Duration)
	Deadline() time.Duration
	HandBack()
	Flush()
	Early() bool
	SendEarly()
	Close()
	Instance() uint64
	Readable() uint64
	Level() bool
	MinChosen() uint64
	Err() error
	AddStateMachine(m sm.StateMachine) error
	SetSync(sync bool, interval int)
	SetBatch(countMax, bytesMax int, delay time.Duration)
	Membership() (members []nodeid.ID, version uint64)
	ChangeMembers(t *group.Ticket, add, remove nodeid.ID)
	Master() (node nodeid.ID, version uint64, until time.Duration)
	HandMaster(t *group.Ticket, node nodeid.ID)
	SetMasterLease(lease time.Duration)
	Read(t *group.Ticket)
	JobDone(r group.JobResult)
	Progress() group.Progress
	SetHold(instances uint64)
	PauseCleaning(paused bool)
	PauseReplayer(paused bool)
	Ahead(node nodeid.ID, instance uint64)
	Cover(nodes []nodeid.ID)
	Features() feature.State
	SetFeatures(s feature.State)
	RestrictFeatures(t *group.Ticket, limit feature.Level)
	Compare(node nodeid.ID, s wire.Standing)
	Standing() wire.Standing
	Highest() uint64
	Unhurried() bool
}

var _ machine = (*group.Group)(nil)

// loop is one group and the goroutine that owns it: it waits for inputs or
// the group's deadline, feeds everything that waits, lets the group hand out
// once what it wants, and publishes how far it is.
//
// No other goroutine touches the machine. A panic in it, in a state machine
// or in the storage stops this group and no other.
type loop struct {
	index    int
	original bool // the log has the original's layout
	me       nodeid.ID
	fenced   bool // lease reads are allowed
	notifier *notifier
	disk     *disk
	store    storage.LogStorage
	network  network.Network
	observer *observer
	heard    *heard
	now      func() time.Duration
	open     func(l *loop) (machine, error)
	siblings group.Siblings // of the loop that carries the digests, else nil

	setCluster func(nodeid.Cluster) error // see Node.setCluster

	inbox inbox
	gate  *waitlock.Gate
	saver saver
	clerk *clerk
	done  chan struct{} // closed when the goroutine has ended
	ended chan struct{} // closed when no call can succeed any more; err says why
	once  sync.Once
	err   error // of ended

	// Published after each turn, read by any goroutine.
	instance  atomic.Uint64
	standing  standing
	level     atomic.Bool // what is below instance is in the state machines
	readable  atomic.Uint64
	minChosen atomic.Uint64
	highest   atomic.Uint64
	progress  progress
	course    atomic.Pointer[Progress]   // nil while the group is level
	members   atomic.Pointer[membership] // nil if the group could not be opened
	features  atomic.Pointer[feature.State]
	master    atomic.Pointer[mastership]
	elections progress // tells of a new master

	// Of the goroutine alone.
	machine    machine
	at         time.Duration // when the turn began
	timer      *time.Timer
	armed      time.Duration // what timer is set to, -1 if it is not
	unended    proposal      // head of the ring of proposals that have not ended
	complete   []*proposal   // have ended, their callers are still asleep
	closing    bool          // Close was called
	stopping   bool
	lastMaster nodeid.ID // who was elected last, None if it is this node from an earlier life
}

// init makes a loop whose goroutine does not run yet.
func (l *loop) init(packetsMax, bytesMax int) {
	l.inbox.init(packetsMax, bytesMax)
	l.saver = saver{group: l.index, inbox: &l.inbox}
	l.done, l.ended = make(chan struct{}), make(chan struct{})
	l.unended.prev, l.unended.next = &l.unended, &l.unended
	l.progress.changed, l.elections.changed = make(chan struct{}), make(chan struct{})
	l.master.Store(&mastership{version: NoVersion})
	initial := feature.Initial()
	l.features.Store(&initial)
}

// failure is why calls cannot succeed any more, or nil.
func (l *loop) failure() error {
	select {
	case <-l.ended:
		return l.err
	default:
		return nil
	}
}

// end makes every waiting and coming call fail with err. Only the first call
// counts.
func (l *loop) end(err error) {
	l.once.Do(func() {
		l.err = err
		l.master.Store(&mastership{version: l.master.Load().version}) // a group that has stopped has no master
		close(l.ended)
	})
	l.gate.Close(err)
}

// start opens the group. An error that concerns this group alone stops the
// group and is not returned.
func (l *loop) start() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = nil
			l.fence(l.observer.panicked("group or state machine", r))
		}
	}()
	m, err := l.open(l)
	switch {
	case fencing(err):
		l.fence(err)
		return nil
	case err != nil:
		return err
	}
	l.machine = m
	l.publish()
	l.membersChanged()
	l.lastMaster = l.master.Load().node
	return nil
}

// errGoexit: somebody ended a goroutine that is not theirs.
var errGoexit = errors.New("a state machine ended its group's goroutine (runtime.Goexit)")

// goroutine is the life of a group. It opens it when it is its turn, tells
// opened how that went, and goes on when everything is ready; it ends at
// once when start is abandoned.
func (l *loop) goroutine(turns chan struct{}, opened func(error), begin, abandon <-chan struct{}) {
	defer close(l.done)
	defer l.finishAll()
	l.takeTurn(turns, opened, abandon)
	select {
	case <-begin:
		l.run()
	case <-abandon:
		l.stopping = true
	}
}

// takeTurn opens the group, as one of few at a time, and calls opened once.
func (l *loop) takeTurn(turns chan struct{}, opened func(error), abandon <-chan struct{}) {
	err := errGoexit
	defer func() { opened(err) }()
	select {
	case turns <- struct{}{}:
	case <-abandon:
		err = nil
		return
	}
	defer func() { <-turns }()
	err = l.start()
}

// fencing reports whether an error at start concerns one group alone, so that
// the node can do without it.
func fencing(err error) bool {
	return errors.Is(err, storage.ErrDamaged) || errors.Is(err, ErrGroupFailed)
}

// run is the group's life once the network runs.
func (l *loop) run() {
	if l.failure() != nil {
		return
	}
	// The timer rings as any input does, so that the goroutine waits for one
	// channel only; that is quicker than a select.
	l.timer = time.AfterFunc(0, l.inbox.ring)
	defer l.timer.Stop()
	l.armed = -1
	for !l.stopping {
		l.wait()
		l.turn()
	}
}

// wait returns when there is something to do. A timer that rings too early
// costs a turn; one that is set for every instance costs more.
func (l *loop) wait() {
	if deadline := l.machine.Deadline(); l.armed < 0 || deadline < l.armed {
		l.armed = deadline
		l.timer.Reset(deadline - l.now())
	}
	<-l.inbox.wake
}

// turn feeds all inputs and flushes once.
func (l *loop) turn() {
	defer func() {
		if r := recover(); r != nil {
			l.fence(l.observer.panicked("group or state machine", r))
			l.stopping = true
		}
	}()
	l.observer.Observe(event.Event{Kind: event.LoopTurn, Group: l.index})
	l.takeIn()
	l.comeBack()
	// Flush tells other nodes. What they may do then rests on what this node
	// does not claim any more, and what they may show on what is seen here:
	// package group, election.go and read.go. So it is published before.
	l.publish()
	if err := l.machine.Err(); l.closing && err == nil {
		l.machine.Flush() // what is decided goes to the disk and to the peers
		l.machine.Close()
		l.stopping = true
	}
	l.machine.Flush()
	// Who comes back with a result finds its instance published, and who comes
	// back because the group has stopped finds that.
	l.publish()
	if err := l.machine.Err(); err != nil && !l.stopping {
		l.fence(err)
		l.stopping = true
	}
	l.wakeCallers()
	if l.machine.Early() {
		runtime.Gosched() // what this turn has sent and saved is more urgent
		l.machine.SendEarly()
	}
	if l.machine.Unhurried() {
		l.inbox.noHurry()
	}
}

// takeIn tells the machine the time and everything that waits.
func (l *loop) takeIn() {
	in := l.inbox.take()
	// All proposals are in the ring before the machine does anything, so that
	// a panic leaves none behind.
	for _, p := range in.proposals {
		l.link(p)
	}
	now := l.now()
	l.at = now
	if now >= l.armed {
		l.armed = -1 // the timer has fired, or is about to
	}
	l.machine.Tick(now)
	l.feed(&in)
	l.inbox.recycle(in)
}

// comeBack gives finished proposals back before the next round begins, and
// lets their callers run first. So the next batch holds all that they propose
// next; without it there would be two batches in turn, of half the callers
// each. It pays for a lone caller too: the news that its value is chosen and
// its next value leave in one write.
func (l *loop) comeBack() {
	if l.machine.Err() != nil {
		return // there is no next round
	}
	l.machine.HandBack()
	n := len(l.complete)
	if n == 0 {
		return
	}
	l.publish() // who comes back with a result finds its instance published
	l.wakeCallers()
	crowd.Gather(l.inbox.proposals, n) // who does something else between two proposals is not waited for
	select {
	case <-l.inbox.wake:
		l.armed = -1 // this may have been the timer
	default:
	}
	l.takeIn()
}

// feed gives the machine everything that waited; inputs says why in this order.
func (l *loop) feed(in *inputs) {
	l.closing = l.closing || in.closing
	if in.saved != 0 {
		l.machine.Saved(in.saved)
	}
	if in.failed != nil {
		l.machine.SaveFailed(in.failed.seq, in.failed.err)
	}
	for _, call := range in.calls {
		call(l.machine)
	}
	for _, p := range in.proposals {
		p.hand(l.machine)
	}
	for _, c := range in.cancels {
		for i := range c.p.tickets {
			if t := &c.p.tickets[i]; t.Owner != nil {
				l.machine.Cancel(t, c.err)
			}
		}
	}
	l.receive(in.late)
	l.receive(in.packets)
}

// receive feeds packets.
func (l *loop) receive(packets [][]byte) {
	for _, packet := range packets {
		l.observer.Observe(event.Event{Kind: event.Dequeue, Group: l.index, Size: len(packet)})
		l.machine.Receive(packet)
	}
}

// publish tells other goroutines how far the group is. It runs several times a
// turn, and reading what has not changed is cheaper than storing it.
func (l *loop) publish() {
	if level := l.machine.Level(); level != l.level.Load() {
		l.level.Store(level)
	}
	if instance := l.machine.Instance(); instance != l.instance.Load() {
		l.instance.Store(instance)
		l.standing.store(l.machine.Standing())
	}
	if chosen := l.machine.MinChosen(); chosen != l.minChosen.Load() {
		l.minChosen.Store(chosen)
	}
	l.publishCourse()
	if highest := l.machine.Highest(); highest != l.highest.Load() {
		l.highest.Store(highest)
	}
	if state := l.machine.Features(); state != *l.features.Load() {
		l.features.Store(&state)
	}
	l.publishMaster() // behind the instance, see LeaseRead
	if readable := l.machine.Readable(); readable != l.readable.Load() {
		l.readable.Store(readable)
		l.progress.tell()
	}
}

// fence stops the group because of err; its calls fail with an error that
// matches ErrGroupFailed and err.
func (l *loop) fence(err error) {
	if l.failure() != nil {
		return
	}
	told := errors.Is(err, ErrGroupFailed) // then the machine has reported it
	if !told {
		err = fmt.Errorf("%w: group %d: %w", ErrGroupFailed, l.index, err)
	}
	l.end(err)
	if !told || l.machine == nil {
		l.observer.Observe(event.Event{Kind: event.GroupFailed, Group: l.index, Instance: l.instance.Load(), Err: err})
	}
}

// finishAll ends every proposal that the machine has not ended, and those
// that come too late for it.
func (l *loop) finishAll() {
	if !l.stopping {
		l.fence(errGoexit) // or it has failed already, which counts
	}
	l.end(fmt.Errorf("group %d: %w", l.index, ErrClosed))
	late := l.inbox.shut(l.err)
	for _, p := range late.proposals {
		l.link(p)
	}
	for l.unended.next != &l.unended {
		p := l.unended.next
		for i := range p.tickets {
			if t := &p.tickets[i]; t.Owner != nil {
				t.Err = l.err
				l.finish(t)
			}
		}
	}
	l.wakeCallers()
	for _, call := range late.calls {
		call(nil)
	}
}

// link puts a proposal into the ring of those that have not ended.
func (l *loop) link(p *proposal) {
	p.prev, p.next = l.unended.prev, &l.unended
	p.prev.next, p.next.prev = p, p
}

// finish takes back a ticket; the last one of a proposal ends it. A ticket
// without an owner was finished before.
func (l *loop) finish(t *group.Ticket) {
	p, ok := t.Owner.(*proposal)
	if !ok {
		return
	}
	t.Owner = nil
	if p.left--; p.left > 0 {
		return
	}
	p.prev.next, p.next.prev = p.next, p.prev
	p.prev, p.next = nil, nil
	l.complete = append(l.complete, p)
}

// wakeOnRewind lets a state machine that falls back wake the goroutine, which
// then asks it.
func (l *loop) wakeOnRewind(m sm.StateMachine) {
	if r, ok := m.(sm.Rewinder); ok {
		r.OnRewind(l.index, l.inbox.ring)
	}
}

// wakeCallers gives the proposals that have ended back.
func (l *loop) wakeCallers() {
	for i, p := range l.complete {
		l.complete[i] = nil
		p.complete()
	}
	l.complete = l.complete[:0]
}

// post lets the goroutine call the machine, before it sees any proposal that
// is made after post returns.
func (l *loop) post(call func(machine)) error {
	return l.inbox.put(func(in *inputs) { in.calls = append(in.calls, call) })
}

// do is post that waits for the call.
func (l *loop) do(call func(machine)) error {
	called := make(chan bool, 1)
	err := l.post(func(m machine) {
		if m != nil {
			call(m)
		}
		called <- m != nil
	})
	if err != nil {
		return err
	}
	select {
	case ok := <-called:
		if ok {
			return nil
		}
	case <-l.ended: // a panic may have swallowed the call
	}
	return l.failure()
}
