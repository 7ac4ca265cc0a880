package wire

import (
	"bytes"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// FuzzOpen: no packet can do harm, and what one says survives encoding.
func FuzzOpen(f *testing.F) {
	for _, v := range packetVectors {
		f.Add(unhex(f, v.want))
	}
	for _, v := range samples() {
		f.Add(v.packet(true))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		before := bytes.Clone(packet)
		group, peeked := PeekGroup(packet)
		p, err := Open(packet)
		sender, parses := Sender(packet)
		PeekAcceptReply(packet)
		if err != nil {
			wantOpen(t, err)
			return
		}
		if !peeked || p.Group != group {
			t.Fatalf("group %d, peeked %d %v", p.Group, group, peeked)
		}
		v, _, err := read(packet)
		if !bytes.Equal(packet, before) {
			t.Fatal("the packet was changed")
		}
		if p.Command != CommandPaxos && p.Command != CommandCheckpoint {
			return
		}
		if err != nil {
			wantBody(t, err)
			return
		}
		if from := v.sender(); !parses || from != sender {
			t.Fatalf("from %v, but Sender says %v %v", from, sender, parses)
		}
		for _, crc := range []bool{false, true} {
			again := v.packet(crc)
			v.peeks(t, again)
			back, hasCRC, err := read(again)
			if err != nil || hasCRC != crc {
				t.Fatalf("encoded again: HasCRC %v, error %v", hasCRC, err)
			}
			want := v
			if !crc {
				want.identity = nodeid.Cluster{} // the original's packet has no room for it
			}
			same(t, "encoded again", back, want)
		}
	})
}

// fuzzCodec fuzzes one structure against protobuf.
func fuzzCodec(f *testing.F, c codec) {
	d := newDice(9)
	for range 20 {
		f.Add(c.append(nil, c.random(d)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { c.equivalent(t, data) })
}

func FuzzRecord(f *testing.F) { fuzzCodec(f, codecs()[0]) }
func FuzzBatch(f *testing.F)  { fuzzCodec(f, codecs()[4]) }

// FuzzVariables fuzzes the three small structures at once.
func FuzzVariables(f *testing.F) {
	d, all := newDice(10), codecs()[1:4]
	for range 10 {
		for _, c := range all {
			f.Add(c.append(nil, c.random(d)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range all {
			c.equivalent(t, data)
		}
	})
}

// FuzzEquivalence: bodies and headers mean what protobuf says they mean.
func FuzzEquivalence(f *testing.F) {
	d := newDice(11)
	for range 50 {
		m, c := d.message(), d.checkpoint()
		f.Add(appendMessage(nil, &m))
		f.Add(appendCheckpoint(nil, &c))
	}
	f.Add(unhex(f, "0800100018012001a50601020304"))
	f.Fuzz(func(t *testing.T, data []byte) {
		bodyEquivalent(t, data)
		headerEquivalent(t, data)
		var m paxos.Message
		p := Packet{Command: CommandPaxos, Body: data}
		if p.Message(&m) != nil {
			return
		}
		if again := appendMessage(nil, &m); !bytes.Equal(again, marshal(t, messageToProto(&m))) {
			t.Fatalf("%+v is encoded as %x", m, again)
		}
	})
}
