package group

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

const (
	// statedLife is for how long a member that stated the cluster's identity
	// may send packets without it: packets that were under way when the level
	// changed, and the other order of two packets.
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
	stated     []seen             // members that stated it, and when they did last
	proven     []nodeid.ID        // members without it that share this node's history
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
	s.since, s.proven = now+1, nil
}

// identity is what this group's packets state. A group that joined a cluster
// and does not know the level yet does as the nodes do that it joined.
func (g *Group) identity() nodeid.Cluster {
	s := g.features.state
	if s.Version < feature.UnknownVersion && s.Level < feature.Identity {
		return nodeid.Cluster{}
	}
	return s.Cluster
}

// level is the highest level whose features this node uses now: none while a
// member is proven to lack them. The identity goes on being stated, since
// nodes that do not know it skip it.
func (g *Group) level() feature.Level {
	if len(g.senders.proven) > 0 {
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
	if own.IsZero() && !p.Identity.IsZero() {
		own = g.joins(from, p.Identity)
	}
	switch gid := g.Cluster(); {
	case !p.Identity.IsZero() && p.Identity != own && (!own.IsZero() || g.blank()):
		return g.refusesForeign(p, from, own)
	case gid != 0 && p.Cluster != 0 && gid != p.Cluster:
		return g.refusesForeign(p, from, own)
	}
	if g.isPeer(from) {
		s := &g.senders
		if !p.Identity.IsZero() && p.Identity == own {
			s.stated = note(s.stated, from, g.now)
			if s.forgive(from) {
				g.use()
			}
		}
		s.foreign = forget(s.foreign, from)
	}
	return true
}

// refusesForeign counts a packet of another cluster. One that cannot be told
// from it, since this node does not know its own cluster yet, is no evidence.
func (g *Group) refusesForeign(p *wire.Packet, from nodeid.ID, own nodeid.Cluster) bool {
	g.observe(event.Event{Kind: event.PacketForeignCluster, Peer: from, Number: p.Cluster})
	if g.isPeer(from) && (!own.IsZero() || p.Identity.IsZero()) {
		g.senders.foreign = note(g.senders.foreign, from, g.now)
	}
	return false
}

// blank reports whether this node knows nothing of any history.
func (g *Group) blank() bool {
	accepted, _ := g.core.Accepted()
	return g.core.Instance() == 0 && accepted.IsNull()
}

// joins takes note of the identity that a node of this one's list states, and
// adopts it when a majority of the list states the same. A follower believes
// the node that it follows.
func (g *Group) joins(from nodeid.ID, stated nodeid.Cluster) (own nodeid.Cluster) {
	followed := g.cfg.Following != nodeid.None && from == g.cfg.Following
	if !followed && !g.core.Members().Contains(from) {
		return own
	}
	s := &g.senders
	s.identities.Note(from, stated)
	c, ok := s.identities.Majority(g.majorityOf(g.otherMembers()))
	if followed {
		c, ok = stated, true
	}
	if !ok {
		return own
	}
	g.features.adopt(g, c)
	s.identities = feature.Identities{}
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

// plain reports whether a member's packet lacks the identity though the
// cluster states it, and nothing explains that. It may be an original node or
// one of an older version, or a node of another cluster at a member's address.
func (g *Group) plain(p *wire.Packet, from nodeid.ID) bool {
	s := &g.senders
	switch {
	case !p.Identity.IsZero() || g.features.state.Level < feature.Identity:
		return false
	case lately(s.stated, from, g.now, statedLife), s.since != 0 && g.now-s.since < statedLife:
		return false
	}
	return !contains(s.proven, from)
}

// proves reports whether a message shows that its sender shares this node's
// history: it states the same checksum of everything before this instance.
func (g *Group) proves(m *paxos.Message) bool {
	return m.LastChecksum != 0 && m.Instance == g.core.Instance() && m.LastChecksum == g.core.LastChecksum()
}

// prove takes a member of an older kind for what it is. While there is one,
// this node uses no features that it does not know.
func (g *Group) prove(from nodeid.ID) {
	g.senders.proven = append(g.senders.proven, from)
	g.use()
	g.observe(event.Event{Kind: event.MemberWithoutFeatures, Peer: from, Instance: g.core.Instance()})
}

// forgive takes note that a member states the identity again, and reports
// whether it did not before.
func (s *senders) forgive(id nodeid.ID) bool {
	for i, p := range s.proven {
		if p == id {
			s.proven = append(s.proven[:i:i], s.proven[i+1:]...)
			return true
		}
	}
	return false
}

func forget(list []seen, id nodeid.ID) []seen {
	for i := range list {
		if list[i].id == id {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}
