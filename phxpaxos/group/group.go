package group

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Group is one replicated log's life on one node. It is not safe for
// concurrent use: one goroutine owns it. Time moves only by Tick.
type Group struct {
	cfg  Config
	env  Env
	core *paxos.Core
	now  time.Duration
	err  error // why the group stopped; matches ErrGroupFailed

	queue    queue
	early    early
	finished []*Ticket // for Env.Finish at the next Flush
	exec     executor
	entries  entries
	teach    teacher
	system   system
	master   master
	election election
	reads    reads
	strays   strays
	senders  senders
	asked    asked
	features features

	alwaysHistory bool // Config.FullHistory, as it was given
	clean         cleaner
	replayer      replayer
	give          giver
	fetch         fetcher
	newcomer      newcomer
	course        course
	digests       digests
	history       comparer
	covers        []nodeid.ID // nodes that send digests

	minChosen uint64
	saved     uint64 // saves up to it are on disk
}

// Propose takes a proposal; it comes back by Env.Finish.
func (g *Group) Propose(t *Ticket) {
	t.queued, t.lost, t.early, t.executed = g.now, 0, 0, false
	if err := g.refuse(t); err != nil {
		g.finish(t, err)
		return
	}
	g.queue.add(t)
}

// refuse checks what can be known before the proposal waits.
func (g *Group) refuse(t *Ticket) error {
	switch {
	case g.err != nil:
		return g.err
	case g.cfg.Following != 0:
		return ErrFollower
	case !g.core.Members().Contains(g.cfg.Me):
		return ErrNotMember
	case len(t.Value)+4 > g.cfg.ValueBytesMax:
		return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrValueTooLarge, len(t.Value), g.cfg.ValueBytesMax-4)
	case !g.spokenFor():
		return fmt.Errorf("%w than %d; start this node with its own cluster's list, or with an empty directory", ErrForeignCluster, g.Cluster())
	case g.cfg.Fence && !g.internal(t.SM) && t.done == nil && !g.isMaster():
		return ErrNotMaster
	case t.SM == sm.None && t.done == nil && feature.IsMarked(t.Value):
		return ErrReserved
	case t.SM != sm.None && g.exec.machine(t.SM) == nil && !g.internal(t.SM):
		return fmt.Errorf("%w: %d in group %d", ErrNoStateMachine, t.SM, g.cfg.Index)
	}
	return nil
}

// Cancel ends a ticket early with err, if it has not been finished yet. What was
// handed out already may still be chosen, once.
func (g *Group) Cancel(t *Ticket, err error) {
	if g.queue.remove(t) || g.reads.remove(t) {
		g.finish(t, err)
	}
	if g.queue.abandoned() {
		g.core.Abandon()
		g.queue.current = batch{}
	}
}

// Saved tells that every Save up to seq is on disk.
func (g *Group) Saved(seq uint64) {
	g.saved = max(g.saved, seq)
	g.core.Saved(seq)
	g.settle()
	g.teach.pump(g)
	g.clean.saved(g)
	g.clean.skipped(g)
	g.newcomer.saved(g)
	g.replayer.step(g)
}

// Unhurried reports whether Saved may be called along with the next input, as
// if the disk had taken that much longer: nobody hears of it before that.
func (g *Group) Unhurried() bool { return g.err == nil && g.core.Unhurried() }

// SaveFailed tells that the Saves from seq on are not on disk. The group
// stops: what it holds in memory is ahead of what it would know after a crash.
func (g *Group) SaveFailed(seq uint64, err error) {
	g.core.SaveFailed(seq, err)
	g.settle()
}

// Tick moves the group's clock and fires what is due.
func (g *Group) Tick(now time.Duration) {
	if now > g.now {
		g.now = now
	}
	g.core.Tick(g.now)
	g.queue.expire(g)
	g.early.tick(g.now)
	g.teach.tick(g)
	g.exec.rewind(g)
	g.settle()
	g.election.tick(g)
	g.reads.tick(g)
	if g.err == nil {
		g.clean.tick(g)
		g.replayer.tick(g)
		g.give.tick(g)
		g.fetch.tick(g)
		g.newcomer.tick(g)
		g.course.tick(g)
	}
	g.digests.tick(g)
	g.history.tick(g)
}

// Deadline is when Tick has to be called at the latest.
func (g *Group) Deadline() time.Duration {
	const never = time.Duration(1<<63 - 1)
	if g.err != nil {
		return never
	}
	at, ok := g.core.Deadline()
	if !ok {
		at = never
	}
	for _, d := range [...]time.Duration{g.queue.deadline, g.queue.batchAt, g.early.kept.until, g.exec.deadline(g), g.teach.deadline, g.reads.deadline, g.election.deadline(), g.digests.at,
		g.clean.at, g.replayer.at, g.give.deadline, g.fetch.deadline, g.newcomer.at, g.course.at, g.history.deadline} {
		if d != 0 {
			at = min(at, d)
		}
	}
	return at
}

// Flush hands out everything that the inputs since the last Flush caused:
// saves, packets, finished tickets. It begins the next round if proposals
// wait.
func (g *Group) Flush() {
	g.settle()
	g.clean.watch(g)
	g.course.watch(g)
	g.reads.flush(g)
	g.queue.start(g)
	g.settle()
	if g.err == nil {
		g.core.SetCovered(g.covered())
		g.core.Flush()
		g.settle()
	}
	g.HandBack()
}

// HandBack hands out the tickets that have ended, and nothing else. Flush does
// so too; a driver that calls it before Flush can let the callers propose again
// before the next round begins.
func (g *Group) HandBack() {
	for i, t := range g.finished {
		g.finished[i] = nil
		g.env.Finish(t)
	}
	g.finished = g.finished[:0]
}

// settle executes what is decided and moves on, and stops the group if the
// core has stopped. It runs after every input, so that the next message of a
// burst finds the instance it is meant for.
func (g *Group) settle() {
	for g.err == nil && g.core.Err() == nil {
		if g.history.disputed(g); g.history.active {
			break
		}
		chosen := g.core.Chosen()
		if chosen == nil || g.now < g.exec.retryAt || !g.exec.level() {
			break
		}
		if !g.exec.run(g, chosen) {
			break
		}
		g.core.Advance()
		g.newcomer.judge(g)
	}
	if err := g.core.Err(); err != nil {
		g.stop(err)
	}
}

// stop fences the group (hazard H6): nothing more leaves it, its callers get
// the reason, other groups go on.
func (g *Group) stop(err error) {
	if g.err != nil {
		return
	}
	g.err = fmt.Errorf("%w: group %d: %w", ErrGroupFailed, g.cfg.Index, err)
	g.observe(event.Event{Kind: event.GroupFailed, Instance: g.core.Instance(), Err: g.err})
	g.queue.drain(g, g.err)
	g.reads.drain(g, g.err)
	g.early.kept = earlyValue{}
	g.master.until = 0 // a group that has stopped is no master
}

// Close finishes every ticket with ErrClosed; hand them out with Flush.
func (g *Group) Close() {
	g.queue.drain(g, ErrClosed)
	g.reads.drain(g, ErrClosed)
	if g.err == nil {
		g.err = ErrClosed
	}
}

func (g *Group) finish(t *Ticket, err error) {
	t.Err = err
	if t.done != nil {
		t.done(t)
		return
	}
	g.finished = append(g.finished, t)
}

// Instance is the current, undecided instance; all below are executed.
func (g *Group) Instance() uint64 { return g.core.Instance() }

// Readable is the instance below which every record can be read from the
// storage in its final form.
func (g *Group) Readable() uint64 { return g.core.Readable() }

// MinChosen is the lowest instance that the log keeps.
func (g *Group) MinChosen() uint64 { return g.minChosen }

// Highest is the highest current instance that any node claimed; how far it
// is above Instance is how far this node lags.
func (g *Group) Highest() uint64 { return g.core.Highest() }

// Votes reports whether this node votes and proposes as a member may; it does
// not while it may have forgotten what it promised, see Config.CheckHistory.
func (g *Group) Votes() bool { return !g.newcomer.active }

// Err is why the group stopped, or nil; it matches ErrGroupFailed, or
// ErrClosed after Close.
func (g *Group) Err() error { return g.err }

// Members is who votes, and Cluster the cluster id, 0 before there is one.
func (g *Group) Members() paxos.Membership { return g.core.Members() }

// Cluster is the id of the cluster, 0 before there is one.
func (g *Group) Cluster() uint64 { return g.system.known().Cluster }

// AddStateMachine registers another state machine, which is given what is
// executed from now on. Instances that wait for it are tried again at the next
// Tick. The error matches ErrMachineExists if there is one with its id, and
// ErrLogGap if there were entries for it before that its durable state lacks.
func (g *Group) AddStateMachine(m sm.StateMachine) error {
	id, at := m.ID(), g.core.Instance()
	if id.Reserved() || g.exec.machine(id) != nil {
		return ErrMachineExists
	}
	g.entries.tracker.Declare(id, at)
	if have, newest := lacks(m, g.cfg.Index), g.entries.tracker.Newest(id); have < newest {
		return fmt.Errorf("%w: state machine %d in group %d has had entries up to instance %d, its durable state ends before %d",
			ErrLogGap, id, g.cfg.Index, newest-1, have)
	}
	g.exec.register(m, at)
	return nil
}

// SetSync changes NoSync and SyncInterval.
func (g *Group) SetSync(sync bool, interval int) {
	g.cfg.NoSync = !sync
	g.core.SetSync(!sync, interval)
}

// SetBatch changes the batch limits.
func (g *Group) SetBatch(countMax, bytesMax int, delay time.Duration) {
	g.cfg.BatchCountMax, g.cfg.BatchBytesMax, g.cfg.BatchDelay = countMax, bytesMax, delay
}

func (g *Group) observe(e event.Event) {
	e.Group = g.cfg.Index
	g.env.Observe(e)
}
