package group

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// master follows the master elections of the group, also on a node that takes
// no part in them (spec/storage-api.md section 6).
type master struct {
	v     wire.MasterVariables
	until time.Duration // the lease runs until then, as counted here; 0 if there is none

	// A teacher may tell of an election that is not executed here yet. Then
	// logged is the version of the last one before, if that is known, from
	// which this node can tell how those between ended.
	logged      uint64
	loggedKnown bool
}

// offeredLeaseMax bounds the lease that an offer states, unless this node's own
// is longer.
const offeredLeaseMax = time.Minute

// operatorComplete is the only operation there is.
const operatorComplete = 1

func (m *master) load(g *Group) error {
	m.v = wire.MasterVariables{Version: wire.NoVersion}
	data, ok, err := g.env.Variable(MasterVariables)
	if err == nil && ok {
		err = wire.DecodeMasterVariables(data, &m.v)
	}
	if err != nil {
		return fmt.Errorf("group %d: read the stored master: %w", g.cfg.Index, err)
	}
	m.learned(g, nil)
	return nil
}

// learned sets the lease from now, which is later than the master's own
// count. This node's own lease is the one that its bid began; one from an
// earlier life, or one that another node proposed, is void.
func (m *master) learned(g *Group, bid *Ticket) {
	m.until = 0
	switch {
	case m.v.Master == nodeid.None:
	case m.v.Master != g.cfg.Me:
		m.until = g.now + time.Duration(m.v.LeaseMillis)*time.Millisecond
	case bid != nil && g.election.handing == nil:
		m.until = bid.until
	}
}

// execute takes an election, if its proposer knew the one before.
func (m *master) execute(g *Group, instance uint64, body []byte, bid *Ticket) (outcome, err error) {
	var op wire.MasterOperator
	if err := wire.DecodeMasterOperator(body, &op); err != nil || op.Operator != operatorComplete {
		return nil, nil // it says nothing, here as on every node
	}
	if op.HasLastVersion && op.LastVersion != 0 && instance > m.v.Version && op.LastVersion != m.v.Version {
		g.observe(event.Event{Kind: event.MasterRepair, Instance: instance, Number: op.LastVersion})
		m.v.Version = op.LastVersion
	}
	if m.v.Version != wire.NoVersion && instance <= m.v.Version {
		return m.told(instance, &op), nil
	}
	if op.Version != m.v.Version {
		return ErrMasterChanged, nil
	}
	v := wire.MasterVariables{Master: op.Node, Version: instance, LeaseMillis: uint32(max(op.TimeoutMillis, 0))}
	return nil, m.adopt(g, v, bid)
}

// told is how an election ended that a teacher told of before, or of a later one.
func (m *master) told(instance uint64, op *wire.MasterOperator) error {
	if instance == m.v.Version && op.Node == m.v.Master {
		return nil
	}
	if m.loggedKnown && op.HasLastVersion && op.LastVersion != 0 {
		m.logged = op.LastVersion // the repair above
	}
	if !m.loggedKnown || op.Version != m.logged {
		return ErrMasterChanged
	}
	m.logged = instance
	return nil
}

// offered takes what an offer of a teacher at instance now says of the master.
// The log says it as well, a little later, so what is not plausible is left to
// the log: a master that is no member, an election that the teacher has not
// executed, a lease that is too long. It is left whole, since a shortened lease
// would let this node bid while the true one runs.
func (m *master) offered(g *Group, data []byte, now uint64) error {
	var v wire.MasterVariables
	if len(data) == 0 || wire.DecodeMasterVariables(data, &v) != nil || v.Version == wire.NoVersion {
		return nil
	}
	lease := time.Duration(v.LeaseMillis) * time.Millisecond
	if v.Version >= now || v.Master != nodeid.None && !g.system.knows(v.Master) || lease > max(g.election.lease, offeredLeaseMax) {
		g.observe(event.Event{Kind: event.MessageAbsurd, Peer: v.Master, Instance: v.Version, Number: uint64(paxos.Offer)})
		return nil
	}
	return m.update(g, data)
}

// update takes a teacher's variables if they are newer than the own ones.
func (m *master) update(g *Group, data []byte) error {
	var v wire.MasterVariables
	if len(data) == 0 || wire.DecodeMasterVariables(data, &v) != nil || v.Version == wire.NoVersion {
		return nil
	}
	if m.v.Version != wire.NoVersion && v.Version <= m.v.Version {
		return nil
	}
	if m.v.Version == wire.NoVersion || m.v.Version < g.core.Instance() {
		m.logged, m.loggedKnown = m.v.Version, true // every one below is executed
	}
	return m.adopt(g, v, nil)
}

func (m *master) adopt(g *Group, v wire.MasterVariables, bid *Ticket) error {
	if err := g.env.SetVariable(MasterVariables, wire.AppendMasterVariables(nil, &v)); err != nil {
		return fmt.Errorf("store the master: %w", err)
	}
	m.v = v
	m.learned(g, bid)
	g.election.elected(g)
	kind := event.MasterOther
	if v.Master == g.cfg.Me {
		kind = event.MasterSelf
	}
	g.observe(event.Event{Kind: kind, Instance: v.Version, Peer: v.Master})
	return nil
}

// snapshot is what a learner far behind is told; empty if there is nothing.
func (m *master) snapshot() []byte {
	if m.v.Version == wire.NoVersion {
		return []byte{}
	}
	return wire.AppendMasterVariables(nil, &m.v)
}
