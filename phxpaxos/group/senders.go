package group

import (
	"slices"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	// statedLife is for how long a member that stated the cluster's identity
	// may send packets without it before it counts as one that does not know it:
	// packets that were under way when the level changed, or overtook others.
	statedLife = 10 * time.Second
	// foreignLife is how long a member's word for another cluster counts.
	foreignLife = 5 * time.Second
)

// senders decides which cluster a packet comes from. It stops packets that
// come by mistake: from another cluster that took over an address, or from a
// node with the wrong list. It does not stop an attacker, who can read and
// repeat the identity (docs/senders.md).
type senders struct {
	identities feature.Identities // while this node knows no identity
	joined     nodeid.Cluster     // what a majority of this node's list states, in this life
	stated     []seen             // members that stated the identity, and when they did last
	without    []nodeid.ID        // members that do not state it, though all have agreed to
	foreign    []seen             // members that spoke for another cluster
	since      time.Duration      // when the level changed in this life, 0 if it did not
}

// seen is a node, and when it was seen.
type seen struct {
	id nodeid.ID
	at time.Duration
}

func note(list []seen, id nodeid.ID, now time.Duration) []seen {
	for i := range list {
		if list[i].id == id {
			list[i].at = now
			return list
		}
	}
	return append(list, seen{id, now})
}

func lately(list []seen, id nodeid.ID, now, life time.Duration) bool {
	for i := range list {
		if list[i].id == id {
			return now-list[i].at < life
		}
	}
	return false
}

// changed takes note of a new level.
func (s *senders) changed(now time.Duration) {
	s.since, s.without = now+1, nil
}

// identity is what this group's packets state.
func (g *Group) identity() (none nodeid.Cluster) {
	if g.features.state.Level < feature.Identity {
		return none
	}
	return g.features.state.Cluster
}

// level is the highest level whose features this node uses now: none while a
// member shows that it lacks them. The identity goes on being stated, since
// nodes that do not know it skip it.
func (g *Group) level() feature.Level {
	if len(g.senders.without) > 0 {
		return feature.Base
	}
	return g.features.state.Level
}

// header is what all packets of this group have in common.
func (g *Group) header() wire.Header {
	return wire.Header{Group: g.cfg.Index, Cluster: g.Cluster(), CRC: g.cfg.PacketCRC, Identity: g.identity()}
}

// belongs reports whether a packet may be one of this cluster.
func (g *Group) belongs(p *wire.Packet, from nodeid.ID) bool {
	if from == g.cfg.Me || from == nodeid.None {
		return false
	}
	own := g.features.state.Cluster
	if own.IsZero() {
		own = g.senders.joined
	}
	if own.IsZero() && !p.Identity.IsZero() && g.blank() {
		if own = g.joins(from, p.Identity); own.IsZero() {
			g.existing(from)
			g.observe(event.Event{Kind: event.PacketForeignCluster, Peer: from, Number: p.Cluster})
			return false
		}
	}
	gid := g.Cluster()
	if !p.Identity.IsZero() && !own.IsZero() && p.Identity != own || gid != 0 && p.Cluster != 0 && gid != p.Cluster {
		g.observe(event.Event{Kind: event.PacketForeignCluster, Peer: from, Number: p.Cluster})
		if g.isPeer(from) {
			g.senders.foreign = note(g.senders.foreign, from, g.now)
		}
		return false
	}
	if g.isPeer(from) {
		g.senders.foreign = forget(g.senders.foreign, from)
		g.speaks(from, !p.Identity.IsZero())
	}
	return true
}

// existing takes note that a member states an identity, which a cluster has
// only once it has decided something: it is not a new one. A node without a log
// must know that before it votes, whether it can join or not.
func (g *Group) existing(from nodeid.ID) {
	if n := &g.newcomer; n.active && !n.history && g.isPeer(from) {
		n.history = true
		n.judge(g)
	}
}

// speaks takes note of whether a member states the identity. One that does not,
// though all members have agreed to, is an original node or runs an older
// version; no feature that it does not know is used meanwhile.
func (g *Group) speaks(from nodeid.ID, states bool) {
	s := &g.senders
	switch {
	case g.features.state.Level < feature.Identity:
	case states:
		s.stated = note(s.stated, from, g.now)
		if i := slices.Index(s.without, from); i >= 0 {
			s.without = slices.Delete(s.without, i, i+1)
			g.use()
		}
	case lately(s.stated, from, g.now, statedLife), s.since != 0 && g.now-s.since < statedLife, contains(s.without, from):
	default:
		s.without = append(s.without, from)
		g.observe(event.Event{Kind: event.MemberWithoutFeatures, Peer: from, Instance: g.core.Instance()})
		g.use()
	}
}

// blank reports whether this node knows nothing of any history.
func (g *Group) blank() bool {
	accepted, _ := g.core.Accepted()
	return g.core.Instance() == 0 && accepted.IsNull()
}

// joins takes note of the identity that a node of this one's list states, and
// joins the cluster that a majority of the list states. A follower believes the
// node that it follows. What was joined is not stored: it becomes this node's
// identity when the node learns the change that set it.
func (g *Group) joins(from nodeid.ID, stated nodeid.Cluster) (own nodeid.Cluster) {
	s := &g.senders
	followed := g.cfg.Following != nodeid.None && from == g.cfg.Following
	if !followed && !g.core.Members().Contains(from) {
		return own
	}
	s.identities.Note(from, stated)
	c, ok := s.identities.Majority(g.majorityOf(g.otherMembers()))
	if followed {
		c, ok = stated, true
	}
	if !ok {
		return own
	}
	s.joined, s.identities = c, feature.Identities{}
	g.observe(event.Event{Kind: event.ClusterAdopted, Instance: g.core.Instance()})
	return c
}

// spokenFor reports whether the members that do not speak for another cluster
// are a quorum.
func (g *Group) spokenFor() bool {
	members := g.core.Members()
	if len(g.senders.foreign) == 0 {
		return true
	}
	lost := 0
	for _, id := range members {
		if lately(g.senders.foreign, id, g.now, foreignLife) {
			lost++
		}
	}
	return len(members)-lost >= members.Quorum()
}

func forget(list []seen, id nodeid.ID) []seen {
	return slices.DeleteFunc(list, func(n seen) bool { return n.id == id })
}
