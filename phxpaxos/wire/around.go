package wire

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"

// Room that Around may need in front of a value and behind it.
const (
	RoomFront = 128 // packet header and the fields before the value
	RoomBack  = 64  // the fields behind the value and the trailer
)

// Around is AppendMessage for an Accept or an EarlyValue whose value lies in
// buf from at to its end, with RoomFront bytes in front that are free and
// RoomBack of capacity behind. The packet is made around it, so that the value
// is neither copied nor written to, and is returned as a part of buf. It can be
// done once for each buf: the packet has to stay as it is while others read it.
func Around(buf []byte, at int, h Header, m *paxos.Message) []byte {
	var room [RoomFront]byte
	front, crcAt := appendHeader(room[:0], &h, CommandPaxos)
	front = appendFront(front, m)
	start := at - len(front)
	copy(buf[start:], front)
	if crcAt != 0 {
		crcAt += start
	}
	return seal(appendBack(buf, m), start, crcAt)[start:]
}
