package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
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
// still lacks: the one that is furthest behind decides (hazard H4). First
// MinChosen goes to the disk, then the records go, so a node never claims to
// keep what it does not. Nothing of it is on the way of a value: it works in
// steps, from time to time, and the writing is done elsewhere.
type cleaner struct {
	hold   uint64
	paused bool
	busy   bool
	at     time.Duration // of the next step, 0 if there is nothing to do

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
func (g *Group) PauseCleaning(paused bool) {
	g.clean.paused = paused
	g.clean.at = 0
}

// durable is the first instance that some state machine has not made durable.
func (g *Group) durable() uint64 {
	from, to := g.checkpoints()
	switch {
	case len(g.exec.machines) == 0:
		// The node's own are durable when they are executed; the original
		// counts the newest of them.
		return max(g.system.v.Version+1, g.master.v.Version+1)
	case g.cfg.Hazards.CleanToNewest:
		return to
	}
	return from
}

// watch arms the cleaner as soon as there is enough to clean.
func (c *cleaner) watch(g *Group) {
	if c.at != 0 || c.busy || c.paused || g.core.Instance() < g.minChosen+c.hold+c.step() {
		return
	}
	c.at = g.now + c.pause(g)
}

func (c *cleaner) pause(g *Group) time.Duration {
	return cleanPause + time.Duration(g.cfg.Rand.IntN(int(cleanPause/time.Millisecond)))*time.Millisecond +
		time.Duration(g.cfg.Groups)*cleanPauseEach
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
	if c.busy || c.paused {
		return
	}
	limit := min(g.durable(), g.core.Readable())
	if limit < c.hold+g.minChosen+c.step() {
		c.at = g.now + cleanLook
		return
	}
	limit -= c.hold
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

// begin lets the records below an instance go.
func (c *cleaner) begin(g *Group, below uint64) {
	c.busy = true
	g.minChosen = below // from now on nobody is promised anything below
	g.teach.cleaned(g)
	g.env.Do(Job{Kind: CleanLog, Instance: below})
}

func (c *cleaner) done(g *Group, r *JobResult) {
	c.busy = false
	g.observe(event.Event{Kind: event.Clean, Instance: r.Instance, Err: r.Err})
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
