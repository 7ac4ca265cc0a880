package sim

import (
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// sendBlock sends a message of a transfer. Some blocks are made wrong before,
// in a packet whose own checksums are right: what memory does that forgets.
// The block's checksum looks at one byte in eight; it is one of these that
// changes, since nothing could find another.
func (m *member) sendBlock(to nodeid.ID, packet []byte) {
	w := m.n.w
	w.stats.Blocks++
	if w.phase == chaos && w.plan.world.rotten > 0 && w.randFault.IntN(1000) < w.plan.world.rotten {
		packet = m.rot(packet)
	}
	m.Send(to, packet, true)
}

func (m *member) rot(packet []byte) []byte {
	p, err := wire.Open(packet)
	if err != nil {
		return packet
	}
	var c wire.Checkpoint
	if p.Checkpoint(&c) != nil || len(c.Data) == 0 {
		return packet
	}
	c.Data = slices.Clone(c.Data)
	c.Data[8*m.n.w.randFault.IntN((len(c.Data)+7)/8)] ^= 1 << m.n.w.randFault.IntN(8)
	m.n.w.stats.Rotten++
	return wire.AppendCheckpoint(nil, wire.Header{Group: p.Group, Cluster: p.Cluster, CRC: p.HasCRC}, &c)
}

// rotValue turns a bit of the value that some packets carry, as it happens in
// the memory or on the disk of a proposer, an acceptor that reports its vote,
// or a teacher: the packet's own checksums are right. Only the hash of the
// value that its sender took before can tell.
func (m *member) rotValue(packet []byte) []byte {
	w := m.n.w
	if w.phase != chaos || w.plan.rotten == 0 || w.randFault.IntN(1000) >= w.plan.rotten {
		return packet
	}
	p, err := wire.Open(packet)
	var msg paxos.Message
	if err != nil || p.Message(&msg) != nil || len(msg.Value) == 0 {
		return packet
	}
	switch msg.Kind {
	case paxos.Accept, paxos.EarlyValue, paxos.LearnValue, paxos.PrepareReply:
	default:
		return packet
	}
	msg.Value = slices.Clone(msg.Value)
	msg.Value[w.randFault.IntN(len(msg.Value))] ^= 1 << w.randFault.IntN(8)
	w.stats.Rotten++
	return wire.AppendMessage(nil, wire.Header{Group: p.Group, Cluster: p.Cluster, CRC: p.HasCRC, Identity: p.Identity}, &msg)
}
