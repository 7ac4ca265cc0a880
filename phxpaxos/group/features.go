package group

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	levelPatience = 10 * time.Second // for a change of the level, which is then proposed again
	levelTurn     = 2                // heartbeats that a member waits for each member before it in the list
	levelRepeat   = 10               // heartbeats that a member does not know the state before it is repeated
)

// features is this group's knowledge of the features that its cluster agreed
// on (package feature). The node's first group, which carries the heartbeats,
// follows them through its log and raises the level; it passes the state to
// the other groups.
type features struct {
	tracker feature.Tracker // in the first group
	state   feature.State   // in force, as far as this group knows
	claims  feature.Claims  // what the other members announced
	ready   int             // heartbeats since a change could be proposed
	pending bool            // a change of this node is under way
}

// init takes the stored state.
func (f *features) init(g *Group) {
	stored := g.cfg.Features
	if stored == (feature.State{}) {
		stored = feature.Initial()
	}
	f.tracker = feature.NewTracker(stored)
	f.state = f.tracker.State()
	g.use()
}

// errNoCRC: see Config.PacketCRC.
var errNoCRC = errors.New("packets without this library's CRC have no room for the cluster's identity, which the members have agreed to state; lower the feature level to 0 first, or switch the CRC on")

// usable returns why this node cannot take part at the level in force, or nil.
func (f *features) usable(g *Group) error {
	if f.state.Level >= feature.Identity && !g.cfg.PacketCRC {
		return errNoCRC
	}
	return f.state.Supported()
}

// follows reports whether this group executes the changes of the level.
func (f *features) follows(g *Group) bool { return g.cfg.Siblings != nil && g.core != nil }

// use switches what the level in force governs.
func (g *Group) use() {
	g.setFullHistory(g.alwaysHistory || g.level() >= feature.Identity)
}

// Features returns the state in force, as far as this group knows it.
func (g *Group) Features() feature.State { return g.features.state }

// SetFeatures passes the state that the node's first group knows.
func (g *Group) SetFeatures(s feature.State) {
	if g.err != nil || g.cfg.Siblings != nil {
		return
	}
	g.features.take(g, s)
}

// take replaces the state in force.
func (f *features) take(g *Group, s feature.State) {
	if s == f.state {
		return
	}
	f.state = s
	g.senders.changed(g.now)
	g.use()
	g.observe(event.Event{Kind: event.FeatureLevel, Instance: s.Version, Number: uint64(s.Level)})
}

// changesFeatures reports whether a packed value changes the level.
func changesFeatures(value []byte) bool {
	id, body, ok := wire.SplitValue(value)
	return ok && id == sm.None && feature.IsMarked(body)
}

// execute takes a value of state machine 0. An error stops the group.
func (f *features) execute(g *Group, instance uint64, body []byte) error {
	if !feature.IsMarked(body) || !f.follows(g) {
		return nil
	}
	c, err := feature.DecodeChange(body)
	if err != nil {
		return nil // it says nothing, here as on every node
	}
	f.tracker.Execute(c, instance)
	if err := f.tracker.State().Supported(); err != nil {
		return err
	}
	return f.learned(g)
}

// learned stores the state if it is another one, and tells the other groups.
func (f *features) learned(g *Group) error {
	s := f.tracker.State()
	if s == f.state {
		return nil
	}
	if err := g.env.SetVariable(Features, feature.AppendState(nil, s)); err != nil {
		return fmt.Errorf("%w: store the feature level: %w", paxos.ErrSave, err)
	}
	f.take(g, s)
	g.cfg.Siblings.Features(s)
	return nil
}

// jumped: this node goes on at the current instance with a checkpoint, whose
// teacher made an announcement, unless it is of an older version.
func (f *features) jumped(g *Group, announcement []byte) error {
	if !f.follows(g) {
		return nil
	}
	var came *feature.State
	if a, err := feature.DecodeAnnouncement(announcement); err == nil {
		came = &a.State
	}
	f.tracker.Jump(g.core.Instance(), came)
	return f.learned(g)
}

// announcement is what this node's heartbeats say.
func (f *features) announcement() []byte {
	return feature.AppendAnnouncement(nil, feature.Announcement{Supports: feature.Newest, State: f.state})
}

// offer is what an offer of the node's first group says; nothing in a packet
// that is to be the original's byte for byte.
func (f *features) offer(g *Group) []byte {
	if !f.follows(g) || !g.cfg.PacketCRC {
		return nil
	}
	return f.announcement()
}

// heard takes the announcement in a member's heartbeat. A heartbeat of an older
// version has none: what the member announced before it went back is void.
func (f *features) heard(g *Group, m *paxos.Message) {
	if len(m.Features) == 0 {
		f.claims.Drop(m.From)
		return
	}
	a, err := feature.DecodeAnnouncement(m.Features)
	if err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Peer: m.From, Size: len(m.Features), Err: err})
		return
	}
	f.claims.Note(m.From, a, m.Instance, g.now)
}

// heartbeat learns from the announcements, and proposes a change if one is
// due. It is called once for each heartbeat of this node.
func (f *features) heartbeat(g *Group) {
	others := g.otherMembers()
	f.claims.Forget(others)
	if f.tracker.Learn(&f.claims, others, g.majorityOf(others), g.now) {
		if err := f.learned(g); err != nil {
			g.stop(err)
			return
		}
	}
	c, wait, ok := f.due(g, others)
	if !ok {
		f.ready = 0
		return
	}
	f.ready++
	rank := slices.Index(g.core.Members(), g.cfg.Me) // so that not all propose at once
	if !f.pending && f.ready > wait+levelTurn*rank {
		f.ready = 0
		f.propose(g, c)
	}
}

// due returns the change that should be proposed, and for how many heartbeats
// that has to stay so. Nothing is proposed before the cluster has decided its
// first instance, so that the level has no part in how a cluster begins.
func (f *features) due(g *Group, others []nodeid.ID) (c feature.Change, wait int, ok bool) {
	switch {
	case !g.core.Members().Contains(g.cfg.Me), g.core.Instance() == 0, !g.core.IsLatest():
		return c, 0, false
	case g.cfg.UseMembers && g.system.v.Cluster == 0, g.cfg.Fence && !g.isMaster(), !g.newcomer.proposes(g):
		return c, 0, false
	}
	s := f.tracker.State()
	if f.claims.Newer(s, others, g.now) {
		return c, 0, false // what they know is learned first
	}
	if c, ok = s.Raise(f.claims.Announced(others, g.now), g.identityFor(s)); ok {
		return c, 0, true
	}
	if f.claims.Missing(s, others, g.now) {
		c, ok = s.Repeat()
	}
	return c, levelRepeat, ok
}

func (f *features) propose(g *Group, c feature.Change) {
	t := &Ticket{SM: sm.None, Value: feature.AppendChange(nil, c), Deadline: g.now + levelPatience}
	t.done = func(*Ticket) { f.pending = false }
	f.pending = true
	g.Propose(t)
}

// RestrictFeatures proposes that no level above limit is used, as
// feature.State.Restrict says. t comes back when the change was executed, or
// with ErrVersionConflict if another change came first.
func (g *Group) RestrictFeatures(t *Ticket, limit feature.Level) {
	t.queued, t.lost, t.executed = g.now, 0, false
	f := &g.features
	c, ok := f.tracker.State().Restrict(limit, g.identityFor(f.tracker.State()))
	switch {
	case g.err != nil:
		g.finish(t, g.err)
		return
	case !ok || g.cfg.Siblings == nil:
		g.finish(t, ErrFeaturesUnknown)
		return
	case g.cfg.Fence && !g.isMaster():
		g.finish(t, ErrNotMaster)
		return
	}
	asked := &Ticket{SM: sm.None, Value: feature.AppendChange(nil, c), Deadline: t.Deadline}
	asked.done = func(a *Ticket) {
		t.Instance, t.Index = a.Instance, a.Index
		err := a.Err
		if err == nil && f.tracker.State().Version != a.Instance {
			err = ErrVersionConflict
		}
		g.finish(t, err)
	}
	g.Propose(asked)
}

// identityFor returns the cluster of s, or draws an identity for one without.
func (g *Group) identityFor(s feature.State) (c nodeid.Cluster) {
	if !s.Cluster.IsZero() {
		return s.Cluster
	}
	for i := range c {
		c[i] = byte(g.cfg.Rand.IntN(256))
	}
	c[0] |= 1 // never zero
	return c
}

// otherMembers are the members that vote here, without this node.
func (g *Group) otherMembers() []nodeid.ID {
	members := g.core.Members()
	others := make([]nodeid.ID, 0, len(members))
	for _, id := range members {
		if id != g.cfg.Me {
			others = append(others, id)
		}
	}
	return others
}

// majorityOf is how many of the other members are most of them.
func (g *Group) majorityOf(others []nodeid.ID) int {
	return len(others)/2 + 1
}
