package group

import (
	"errors"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// Receive takes a packet from a peer. Malformed ones are counted and dropped.
// The group keeps references to packet.
func (g *Group) Receive(packet []byte) {
	if g.err != nil {
		return
	}
	g.observe(event.Event{Kind: event.PacketIn, Size: len(packet)})
	p, err := wire.Open(packet)
	if err != nil {
		g.observe(event.Event{Kind: malformed(err), Size: len(packet), Err: err})
		return
	}
	if p.Group != g.cfg.Index {
		g.observe(event.Event{Kind: event.PacketBadGroup, Number: uint64(p.Group)})
		return
	}
	var m paxos.Message
	switch p.Command {
	case wire.CommandPaxos:
		err = p.Message(&m)
	case wire.CommandCheckpoint:
		if own := g.Cluster(); own == 0 || p.Cluster == 0 || own == p.Cluster {
			g.receiveCheckpoint(&p)
			g.settle()
		}
		return
	default:
		return
	}
	if err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Size: len(packet), Err: err})
		return
	}
	m.Checked = p.HasCRC
	if own := g.Cluster(); own != 0 && p.Cluster != 0 && own != p.Cluster {
		g.observe(event.Event{Kind: event.PacketForeignCluster, Peer: m.From, Number: p.Cluster})
		if g.isPeer(m.From) {
			g.foreign = g.now + foreignLife
		}
		return
	}
	g.foreign = 0
	g.step(&m)
	g.settle()
}

// foreignLife is how long proposals are refused after a member spoke for
// another cluster, if no member speaks for this one.
const foreignLife = 5 * time.Second

func malformed(err error) event.Kind {
	switch {
	case errors.Is(err, wire.ErrHeader):
		return event.PacketHeaderTooLong
	case errors.Is(err, wire.ErrShort):
		return event.PacketShort
	case errors.Is(err, wire.ErrCRC):
		return event.PacketCRC
	case errors.Is(err, wire.ErrChecksum):
		return event.PacketChecksum
	}
	return event.PacketMalformed
}

// step lets a message pass the membership filters (spec/protocol.md section
// 6.3) and gives it to the half of the group that it is for.
func (g *Group) step(m *paxos.Message) {
	g.observe(event.Event{Kind: event.MessageIn, Peer: m.From, Instance: m.Instance, Number: uint64(m.Kind)})
	if m.From == g.cfg.Me || m.From == nodeid.None {
		return
	}
	if m.Kind == paxos.AcceptEarly && !g.spell(m) {
		return
	}
	g.newcomer.hears(g, m)
	switch m.Kind {
	case paxos.Prepare, paxos.Accept:
		if !g.mayAsk(m.From) {
			return
		}
		if m.Kind == paxos.Prepare && m.Instance >= g.core.Instance() && g.refuses(m.From) {
			return
		}
		g.core.Step(m)
		g.newcomer.stepped(g, m)
		g.teach.help(g, m)
	case paxos.PrepareReply, paxos.AcceptReply:
		if !g.valid(m.From) {
			g.observe(event.Event{Kind: event.MessageNotMember, Peer: m.From})
			return
		}
		g.core.Step(m)
	case paxos.Success, paxos.LearnValue:
		g.core.Step(m)
	case paxos.Offer:
		g.offered(m)
	case paxos.AskForLearn:
		g.core.Step(m)
		g.teach.onAsk(g, m)
	case paxos.Confirm:
		g.teach.onConfirm(g, m)
	case paxos.LearnAck:
		g.teach.onAck(g, m)
	case paxos.ReadAsk:
		g.onReadAsk(m)
	case paxos.ReadReply:
		g.onReadReply(m)
	case paxos.HistoryAsk:
		g.newcomer.answer(g, m)
	case paxos.HistoryReply:
	case paxos.Drive:
		g.drive(m)
	case paxos.Digest:
		g.digests.hear(g, m)
	case paxos.AskCheckpoint:
		g.give.asked(g, m)
	case paxos.EarlyValue:
		g.onEarlyValue(m)
	case paxos.EarlyMissed:
		g.onEarlyMissed(m)
	default:
		g.observe(event.Event{Kind: event.MessageUnknown, Peer: m.From, Number: uint64(m.Kind)})
	}
}

// offered takes what an offer says of the cluster, then the offer itself. If
// the membership changed the rest is dropped, since it was meant for a node
// that did not know (spec/protocol.md section 10.4).
func (g *Group) offered(m *paxos.Message) {
	if m.Now > g.core.Instance() && !g.isPeer(m.From) {
		g.strays.add(m.From, g.now) // the members may all lack what it has
	}
	if m.HasVariables {
		g.fetch.hear(g, m)
		if g.system.hear(g, m.SystemVariables) {
			if m.MinChosen > g.core.Instance() {
				g.core.CatchUp() // it takes long enough already
			}
			return
		}
		if err := g.master.update(g, m.MasterVariables); err != nil {
			g.stop(err)
			return
		}
	}
	if m.Instance == g.core.Instance() && m.MinChosen > m.Instance {
		g.fetch.needed(g, m)
	}
	g.core.Step(m)
	g.fetch.load(g)
}

// valid: before there is a cluster id everybody is; then members are.
func (g *Group) valid(id nodeid.ID) bool {
	return g.Cluster() == 0 || g.isPeer(id)
}

// mayAsk decides about a proposer. One that is no member is remembered for a
// while and asked along with the members, since it may know more.
func (g *Group) mayAsk(id nodeid.ID) bool {
	if g.isPeer(id) {
		return true
	}
	g.strays.add(id, g.now)
	if g.Cluster() == 0 {
		return true
	}
	g.observe(event.Event{Kind: event.MessageNotMember, Peer: id})
	return false
}

// refuses: a fenced group makes no promise to others than the master while a
// lease runs; see leased. The master's own lease counts as well.
func (g *Group) refuses(id nodeid.ID) bool {
	return g.cfg.Fence && g.now < g.master.until && id != g.master.v.Master
}

const (
	strayLife = 60 * time.Second // spec/protocol.md section 2.4
	strayMax  = 64               // strangers could name any number of nodes
)

// strays are nodes outside the membership that spoke lately.
type strays struct{ nodes []stray }

type stray struct {
	id   nodeid.ID
	seen time.Duration
}

func (s *strays) add(id nodeid.ID, now time.Duration) {
	for i := range s.nodes {
		if s.nodes[i].id == id {
			s.nodes[i].seen = now
			return
		}
	}
	if len(s.living(now)) < strayMax {
		s.nodes = append(s.nodes, stray{id, now})
	}
}

// living drops the silent ones and returns the rest.
func (s *strays) living(now time.Duration) []nodeid.ID {
	var ids []nodeid.ID
	kept := s.nodes[:0]
	for _, n := range s.nodes {
		if now-n.seen < strayLife {
			kept = append(kept, n)
			ids = append(ids, n.id)
		}
	}
	s.nodes = kept
	return ids
}
