package sim

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// packetReader reads packets for checks and traces. A broadcast is the same
// packet several times in a row, so the last one is kept.
type packetReader struct {
	last    *byte
	size    int
	ok      bool
	message paxos.Message
}

// read returns the message in a packet; ok is false for anything else.
func (r *packetReader) read(packet []byte) (m *paxos.Message, ok bool) {
	if len(packet) == 0 {
		return nil, false
	}
	if r.last == &packet[0] && r.size == len(packet) {
		return &r.message, r.ok
	}
	r.last, r.size, r.ok = &packet[0], len(packet), false
	p, err := wire.Open(packet)
	if err != nil || p.Command != wire.CommandPaxos {
		return &r.message, false
	}
	r.message = paxos.Message{}
	r.ok = p.Message(&r.message) == nil
	return &r.message, r.ok
}
