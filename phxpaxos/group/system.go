package group

import (
	"fmt"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// system is the node's own state machine for membership and cluster id
// (spec/storage-api.md section 5).
//
// The members of an instance are what the values below it say: a round among
// others can decide it a second time. So v moves only by executing, and is
// stored only once the record of the instance that set it is durable. What a
// teacher says of the future is kept apart and in memory: this node asks and
// judges senders by it, and begins no round until it has caught up.
type system struct {
	v       wire.SystemVariables // as of the current instance
	ahead   wire.SystemVariables // newer ones that a teacher told of, if isAhead
	isAhead bool
	unknown bool             // v is not that of the current instance, see beyond
	peers   paxos.Membership // of known: whom to ask
}

// known is the newest that this node has heard of.
func (s *system) known() *wire.SystemVariables {
	if s.isAhead {
		return &s.ahead
	}
	return &s.v
}

// knows reports whether a node is a member, as far as this node has heard.
func (s *system) knows(id nodeid.ID) bool {
	return slices.Contains(s.v.Members, id) || slices.Contains(s.known().Members, id)
}

func (g *Group) internal(id sm.ID) bool { return id == sm.System || id == sm.Master }

// applyInternal executes a value of the node's own state machines. outcome is
// what its proposer is told; err means that it has to be tried again.
func (g *Group) applyInternal(id sm.ID, instance uint64, body []byte, t *Ticket) (outcome, err error) {
	if id == sm.System {
		return g.system.execute(g, instance, body)
	}
	return g.master.execute(g, instance, body, t)
}

// load reads the stored variables. Without any, the configured nodes are the
// members and there is no cluster id.
func (s *system) load(g *Group) error {
	s.v = wire.SystemVariables{Version: wire.NoVersion}
	data, ok, err := g.env.Variable(SystemVariables)
	if err == nil && ok {
		err = wire.DecodeSystemVariables(data, &s.v)
	}
	if err != nil {
		return fmt.Errorf("group %d: read the stored membership: %w", g.cfg.Index, err)
	}
	if s.v.Cluster == 0 {
		s.v.Members = append([]nodeid.ID(nil), g.cfg.Members...)
	}
	s.peers = paxos.NewMembership(s.v.Members)
	return nil
}

// birth returns the value that creates the cluster id, if that is what has to
// be proposed first, and nil otherwise.
func (s *system) birth(g *Group) []byte {
	if !g.cfg.UseMembers || s.known().Cluster != 0 {
		return nil
	}
	const span = 1<<31 - 1
	v := s.v
	v.Cluster = uint64(g.cfg.Me) ^ uint64(g.cfg.Rand.IntN(span)) + uint64(g.cfg.Rand.IntN(span))
	return wire.AppendValue(nil, sm.System, wire.AppendSystemVariables(nil, &v))
}

// execute takes a new membership or cluster id, if it was proposed by
// somebody who knew the present one.
func (s *system) execute(g *Group, instance uint64, body []byte) (outcome, err error) {
	var v wire.SystemVariables
	if err := wire.DecodeSystemVariables(body, &v); err != nil {
		return nil, nil // it says nothing, here as on every node
	}
	if s.unknown {
		// What the changes before were worth cannot be told; this one counted.
		if instance < s.ahead.Version {
			return ErrVersionConflict, nil
		}
		err := s.adopt(g, s.ahead)
		s.unknown = false
		return nil, err
	}
	if s.v.Cluster != 0 && v.Cluster != s.v.Cluster {
		return ErrClusterMismatch, nil
	}
	if v.Version != s.v.Version {
		return ErrVersionConflict, nil
	}
	v.Version = instance
	return nil, s.adopt(g, v)
}

// hear takes note of the variables of a teacher at instance now, if they are
// newer than what is known.
func (s *system) hear(g *Group, data []byte, now uint64) (changed bool) {
	var v wire.SystemVariables
	if len(data) == 0 || wire.DecodeSystemVariables(data, &v) != nil || v.Version == wire.NoVersion {
		return false
	}
	k := s.known()
	if k.Cluster != 0 && v.Cluster != k.Cluster || k.Version != wire.NoVersion && v.Version <= k.Version {
		return false
	}
	if v.Version < g.core.Instance() || v.Version >= now {
		return false // then it was executed here, or is of another history, or the teacher has not executed it
	}
	v.Members = slices.Clone(v.Members)
	s.ahead, s.isAhead = v, true
	s.changedTo(g)
	return true
}

func (s *system) adopt(g *Group, v wire.SystemVariables) error {
	if err := g.env.SetVariable(SystemVariables, wire.AppendSystemVariables(nil, &v)); err != nil {
		return fmt.Errorf("store the membership: %w", err)
	}
	g.newcomer.changes(g, v.Version)
	s.v = v
	if s.isAhead && v.Version >= s.ahead.Version {
		s.isAhead, s.ahead = false, wire.SystemVariables{}
	}
	if g.core != nil { // not while the log is replayed
		g.core.SetMembers(paxos.NewMembership(v.Members))
	}
	s.changedTo(g)
	return nil
}

func (s *system) changedTo(g *Group) {
	k := s.known()
	s.peers = paxos.NewMembership(k.Members)
	g.reads.askAgain()
	g.observe(event.Event{Kind: event.MembersChange, Instance: k.Version, Number: uint64(len(k.Members))})
}

// isPeer reports whether a node votes at the current instance, or does as far
// as a teacher told.
func (g *Group) isPeer(id nodeid.ID) bool {
	return g.core.Members().Contains(id) || g.system.isAhead && g.system.peers.Contains(id)
}

// mustWait: the value changes the membership, and its record is not durable.
// If the change were stored before, a loss of power could leave a node that
// counts the new members at the instance that the old ones decide.
func (g *Group) mustWait(c *paxos.Chosen) bool {
	return changesVariables(c.Value) && !g.core.AllSaved()
}

// changesVariables reports whether executing a value stores something that must
// not outlive its record.
func changesVariables(value []byte) bool { return changesMembers(value) || changesFeatures(value) }

func changesMembers(value []byte) bool {
	id, _, ok := wire.SplitValue(value)
	return ok && id == sm.System
}

// snapshot is what a learner far behind is told; empty if there is nothing.
func (s *system) snapshot() []byte {
	v := &s.v
	if s.unknown {
		v = &s.ahead // a later one is right as well, an older one is not
	}
	if v.Version == wire.NoVersion || v.Cluster == 0 {
		return []byte{}
	}
	return wire.AppendSystemVariables(nil, v)
}

// ChangeMembers proposes the membership without remove and with add, either
// of which may be nodeid.None. t comes back when the change was executed, or
// with ErrVersionConflict if another change was chosen first (hazard H8), or
// at once with why it is impossible: ErrNoCluster, ErrMemberExists,
// ErrMemberUnknown, ErrMemberSame.
func (g *Group) ChangeMembers(t *Ticket, add, remove nodeid.ID) {
	t.queued, t.lost, t.executed = g.now, 0, false
	members, err := g.system.changed(add, remove)
	switch {
	case g.err != nil:
		err = g.err
	case g.cfg.Fence && !g.isMaster():
		err = ErrNotMaster
	}
	if err != nil {
		g.finish(t, err)
		return
	}
	v := g.system.v
	v.Members = members
	t.SM, t.Value = sm.System, wire.AppendSystemVariables(nil, &v)
	g.Propose(t)
}

// changed is the new list, in the original's order. Replacing a node that is
// no member by one that is none either adds the second, as in the original.
func (s *system) changed(add, remove nodeid.ID) ([]nodeid.ID, error) {
	if s.v.Cluster == 0 {
		return nil, ErrNoCluster
	}
	hasAdd, hasRemove := slices.Contains(s.v.Members, add), slices.Contains(s.v.Members, remove)
	switch {
	case remove == nodeid.None && hasAdd:
		return nil, ErrMemberExists
	case add == nodeid.None && !hasRemove:
		return nil, ErrMemberUnknown
	case !hasRemove && hasAdd, add == remove && hasAdd:
		return nil, ErrMemberSame
	}
	var list []nodeid.ID
	for _, id := range s.v.Members {
		if id != add && id != remove {
			list = append(list, id)
		}
	}
	if add != nodeid.None {
		list = append(list, add)
	}
	return list, nil
}

// Membership is the stored list in its order, and the instance that set it,
// or wire.NoVersion if it is the configured one.
func (g *Group) Membership() (members []nodeid.ID, version uint64) {
	return slices.Clone(g.system.v.Members), g.system.v.Version
}
