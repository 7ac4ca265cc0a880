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
	switch p.Command {
	case wire.CommandPaxos:
		g.receiveMessage(&p)
	case wire.CommandCheckpoint:
		g.receiveCheckpoint(&p)
	}
	g.settle()
}

func (g *Group) receiveMessage(p *wire.Packet) {
	var m paxos.Message
	if err := p.Message(&m); err != nil {
		g.observe(event.Event{Kind: event.PacketMalformed, Size: len(p.Body), Err: err})
		return
	}
	m.Checked = p.HasCRC
	if g.belongs(p, m.From) {
		if !p.HasCRC || contains(g.senders.without, m.From) {
			g.features.claims.Drop(m.From) // it announced them in an earlier life
		}
		g.step(&m, g.roleOf(m.From, !p.Identity.IsZero()))
	}
}

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

// step gives a message that may be handled to the part of the group that it is
// for (spec/protocol.md section 6.3).
func (g *Group) step(m *paxos.Message, from role) {
	if g.history.holdsBack(m.Kind) {
		return
	}
	switch g.admit(m, from) {
	case refuse:
		return
	case remember:
		g.remember(m, from)
		return
	case teach:
		g.teach.onAsk(g, m)
		if m.Instance > g.core.Instance() {
			g.strays.add(m.From, g.now)
		}
		return
	}
	g.observe(event.Event{Kind: event.MessageIn, Peer: m.From, Instance: m.Instance, Number: uint64(m.Kind)})
	if m.Kind == paxos.AcceptEarly && !g.spell(m) {
		return
	}
	if from != unknown && from != stranger {
		g.newcomer.hears(g, m)
	}
	g.handle(m)
}

// remember takes note of a node that may know more than this one, which will
// be asked. A member is asked at once.
func (g *Group) remember(m *paxos.Message, from role) {
	if from == member {
		g.core.Ahead(m.From, m.Instance+1)
		return
	}
	g.strays.add(m.From, g.now)
}

func (g *Group) handle(m *paxos.Message) {
	switch m.Kind {
	case paxos.Prepare, paxos.Accept:
		if m.Kind == paxos.Prepare && m.Instance >= g.core.Instance() && g.refuses(m.From) {
			return
		}
		g.core.Step(m)
		g.newcomer.stepped(g, m)
		g.teach.help(g, m)
	case paxos.PrepareReply, paxos.AcceptReply, paxos.Success, paxos.LearnValue:
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
		g.features.heard(g, m)
	case paxos.AskCheckpoint:
		g.give.asked(g, m)
	case paxos.HistoryCompare, paxos.HistoryCompareReply:
		g.history.hear(g, m)
	case paxos.EarlyValue:
		g.onEarlyValue(m)
	case paxos.EarlyMissed:
		g.onEarlyMissed(m)
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
		if g.system.hear(g, m.SystemVariables, m.Now) {
			if m.MinChosen > g.core.Instance() {
				g.core.CatchUp() // it takes long enough already
			}
			return
		}
		if err := g.master.offered(g, m.MasterVariables, m.Now); err != nil {
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
