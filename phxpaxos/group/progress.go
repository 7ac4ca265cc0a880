package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Phase is what a group is doing to become level with the others.
type Phase uint8

const (
	Level      Phase = iota // nothing; it takes part and votes, as far as it knows
	CatchingUp              // it learns from the logs of others
	Receiving               // a checkpoint comes in
	Loading                 // the checkpoint is made durable and loaded
	Joining                 // it began without a log, has caught up, and does not vote yet
)

// String returns the phase in a word or two.
func (p Phase) String() string {
	return [...]string{"level", "catching up", "receiving a checkpoint", "loading a checkpoint", "joining"}[min(p, Joining)]
}

// Progress says how far a group is. Instances count in CatchingUp, bytes in
// the phases of a checkpoint.
type Progress struct {
	Phase Phase
	From  nodeid.ID     // who sends the checkpoint
	Done  uint64        // instance, or bytes that are here
	Total uint64        // highest instance that anybody spoke of, or bytes in all; 0 if unknown
	Rate  float64       // a second, over about the last one
	Left  time.Duration // at this rate; 0 if it cannot be told
}

const (
	courseEvery = time.Second
	courseLag   = 50 // instances behind that are worth a report
)

// course follows the progress, and reports it once a second as long as there
// is any to be made.
type course struct {
	at    time.Duration // of the next report, 0 if there is none
	since time.Duration // of the last
	last  Progress
}

// phase is what the group is doing now.
func (g *Group) phase() Phase {
	switch {
	case g.fetch.stage == fetchFiles:
		return Receiving
	case g.fetch.stage != fetchNone:
		return Loading
	case g.core.Highest() > g.core.Instance()+courseLag:
		return CatchingUp
	case g.newcomer.active:
		return Joining
	}
	return Level
}

// Progress returns how far the group is.
func (g *Group) Progress() Progress {
	p := Progress{Phase: g.phase()}
	if p.Phase == g.course.last.Phase {
		p.Rate = g.course.last.Rate
	}
	switch p.Phase {
	case Level, Joining:
		return p
	case CatchingUp:
		p.Done, p.Total = g.core.Instance(), g.core.Highest()
	default:
		p.From, p.Done, p.Total = g.fetch.from, uint64(g.fetch.bytes), uint64(g.fetch.total)
	}
	if p.Rate > 0 && p.Total > p.Done {
		p.Left = time.Duration(float64(p.Total-p.Done) / p.Rate * float64(time.Second))
	}
	return p
}

func (c *course) watch(g *Group) {
	if c.at == 0 && g.phase() != Level {
		c.at, c.since = g.now+courseEvery, g.now
		c.last = g.Progress()
	}
}

func (c *course) tick(g *Group) {
	if c.at == 0 || g.now < c.at {
		return
	}
	c.at = 0
	p := g.Progress()
	if p.Phase == c.last.Phase && p.Done >= c.last.Done && g.now > c.since {
		p.Rate = float64(p.Done-c.last.Done) / (g.now - c.since).Seconds()
	}
	c.last = p
	switch p.Phase {
	case Level:
		return
	case Joining: // Voting tells of its end
	case CatchingUp:
		g.observe(event.Event{Kind: event.CatchUp, Instance: p.Done, Number: p.Total - p.Done, Size: int(p.Rate)})
	default:
		g.observe(event.Event{Kind: event.CheckpointStream, Peer: p.From, Instance: g.fetch.begun, Number: p.Done, Size: int(p.Rate)})
	}
	c.at, c.since = g.now+courseEvery, g.now
}
