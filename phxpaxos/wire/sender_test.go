package wire

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// sender is who a receiver takes for the sender.
func (v *meaning) sender() nodeid.ID {
	if v.command == CommandPaxos {
		return v.message.From
	}
	return v.block.From
}

func TestSender(t *testing.T) {
	for _, v := range samples() {
		for _, crc := range []bool{false, true} {
			if id, ok := Sender(v.packet(crc)); !ok || id != v.sender() {
				t.Fatalf("%v %v, want %v", id, ok, v.sender())
			}
		}
	}
	packet := AppendMessage(nil, 1, 2, &paxos.Message{Kind: paxos.Prepare, From: 7}, true)
	if n := testing.AllocsPerRun(100, func() { Sender(packet) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for n := range packet {
		if id, ok := Sender(packet[:n]); ok && id != 7 && id != nodeid.None {
			t.Errorf("%d bytes of the packet come from %v", n, id)
		}
	}
}
