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
	packet := AppendMessage(nil, Header{Group: 1, Cluster: 2, CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: 7})
	if n := testing.AllocsPerRun(100, func() { Sender(packet) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for n := range packet {
		if id, ok := Sender(packet[:n]); ok && id != 7 && id != nodeid.None {
			t.Errorf("%d bytes of the packet come from %v", n, id)
		}
	}
}

// peeks checks what PeekAcceptReply says of a packet that means v.
func (v *meaning) peeks(t *testing.T, packet []byte) {
	t.Helper()
	want := v.command == CommandPaxos && v.message.Kind == paxos.AcceptReply
	instance, ok := PeekAcceptReply(packet)
	if ok != want || ok && instance != v.message.Instance {
		t.Fatalf("kind %v, instance %d: peeked %d %v", v.message.Kind, v.message.Instance, instance, ok)
	}
}

func TestPeekAcceptReply(t *testing.T) {
	replies := 0
	for _, v := range samples() {
		for _, crc := range []bool{false, true} {
			v.peeks(t, v.packet(crc))
		}
		if v.command == CommandPaxos && v.message.Kind == paxos.AcceptReply {
			replies++
		}
	}
	if replies == 0 {
		t.Error("no reply among the samples")
	}
	reply := paxos.Message{Kind: paxos.AcceptReply, Instance: 1 << 40, From: 7}
	packet := AppendMessage(nil, Header{Group: 1, Cluster: 2, CRC: true}, &reply)
	if n := testing.AllocsPerRun(100, func() { PeekAcceptReply(packet) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for n := range packet {
		if instance, ok := PeekAcceptReply(packet[:n]); ok && instance != reply.Instance {
			t.Errorf("%d bytes of the packet are of instance %d", n, instance)
		}
	}
}
