package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// role is what the sender of a message is to this node.
type role uint8

const (
	member     role = iota // votes at the current instance, or does as far as a teacher said
	followed               // the node that this follower follows, if it is no member
	configured             // in this node's list and no member
	unknown                // any other node
	stranger               // one of those, which does not state the cluster's identity though there is one
	roles
)

// admission is what happens to a message.
type admission uint8

const (
	refuse   admission = iota // nothing
	accept                    // it is handled
	ifAsked                   // it is handled if its sender was asked lately
	teach                     // its sender is helped; where it says that it is does not count
	remember                  // its sender may know more, and is asked; nothing else
)

// admissions says what each kind of message may do when it comes from each
// kind of sender. Kinds that are not in the table may do nothing. The reasons
// are in docs/senders.md.
//
// What original nodes do lawfully is all in it: they send learned values
// unasked to their followers, answer an ask with a single value instead of an
// offer, and those with an old list ask and offer from addresses that are no
// members here.
var admissions = map[paxos.Kind][roles]admission{
	// member, followed, configured, unknown, stranger
	paxos.Prepare:             {accept, remember, remember, remember, refuse},
	paxos.Accept:              {accept, remember, remember, remember, refuse},
	paxos.AcceptEarly:         {accept, remember, remember, remember, refuse},
	paxos.PrepareReply:        {accept, refuse, refuse, refuse, refuse},
	paxos.AcceptReply:         {accept, refuse, refuse, refuse, refuse},
	paxos.Success:             {accept, remember, remember, remember, refuse},
	paxos.LearnValue:          {ifAsked, accept, ifAsked, ifAsked, refuse},
	paxos.Offer:               {ifAsked, accept, ifAsked, ifAsked, refuse},
	paxos.AskForLearn:         {accept, teach, teach, teach, teach},
	paxos.Confirm:             {accept, accept, accept, accept, accept},
	paxos.LearnAck:            {accept, accept, accept, accept, accept},
	paxos.AskCheckpoint:       {accept, accept, accept, accept, accept},
	paxos.ReadAsk:             {accept, accept, accept, accept, accept},
	paxos.ReadReply:           {accept, refuse, refuse, refuse, refuse},
	paxos.HistoryAsk:          {accept, accept, accept, accept, accept},
	paxos.HistoryReply:        {accept, accept, accept, refuse, refuse},
	paxos.Drive:               {accept, refuse, refuse, refuse, refuse},
	paxos.Digest:              {accept, refuse, refuse, refuse, refuse},
	paxos.HistoryCompare:      {accept, accept, accept, accept, accept}, // it is answered; only a member's counts
	paxos.HistoryCompareReply: {accept, refuse, refuse, refuse, refuse},
	paxos.EarlyValue:          {accept, refuse, refuse, refuse, refuse},
	paxos.EarlyMissed:         {accept, refuse, refuse, refuse, refuse},
}

// instanceMax is above every instance that a cluster reaches: a million
// instances a second take two thousand years. A message that states more is
// damaged or made up.
const instanceMax = 1<<56 - 1

// absurd reports whether a message states a number that cannot be.
func absurd(m *paxos.Message) bool {
	return m.Instance > instanceMax || m.Now > instanceMax || m.MinChosen > m.Now && m.Kind == paxos.Offer
}

// roleOf says what the sender of a message is; states says that its packet has
// the cluster's identity.
func (g *Group) roleOf(id nodeid.ID, states bool) role {
	switch {
	case g.isPeer(id):
		return member
	case id == g.cfg.Following:
		return followed
	case g.cfg.Members.Contains(id):
		return configured
	}
	if !states && g.features.state.Level >= feature.Identity {
		return stranger
	}
	return unknown
}

// admit decides what a message may do, and counts one that may do nothing.
func (g *Group) admit(m *paxos.Message, from role) admission {
	if absurd(m) {
		g.observe(event.Event{Kind: event.MessageAbsurd, Peer: m.From, Instance: m.Instance, Number: uint64(m.Kind)})
		return refuse
	}
	all, known := admissions[m.Kind]
	if !known {
		g.observe(event.Event{Kind: event.MessageUnknown, Peer: m.From, Number: uint64(m.Kind)})
		return refuse
	}
	a := all[from]
	switch {
	case a == ifAsked && !g.asked.lately(g, m.From):
		g.observe(event.Event{Kind: event.MessageNotAsked, Peer: m.From, Instance: m.Instance, Number: uint64(m.Kind)})
		if from != member {
			return refuse
		}
		return remember // the value may be right: it is asked for
	case a == refuse || a == remember:
		g.observe(event.Event{Kind: event.MessageNotMember, Peer: m.From, Instance: m.Instance, Number: uint64(m.Kind)})
	case a == accept || a == ifAsked:
		return accept
	}
	return a
}

// asked are the nodes that this one asked for values, and when it did last.
type asked struct{ nodes []seen }

// lately reports whether a node's answer is expected. A round of this node's
// own asks as well: a member for which the instance is decided answers it with
// the value.
func (a *asked) lately(g *Group, id nodeid.ID) bool {
	t := &g.cfg.Timing
	return lately(a.nodes, id, g.now, 2*(t.AskMin+t.AskSpan)) || g.core.Proposing() && g.core.Members().Contains(id)
}

func (a *asked) note(id nodeid.ID, now time.Duration) {
	if len(a.nodes) >= askedMax {
		kept := a.nodes[:0]
		for _, n := range a.nodes {
			if now-n.at < strayLife {
				kept = append(kept, n)
			}
		}
		a.nodes = kept
	}
	if len(a.nodes) < askedMax {
		a.nodes = note(a.nodes, id, now)
	}
}

// askedMax is more than the members and strays that are ever asked at once.
const askedMax = 1024
