package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

const (
	holdDefault    = 1000000
	cleanStep      = 100 // fewest instances that are worth the synced write of MinChosen
	cleanPause     = 500 * time.Millisecond
	cleanPauseEach = 5 * time.Millisecond // for each group, so that many groups share the disk
	cleanRate      = 300000               // instances a second over all groups, a tenth in large mode
	cleanLook      = 10 * time.Second     // when to look again if the state machines hold it up
)

// cleaner lets go of the log's beginning. It never takes what a state machine
// still lacks: the one that is furthest behind decides (hazard H4), where one
// whose entries are all in its checkpoint is behind nothing. That it is so has
// to be on disk in the ledger before, see docs/trimming.md. First MinChosen goes to the disk, then the records go, so a node never claims to
// keep what it does not. Nothing of it is on the way of a value: it works in
// steps, from time to time, and the writing is done elsewhere.
type cleaner struct {
	hold   uint64
	paused bool
	busy   bool
	at     time.Duration // of the next step, 0 if there is nothing to do
	looked uint64        // instance at the last look that found nothing to store

	// What is trimmed is durable, and with it the promise; what was learned since
	// may not be. So a record that is kept has to be durable before: power loss
	// would leave nothing else (P2).
	wantSync bool   // the next record is to be synced
	syncSeq  uint64 // the save that is
	syncAt   uint64 // its instance
	synced   uint64 // the record of this instance, or a later one, is durable

	skip  uint64 // a checkpoint took the log beyond this instance, 0 if none did
	after uint64 // and the records before may go when this save is on disk
}

// SetHold changes how many instances the log keeps at least behind what its
// state machines have made durable: nodes that lag a little learn from the log
// (spec/storage-api.md section 3.2). 0 means a million.
func (g *Group) SetHold(instances uint64) {
	if instances == 0 {
		instances = holdDefault
	}
	g.clean.hold, g.clean.at = instances, 0
}

// step is how many instances are cleaned at once, at least.
func (c *cleaner) step() uint64 { return min(cleanStep, c.hold) }

// PauseCleaning stops cleaning, or lets it go on. A step under way is finished.
// The ledger, which bounds what a start replays, is still kept.
func (g *Group) PauseCleaning(paused bool) {
	g.clean.paused = paused
	g.clean.at = 0
}

// limit is the first instance that some state machine may need from the log,
// or that a start may, by what a ledger says.
func (g *Group) limit(l *ledger.Ledger) uint64 {
	from, to := g.checkpoints(l)
	begin := l.Through // a start reads the log from there
	switch {
	case g.cfg.NoLedger && len(g.exec.machines) > 0:
		begin, _ = g.checkpoints(&ledger.Ledger{})
	case g.cfg.NoLedger:
		begin = g.core.Instance() // the node's own are durable when they are executed
	case g.cfg.Hazards.CleanToNewest:
		begin = min(begin, to)
	case len(g.exec.machines) > 0:
		begin = min(begin, from)
	}
	return begin
}

// originalStart is where an original node would begin to replay: after the
// newest checkpoint, that of its own machines if there are no others. It
// refuses a log that begins later.
func (g *Group) originalStart() uint64 {
	switch {
	case !g.cfg.KeepForOriginal:
		return sm.NoCheckpoint // any will do
	case len(g.exec.machines) == 0:
		return max(g.system.v.Version+1, g.master.v.Version+1)
	}
	_, to := g.checkpoints(&ledger.Ledger{})
	return to
}

// watch arms the cleaner as soon as there is enough to clean, or to store in
// the ledger.
func (c *cleaner) watch(g *Group) {
	at := g.core.Instance()
	news := !g.cfg.NoLedger && at >= max(g.entries.stored.Through, c.looked)+ledgerReplay
	if c.at != 0 || c.busy || !news && !c.long(g) {
		return
	}
	c.at = g.now + c.pause(g)
}

// long: the log has more than is to be kept.
func (c *cleaner) long(g *Group) bool {
	return !c.paused && g.core.Instance() >= g.minChosen+c.hold+c.step()
}

func (c *cleaner) pause(g *Group) time.Duration {
	return cleanPause + time.Duration(g.cfg.Rand.IntN(int(cleanPause/time.Millisecond)))*time.Millisecond +
		time.Duration(g.cfg.Groups)*cleanPauseEach
}

// saving decides whether a record is synced that need not be.
func (c *cleaner) saving(g *Group, s *paxos.Save) (sync bool) {
	sync = s.Sync || c.wantSync
	if sync && c.syncSeq <= g.saved {
		c.wantSync, c.syncSeq, c.syncAt = false, s.Seq, s.Record.Instance
	}
	return sync
}

// saved takes note of what is durable.
func (c *cleaner) saved(g *Group) {
	if g.saved >= c.syncSeq {
		c.synced = max(c.synced, c.syncAt)
	}
}

// stepMax bounds a step, so that the rate is kept.
func (c *cleaner) stepMax(g *Group) uint64 {
	rate := uint64(cleanRate)
	if g.cfg.LargeMode {
		rate /= 10
	}
	return max(rate*uint64(cleanPause)/uint64(time.Second)/uint64(max(1, g.cfg.Groups)), c.step())
}

func (c *cleaner) tick(g *Group) {
	if c.at == 0 || g.now < c.at {
		return
	}
	c.at = 0
	if c.busy {
		return
	}
	now := g.settledLedger()
	limit := g.limit(&g.entries.stored)
	if c.outdated(g, limit, g.limit(now)) {
		c.keep(g, now)
		return
	}
	c.looked = g.core.Instance()
	limit = min(limit, g.core.Readable(), g.originalStart())
	if c.paused || limit < c.hold+g.minChosen+c.step() {
		if c.long(g) {
			c.at = g.now + cleanLook
		}
		return
	}
	limit -= c.hold
	if !g.cfg.NoSync && limit > c.synced {
		c.wantSync = true
		limit = max(c.synced, g.minChosen)
	}
	// A node that is being taught keeps what it needs, unless it is so slow
	// that the log grows to twice its length; then it is told.
	if need := g.teach.lowest(); need < limit && need+c.hold >= limit {
		limit = need
	}
	limit = g.give.holds(g, limit)
	if limit < g.minChosen+c.step() {
		c.at = g.now + c.pause(g)
		return
	}
	c.begin(g, min(limit, g.minChosen+c.stepMax(g)))
}

// outdated: the ledger on disk, by which a start has to read the log from
// limit on, should be replaced by the one that is true now.
func (c *cleaner) outdated(g *Group, limit, now uint64) bool {
	stored, through := g.entries.stored.Through, g.entries.tracker.Ledger().Through
	enough := c.hold + g.minChosen + c.step()
	waits := !c.paused && limit < enough && min(now, g.originalStart()) >= enough
	switch {
	case g.cfg.NoLedger || through <= stored:
		return false
	case now >= limit+ledgerReplay || through >= stored+ledgerRead:
		return true
	}
	return waits // trimming does
}

// keep stores the ledger.
func (c *cleaner) keep(g *Group, l *ledger.Ledger) {
	c.busy = true
	g.entries.saving = l.Clone()
	g.env.Do(Job{Kind: KeepLedger, Instance: l.Through, Ledger: l.Append(nil)})
}

// begin lets the records below an instance go.
func (c *cleaner) begin(g *Group, below uint64) {
	c.busy = true
	g.minChosen = below // from now on nobody is promised anything below
	g.teach.cleaned(g)
	g.env.Do(Job{Kind: CleanLog, Instance: below})
}

func (c *cleaner) done(g *Group, r *JobResult) {
	c.busy = false
	switch {
	case r.Kind == CleanLog:
		g.observe(event.Event{Kind: event.Clean, Instance: r.Instance, Err: r.Err})
	case r.Err != nil:
		g.observe(event.Event{Kind: event.Clean, Instance: g.minChosen, Err: r.Err})
		c.at = g.now + cleanLook
	default:
		g.entries.stored, g.entries.saving = g.entries.saving, ledger.Ledger{}
		c.at = max(g.now, 1) // to trim, if that has waited for it
	}
	c.skipped(g)
	c.watch(g)
}

// skipped lets the log before a checkpoint go, once the record behind it is on
// the disk and carries the promise.
func (c *cleaner) skipped(g *Group) {
	if c.skip == 0 || c.busy || g.saved < c.after {
		return
	}
	below := max(c.skip, g.minChosen)
	c.skip = 0
	c.begin(g, below)
}

// lowest is the first instance that somebody who is being taught still needs.
func (t *teacher) lowest() uint64 {
	low := sm.NoCheckpoint
	for _, l := range t.lessons {
		low = min(low, l.acked)
	}
	return low
}

// cleaned ends the lessons that need what is gone, and tells their nodes where
// the log begins now, so that they can ask for a checkpoint.
func (t *teacher) cleaned(g *Group) {
	kept := t.lessons[:0]
	for _, l := range t.lessons {
		if l.next >= g.minChosen {
			kept = append(kept, l)
			continue
		}
		t.sendOffer(g, l.node, l.next)
	}
	clear(t.lessons[len(kept):])
	t.lessons = kept
	t.rearm()
}
