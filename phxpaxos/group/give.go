package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	givesMax   = 8                 // transfers at once; more nodes have to ask again
	giveWindow = 10                // messages behind the first that is not acknowledged, as in the original
	giveIdle   = 120 * time.Second // without an acknowledgement a transfer ends
	giveAgain  = 2 * time.Second   // who asks again after so long without one starts anew
	giveGrace  = 60 * time.Second  // the log behind a checkpoint is kept so long after it was sent
	giveHold   = 1000000           // and so many instances of it at most
)

// giver sends checkpoints to nodes that lack what no log keeps any more
// (spec/protocol.md section 17.2). The original serves one node at a time.
// The group only counts acknowledgements; reading and sending is a job.
type giver struct {
	gifts    []*gift
	given    []given       // lately
	deadline time.Duration // when the next one may have to end, 0 for none
}

// gift is one transfer.
type gift struct {
	node     nodeid.ID
	uuid     uint64
	ready    bool   // the snapshots are there
	acked    uint64 // the acknowledgement that is expected next
	instance uint64
	began    time.Duration
	progress time.Duration
	stopped  bool // the job has been told to end
	again    bool // the node has asked again meanwhile
}

// given is a transfer that has ended: its node goes on behind it in the log.
type given struct {
	next  uint64
	until time.Duration
}

// holds returns where the log has to begin for those who get a checkpoint, or
// have got one and have not asked for what follows yet. Without it a log that
// is cleaned quicker than a checkpoint is sent would send checkpoints for ever.
func (v *giver) holds(g *Group, limit uint64) uint64 {
	kept := v.given[:0]
	low := limit
	for _, r := range v.given {
		if g.now < r.until {
			kept = append(kept, r)
			low = min(low, r.next)
		}
	}
	v.given = kept
	for _, f := range v.gifts {
		if !f.stopped {
			low = min(low, f.instance+1)
		}
	}
	if limit-low > giveHold {
		return limit
	}
	return low
}

// asked takes a node's request for a checkpoint.
func (v *giver) asked(g *Group, m *paxos.Message) {
	if m.Instance >= g.minChosen {
		g.teach.offer(g, m.From, m.Instance) // the log will do
		return
	}
	for _, f := range v.gifts {
		if f.node != m.From || f.stopped {
			continue
		}
		if !f.ready || g.now-f.progress < giveAgain {
			f.again = true // it is on its way, unless the node says that it does not know of it
			return
		}
		v.stop(g, f) // the node has lost what came
	}
	if len(v.gifts) >= givesMax {
		g.observe(event.Event{Kind: event.LearnBusy, Peer: m.From, Instance: m.Instance})
		return
	}
	v.begin(g, m.From)
}

func (v *giver) begin(g *Group, node nodeid.ID) {
	const span = 1<<31 - 1
	l := g.settledLedger()
	f := &gift{node: node, began: g.now, progress: g.now, instance: l.Through,
		uuid: (uint64(g.cfg.Me) ^ g.core.Instance()) + uint64(g.cfg.Rand.IntN(span))}
	machines := make([]sm.StateMachine, 0, len(g.exec.machines))
	for _, m := range g.exec.machines {
		if at := lacks(m, g.cfg.Index); at > 0 || l.Reach(m.ID(), 0) == 0 {
			if _, ok := m.(sm.Checkpointer); ok {
				machines = append(machines, m)
				continue
			}
		}
		f.instance = min(f.instance, l.Reach(m.ID(), 0)) // it is empty up to there
	}
	f.instance--
	v.gifts = append(v.gifts, f)
	v.rearm()
	g.env.Do(Job{Kind: SendCheckpoint, UUID: f.uuid, To: node, Through: giveWindow,
		Header: g.header(), Machines: machines, Instance: f.instance, Ledger: l.Append(nil)})
}

// done takes news of a transfer's job.
func (v *giver) done(g *Group, r *JobResult) {
	for i, f := range v.gifts {
		if f.uuid != r.UUID {
			continue
		}
		if !r.Ended {
			f.ready, f.instance, f.progress = true, min(f.instance, r.Instance), g.now
			g.observe(event.Event{Kind: event.CheckpointBegin, Peer: f.node, Instance: r.Instance, Number: uint64(r.Bytes)})
			break
		}
		g.observe(event.Event{Kind: event.CheckpointEnd, Peer: f.node, Instance: f.instance, Number: uint64(r.Bytes), Took: g.now - f.began, Err: r.Err})
		v.gifts = append(v.gifts[:i], v.gifts[i+1:]...)
		if r.Err == nil && len(v.given) < strayMax {
			v.given = append(v.given, given{f.instance + 1, g.now + giveGrace})
		}
		if f.again && f.stopped {
			v.begin(g, f.node)
		}
		break
	}
	v.rearm()
}

// acknowledged moves the window. Acknowledgements come in order, so one stands
// for all before it, should these have been lost.
func (v *giver) acknowledged(g *Group, c *wire.Checkpoint) {
	for _, f := range v.gifts {
		if f.uuid != c.UUID || f.node != c.From || f.stopped {
			continue
		}
		switch {
		case c.Flag != wire.CheckpointOK:
			g.observe(event.Event{Kind: event.CheckpointRefused, Peer: c.From, Instance: f.instance, Number: c.Sequence})
			v.stop(g, f)
		case c.Sequence >= f.acked:
			f.acked, f.progress = c.Sequence+1, g.now
			g.env.Do(Job{Kind: SendFurther, UUID: f.uuid, Through: f.acked + giveWindow})
			v.rearm()
		}
	}
}

func (v *giver) stop(g *Group, f *gift) {
	f.stopped = true
	g.env.Do(Job{Kind: StopSending, UUID: f.uuid})
}

func (v *giver) tick(g *Group) {
	if v.deadline == 0 || g.now < v.deadline {
		return
	}
	for _, f := range v.gifts {
		if f.ready && !f.stopped && g.now-f.progress >= giveIdle {
			v.stop(g, f)
		}
	}
	v.rearm()
}

func (v *giver) rearm() {
	v.deadline = 0
	for _, f := range v.gifts {
		if at := f.progress + giveIdle; f.ready && !f.stopped && (v.deadline == 0 || at < v.deadline) {
			v.deadline = at
		}
	}
}
