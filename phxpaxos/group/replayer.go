package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	replayBatch = 64 // instances in one job: a pause takes effect after so many
	replayRetry = 500 * time.Millisecond
)

// replayer gives the log a second time to the state machines that keep their
// checkpoint apart from what they serve (spec/storage-api.md section 3.3). It
// starts paused, as the original's does. Where it is is kept in memory only.
type replayer struct {
	on     bool // there is one
	paused bool
	busy   bool
	next   uint64        // first instance that was not given
	at     time.Duration // try again then, 0 if there is nothing to wait for
	mirror mirror        // belongs to the job while busy
}

func (r *replayer) init(g *Group) {
	r.on, r.paused = g.cfg.UseReplayer, true
	r.mirror.group = g.cfg.Index
}

// lacking is the first instance that some CheckpointExecutor lacks.
func (g *Group) lacking() uint64 {
	low := g.core.Instance()
	for _, m := range g.exec.machines {
		if e, ok := m.(sm.CheckpointExecutor); ok {
			low = min(low, g.needs(m, e.CheckpointInstance(g.cfg.Index)+1))
		}
	}
	return low
}

// PauseReplayer pauses the replayer, or lets it go on. What it is giving to
// the state machines then is given.
func (g *Group) PauseReplayer(paused bool) {
	g.replayer.paused, g.replayer.at = paused, 0
	g.replayer.step(g)
}

// step gives the next instances if there are any.
func (r *replayer) step(g *Group) {
	if !r.on || r.paused || r.busy || g.now < r.at || g.err != nil || r.next >= g.core.Readable() {
		return
	}
	r.at = 0
	r.next = max(r.next, g.lacking())
	to := min(g.core.Readable(), r.next+replayBatch)
	if r.next >= to {
		return
	}
	r.busy, r.mirror.machines = true, g.exec.machines
	g.env.Do(Job{Kind: ReplayLog, From: r.next, Instance: to, Replay: r.mirror.give})
}

func (r *replayer) tick(g *Group) {
	if r.at != 0 && g.now >= r.at {
		r.step(g)
	}
}

func (r *replayer) done(g *Group, res *JobResult) {
	r.busy = false
	r.next = max(r.next, res.Instance)
	if res.Err != nil {
		g.observe(event.Event{Kind: event.CheckpointReplay, Instance: res.Instance, Err: res.Err})
		r.at = g.now + replayRetry
		return
	}
	r.step(g)
}

// mirror is the part of the replayer that runs outside of the group. Within an
// instance it remembers how far it got, so that nothing is given twice.
type mirror struct {
	machines []sm.StateMachine
	group    int
	instance uint64
	next     int
}

// give executes one record for the checkpoints.
func (m *mirror) give(instance uint64, record []byte) error {
	var r paxos.Record
	if err := wire.DecodeRecord(record, &r); err != nil {
		return err
	}
	if m.instance != instance {
		m.instance, m.next = instance, 0
	}
	x := executor{machines: m.machines}
	all := run{entries: unpack(r.Value, nil)}
	for all.end = len(all.entries); m.next < all.end; m.next++ {
		e := &all.entries[m.next]
		c, ok := x.machine(e.SM).(sm.CheckpointExecutor)
		if !ok || covers(x.machine(e.SM), m.group, instance) {
			continue
		}
		err := c.ExecuteForCheckpoint(sm.Entry{Group: m.group, Instance: instance, Index: m.next,
			Last: all.last(m.next), Replay: true, Value: e.Value})
		if err != nil {
			return err
		}
	}
	m.next = 0
	return nil
}
