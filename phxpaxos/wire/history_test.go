package wire

import (
	"bytes"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire/wirepb"
)

// What a message states of the full history comes back, is only stated where
// it is known, and does not change what an original node reads.
func TestMessagesStateTheHistory(t *testing.T) {
	states := map[paxos.Kind][2]bool{ // chain, sum
		paxos.Accept: {true, true}, paxos.LearnValue: {true, true}, paxos.Success: {true, true}, paxos.AcceptEarly: {true, true},
		paxos.AskForLearn: {true, false}, paxos.AcceptReply: {false, true}, paxos.PrepareReply: {false, true},
	}
	d := newDice(77)
	for range rounds {
		m, crc := d.message(), d.bool()
		if m.Kind == paxos.PrepareReply {
			m.RejectedBy = 0
		}
		plain := AppendMessage(nil, 3, 4, &m, crc)
		m.Chain, m.Sum, m.History = d.u64()|1, d.u64()|1, []byte("h")
		stated := AppendMessage(nil, 3, 4, &m, crc)
		p, err := Open(stated)
		if err != nil {
			t.Fatal(err)
		}
		var got paxos.Message
		if err := p.Message(&got); err != nil {
			t.Fatal(err)
		}
		want, ok := states[m.Kind]
		if (got.Chain == m.Chain) != want[0] || (got.Sum == m.Sum) != want[1] || got.History != nil {
			t.Fatalf("%v states %x %x %q", m.Kind, got.Chain, got.Sum, got.History)
		}
		if ok == bytes.Equal(plain, stated) {
			t.Fatalf("%v: packets are equal: %v", m.Kind, !ok)
		}
		var theirs, before wirepb.PaxosMsg
		q, _ := Open(plain)
		if proto.Unmarshal(p.Body, &theirs) != nil || proto.Unmarshal(q.Body, &before) != nil {
			t.Fatal("an original node cannot parse it")
		}
		theirs.ProtoReflect().SetUnknown(nil)
		if !proto.Equal(&theirs, &before) {
			t.Fatalf("an original node reads\n%v, before\n%v", &theirs, &before)
		}
	}
}

func TestRecordsHoldTheHistory(t *testing.T) {
	d := newDice(78)
	for range rounds {
		r := d.record()
		plain := AppendRecord(nil, &r)
		r.Chain, r.Sum = d.u64(), d.u64()
		data := AppendRecord(nil, &r)
		if !bytes.HasPrefix(data, plain) || len(data) > len(r.Value)+112 {
			t.Fatalf("%d bytes for a value of %d", len(data), len(r.Value))
		}
		var back paxos.Record
		if err := DecodeRecord(data, &back); err != nil {
			t.Fatal(err)
		}
		if len(r.Value) == 0 {
			r.Value = nil
		}
		if !reflect.DeepEqual(back, r) {
			t.Fatalf("%+v, want %+v", back, r)
		}
		var theirs, before wirepb.AcceptorStateData
		if proto.Unmarshal(data, &theirs) != nil || proto.Unmarshal(plain, &before) != nil {
			t.Fatal("an original node cannot parse it")
		}
		theirs.ProtoReflect().SetUnknown(nil)
		if !proto.Equal(&theirs, &before) {
			t.Fatalf("an original node reads\n%v, before\n%v", &theirs, &before)
		}
	}
}

// The room around a value holds the largest numbers there are, and 24 bytes
// more for a field that the header is going to get.
func TestRoomAroundTheLargestValue(t *testing.T) {
	const most64 = ^uint64(0)
	for _, early := range []bool{false, true} {
		m := paxos.Message{Kind: paxos.Accept, From: nodeid.ID(most64), Instance: most64, LastChecksum: 1<<32 - 1,
			Ballot: paxos.Ballot{Number: most64, Node: nodeid.ID(most64)}, Chain: most64, Sum: most64}
		if early {
			m.Kind, m.Early = paxos.EarlyValue, most64
		}
		const limit = 10485760
		size := limit - OverheadMax
		buf := make([]byte, RoomFront+size, RoomFront+size+RoomBack)
		m.Value = buf[RoomFront:]
		p := Around(buf, RoomFront, -1, most64, &m, true)
		if len(p)+24 > limit || &p[0] == &buf[0] {
			t.Errorf("%v: a packet of %d bytes", m.Kind, len(p))
		}
		front := bytes.Index(p, make([]byte, 64)) // no field is 64 zeros long
		if front+24 > RoomFront || len(p)-front-size+24 > RoomBack+24 {
			t.Errorf("%v: %d bytes in front, %d behind", m.Kind, front, len(p)-front-size)
		}
	}
}
