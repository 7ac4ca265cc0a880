package group

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// outlet is the core's way out: it turns records and messages into bytes,
// once for all receivers.
type outlet struct{ g *Group }

var _ paxos.Env = outlet{}

// recordOverhead and messageOverhead are more than everything but the value
// takes in bytes.
const (
	recordOverhead  = 112
	messageOverhead = 208
)

func (o outlet) Save(s paxos.Save) {
	g := o.g
	g.newcomer.saving(g)
	data := wire.AppendRecord(g.env.Buffer(len(s.Record.Value)+recordOverhead), &s.Record)
	g.env.Save(Save{Seq: s.Seq, Instance: s.Record.Instance, Data: data, Sync: g.clean.saving(g, &s)})
}

func (o outlet) Send(m *paxos.Message) { o.g.send(m) }

func (o outlet) Observe(e event.Event) { o.g.observe(e) }

// send packs m and hands it to its receiver, or to every other member.
func (g *Group) send(m *paxos.Message) {
	m.From = g.cfg.Me
	if short, ok := g.queue.current.name(m); ok {
		m = &short
	}
	packet := g.queue.packet(g, m)
	stream := false
	switch m.Kind {
	case paxos.LearnValue, paxos.AskForLearn, paxos.Digest, paxos.EarlyValue,
		paxos.AcceptEarly: // must not overtake the value
		stream = true
	}
	send := func(id nodeid.ID) { g.env.Send(id, packet, stream) }
	switch m.Kind {
	case paxos.AskForLearn, paxos.Confirm, paxos.LearnAck, paxos.AskCheckpoint:
		send = func(id nodeid.ID) {
			g.asked.note(id, g.now)
			g.env.Send(id, packet, stream)
		}
	}
	if m.To != nodeid.None {
		send(m.To)
		return
	}
	for _, id := range g.core.Members() {
		if id != g.cfg.Me {
			send(id)
		}
	}
	if g.system.isAhead && (m.Kind == paxos.AskForLearn || m.Kind == paxos.ReadAsk) {
		for _, id := range g.system.peers {
			if id != g.cfg.Me && !g.core.Members().Contains(id) {
				send(id)
			}
		}
	}
	if m.Kind == paxos.AskForLearn && g.newcomer.active {
		// Members of the past may all be gone, or be this node alone.
		for _, id := range g.newcomer.others(g) {
			if !g.core.Members().Contains(id) && !(g.system.isAhead && g.system.peers.Contains(id)) {
				send(id)
			}
		}
	}
	if m.Kind == paxos.AskForLearn {
		if to := g.cfg.Following; to != nodeid.None && !g.core.Members().Contains(to) {
			send(to) // it follows somebody itself
		}
		for _, id := range g.strays.living(g.now) {
			send(id)
		}
	}
}
