package sim

import (
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
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
