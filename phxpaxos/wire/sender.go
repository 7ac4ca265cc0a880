package wire

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"

// Sender returns the node that a receiver would take for the sender of a packet:
// nodeid.None if the packet names none. ok is false for a packet that no
// receiver does anything with, since it does not parse or has an unknown
// command. Checksums are not looked at, so Open may still refuse the packet.
func Sender(packet []byte) (id nodeid.ID, ok bool) {
	if len(packet) < prefixSize {
		return nodeid.None, false
	}
	bodyAt := bodyOffset(packet)
	if bodyAt > len(packet) {
		return nodeid.None, false
	}
	h, err := decodeHeader(packet[prefixSize:bodyAt])
	if err != nil {
		return nodeid.None, false
	}
	body := packet[bodyAt:]
	if h.version >= 1 {
		if len(body) < trailerSize {
			return nodeid.None, false
		}
		body = body[:len(body)-trailerSize]
	}
	var tag uint64
	switch h.command {
	case CommandPaxos:
		tag = uint64(varint3)
	case CommandCheckpoint:
		tag = uint64(varint2)
	default:
		return nodeid.None, false
	}
	for len(body) > 0 { // the last one counts, as in protobuf
		var f field
		if body, err = f.next(body); err != nil {
			return nodeid.None, false
		}
		if f.tag == tag {
			id = nodeid.ID(f.num)
		}
	}
	return id, true
}
