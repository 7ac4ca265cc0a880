package hooks

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/event"

// Set is the hooks of one node. A family that is nil has none.
type Set struct {
	Proposer   Proposer
	Acceptor   Acceptor
	Learner    Learner
	Instance   Instance
	Committer  Committer
	Loop       Loop
	Network    Network
	Storage    Storage
	Packet     Packet
	Checkpoint Checkpoint
	Master     Master
	Addition   Addition
}

// Observer calls the hooks of a set, and then next, if it is not nil. A kind
// of event whose family has no hooks costs one look into a table.
func Observer(s Set, next event.Observer) event.Observer {
	o := &observer{next: next}
	bind(o, s.Proposer, callProposer)
	bind(o, s.Acceptor, callAcceptor)
	bind(o, s.Learner, callLearner)
	bind(o, s.Instance, callInstance)
	bind(o, s.Committer, callCommitter)
	bind(o, s.Loop, callLoop)
	bind(o, s.Network, callNetwork)
	bind(o, s.Storage, callStorage)
	bind(o, s.Packet, callPacket)
	bind(o, s.Checkpoint, callCheckpoint)
	bind(o, s.Master, callMaster)
	bind(o, s.Addition, callAddition)
	return o
}

type observer struct {
	calls [event.Kinds]func(event.Event)
	next  event.Observer
}

// bind fills the table for one family.
func bind[F any](o *observer, family F, calls map[event.Kind]func(F, event.Event)) {
	if any(family) == nil {
		return
	}
	for kind, call := range calls {
		o.calls[kind] = func(e event.Event) { call(family, e) }
	}
}

// Observe implements event.Observer.
func (o *observer) Observe(e event.Event) {
	if int(e.Kind) < event.Kinds {
		if call := o.calls[e.Kind]; call != nil {
			call(e)
		}
	}
	if o.next != nil {
		o.next.Observe(e)
	}
}
