package group

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// install takes a checkpoint that is here and durable for this node's own.
// What is done in which order, and what a node finds that dies in between:
//
//	step                                   dies behind it: the next start
//	1 variables of the cluster             at the old instance; a membership set later than that is only used to ask others by
//	2 state machines, one after the other  at the old instance, as long as one of them lacks the instances behind it (hazard H4);
//	                                       those that are ahead are given nothing twice
//	3 all of them are durable              behind the checkpoint: the state machines are ahead of the log, whose newest record has the promise;
//	                                       at the old instance, if there is one that needed nothing
//	4 the ledger                           the same; what it says of instances beyond the log counts for no start (see readLedger)
//	5 MinChosen, the instance behind it    the same; nobody is taught the old records, of which the newest may be undecided
//	6 record there, with the promise       behind the checkpoint, from that record
//	7 the records before are forgotten     the same
//
// Where the checkpoint is of the old instance itself, a node that dies behind
// 3 to 5 starts there again, and has it decided again, or gets a checkpoint
// again. Until 6 is on the disk nothing of the old log is touched, so the
// promise is never lost (P2). The transfer is repeated if the node dies
// before 3.
//
// It reports false if it has to be tried again later.
func (g *Group) install(parts []Part, t *told, l *ledger.Ledger) (installed bool, err error) {
	if g.core.Chosen() != nil || g.exec.active || !g.exec.level() || g.history.active {
		return false, nil // what is decided is executed first
	}
	if g.clean.busy {
		return false, nil // an older ledger on its way to the disk must not come after the new one
	}
	next, err := g.reaches(parts, l)
	if err != nil {
		return false, err
	}
	// Who the members are is known as far as a teacher has been. State machines
	// may be beyond that: after a crash theirs were ahead of its log.
	if next = min(next, t.now); !t.any || next <= g.core.Instance() {
		return false, nil
	}
	jump, err := g.system.prepare(g, t.system)
	if err != nil {
		return false, err
	}
	if err := g.master.update(g, t.master); err != nil {
		g.stop(err)
		return false, err
	}
	for i := range parts {
		if err := g.loadPart(&parts[i], l, next); err != nil {
			return false, err
		}
	}
	if reached, err := g.reaches(nil, l); err != nil || reached < next {
		return false, fmt.Errorf("%w: the state machines are at instance %d now, the checkpoint was of %d (%w)", errCheckpoint, reached-1, next-1, err)
	}
	g.entries.tracker.Join(l, g.core.Instance(), next)
	if err := g.storeLedger(); err != nil {
		g.stop(err)
		return false, err
	}
	g.skipTo(next, jump, t.features)
	return true, nil
}

// reaches returns the first instance that some state machine lacks once parts
// are loaded; it is an error if that is no further than this node is. What
// counts is the durable state, since the log before is forgotten, together with
// what the sender's ledger says: a machine whose state includes the last entry
// for it reaches as far as the ledger.
func (g *Group) reaches(parts []Part, l *ledger.Ledger) (next uint64, err error) {
	at := g.core.Instance()
	if len(g.exec.machines) == 0 {
		return max(at, g.fetch.begun+1), nil // the node's own are told of by teachers
	}
	next = sm.NoCheckpoint
	if l.Through > 0 {
		next = l.Through
	}
	for _, m := range g.exec.machines {
		have := lacks(m, g.cfg.Index)
		for i := range parts {
			if p := &parts[i]; p.SM == m.ID() && p.Snapshot.Instance != sm.NoCheckpoint {
				have = max(have, p.Snapshot.Instance+1)
			}
		}
		have = l.Reach(m.ID(), have)
		if have <= at && parts != nil {
			return 0, fmt.Errorf("%w: it brings nothing for state machine %d, which is at instance %d", errCheckpoint, m.ID(), at)
		}
		next = min(next, have)
	}
	return next, nil
}

// loadPart has a state machine load its part, unless its durable state is
// enough to go on at next.
func (g *Group) loadPart(p *Part, l *ledger.Ledger, next uint64) error {
	m := g.exec.machine(p.SM)
	if m == nil {
		return nil // the sender has one that this node has not
	}
	if l.Reach(p.SM, lacks(m, g.cfg.Index)) >= next {
		return nil
	}
	s, ok := m.(sm.Snapshotter)
	if !ok {
		return g.cannotLoad(l)
	}
	// Should the next one fail, this one still is that far.
	g.exec.covered = max(g.exec.covered, p.Snapshot.Instance+1)
	if err := s.LoadSnapshot(g.cfg.Index, p.Snapshot); err != nil {
		return fmt.Errorf("%w: state machine %d: %w", errCheckpoint, p.SM, err)
	}
	if at := s.CheckpointInstance(g.cfg.Index); at != p.Snapshot.Instance {
		return fmt.Errorf("%w: state machine %d says that it is at instance %d after it has loaded %d", errCheckpoint, p.SM, at, p.Snapshot.Instance)
	}
	return nil
}

// skipTo goes on behind a checkpoint.
func (g *Group) skipTo(next uint64, jump *wire.SystemVariables, announcement []byte) {
	g.queue.overtaken(g)
	g.master.loggedKnown = false // elections are jumped over
	if jump != nil {
		g.system.jump(g, *jump, next)
	}
	if err := g.setMinChosen(next); err != nil {
		g.stop(err)
		return
	}
	g.clean.after = g.core.Skip(next)
	if err := g.features.jumped(g, announcement); err != nil {
		g.stop(err)
		return
	}
	g.clean.skip = next
	g.teach.cleaned(g)
	g.history.states = [wire.StatesMax]wire.StateDigest{} // of another state
}

// overtaken ends the batch under way: its instance was decided with nobody
// knows which value, and may have been by this one.
func (q *queue) overtaken(g *Group) {
	b := q.current
	q.current = batch{}
	for _, t := range b.tickets {
		if t != nil {
			g.observe(event.Event{Kind: event.CommitTimeout, Instance: g.core.Instance()})
			g.finish(t, fmt.Errorf("%w: a checkpoint took this node beyond its instance", ErrTimeout))
		}
	}
}

// prepare stores what a teacher beyond the checkpoint said of the membership,
// so that no start behind the checkpoint finds an older one. It returns nil if
// that is nothing new.
func (s *system) prepare(g *Group, data []byte) (*wire.SystemVariables, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var v wire.SystemVariables
	if err := wire.DecodeSystemVariables(data, &v); err != nil {
		return nil, fmt.Errorf("%w: what a teacher says of the members: %w", errCheckpoint, err)
	}
	own := &s.v
	switch {
	case own.Cluster != 0 && v.Cluster != own.Cluster:
		return nil, fmt.Errorf("%w: it is of cluster %d, this node is of %d", errCheckpoint, v.Cluster, own.Cluster)
	case v.Version == wire.NoVersion, !s.unknown && own.Version != wire.NoVersion && v.Version <= own.Version:
		return nil, nil
	}
	if err := g.env.SetVariable(SystemVariables, wire.AppendSystemVariables(nil, &v)); err != nil {
		err = fmt.Errorf("store the membership: %w", err)
		g.stop(err)
		return nil, err
	}
	return &v, nil
}

// jump takes the membership that was prepared. If it was set at next or
// later, the one that is in force at next is not known.
func (s *system) jump(g *Group, v wire.SystemVariables, next uint64) {
	v.Members = append(v.Members[:0:0], v.Members...)
	if v.Version >= next {
		s.beyond(v)
	} else {
		s.v, s.unknown = v, false
		if s.isAhead && s.ahead.Version <= v.Version {
			s.isAhead, s.ahead = false, wire.SystemVariables{}
		}
		g.core.SetMembers(paxos.NewMembership(v.Members))
	}
	s.changedTo(g)
}

// beyond: who votes from here to the instance that set v is not known. This
// node begins no round until it has executed that one; it votes for others,
// who do know, and asks those whom v names.
func (s *system) beyond(v wire.SystemVariables) {
	s.unknown = true
	if !s.isAhead || s.ahead.Version < v.Version {
		s.ahead = v
	}
	s.isAhead = true
}
