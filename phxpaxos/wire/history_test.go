package wire

import (
	"bytes"
	"errors"
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
		plain := AppendMessage(nil, Header{Group: 3, Cluster: 4, CRC: crc}, &m)
		m.Chain, m.Sum, m.History = d.u64()|1, d.u64()|1, []byte("h")
		stated := AppendMessage(nil, Header{Group: 3, Cluster: 4, CRC: crc}, &m)
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
		if len(data) > len(r.Value)+112 {
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

// The room around a value holds the largest numbers there are.
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
		identity := nodeid.Cluster{15: 1}
		p := Around(buf, RoomFront, Header{Group: -1, Cluster: most64, CRC: true, Identity: identity}, &m)
		if len(p) > limit || &p[0] == &buf[0] {
			t.Errorf("%v: a packet of %d bytes", m.Kind, len(p))
		}
		front := bytes.Index(p, make([]byte, 64)) // no field is 64 zeros long
		if front > RoomFront || len(p)-front-size > RoomBack {
			t.Errorf("%v: %d bytes in front, %d behind", m.Kind, front, len(p)-front-size)
		}
	}
}

func TestHistoriesEncode(t *testing.T) {
	d := newDice(79)
	for range 60 {
		h := History{First: d.u64() / paxos.HistoryBlock * paxos.HistoryBlock}
		for range d.IntN(paxos.HistoryBlock + 1) {
			h.Chains = append(h.Chains, d.u64())
		}
		for i := range h.States {
			h.States[i] = StateDigest{d.u64(), d.u64(), d.u64()}
		}
		data := appended(t, func(dst []byte) []byte { return AppendHistory(dst, &h) })
		back := History{First: 1, Chains: make([]uint64, 3)} // must be overwritten
		if err := DecodeHistory(data, &back); err != nil {
			t.Fatal(err)
		}
		if len(h.Chains) == 0 {
			h.Chains, back.Chains = nil, nil
		}
		same(t, "history", back, h)
		for n := range len(data) {
			if err := DecodeHistory(data[:n], &back); !errors.Is(err, ErrBody) {
				t.Fatalf("%d of %d bytes: %v", n, len(data), err)
			}
		}
	}
	for name, bad := range map[string][]byte{
		"a block that begins in the middle": AppendHistory(nil, &History{First: 1}),
		"a block that is too long":          AppendHistory(nil, &History{Chains: make([]uint64, paxos.HistoryBlock+1)}),
		"more bytes":                        append(AppendHistory(nil, &History{}), 0),
	} {
		if err := DecodeHistory(bad, new(History)); !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStandingsEncode(t *testing.T) {
	digest := Digest{Groups: 9, First: 3, Instances: []uint64{30, 40, 50, 60}}
	want := []Standing{{3, 30, 7, StateDigest{1, 2, 3}}, {5, 50, 8, StateDigest{}}, {6, 60, ^uint64(0), StateDigest{^uint64(0), 4, 5}}}
	got, err := DecodeStandings(AppendStandings(nil, want), &digest, nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, bad := range map[string][]Standing{
		"a group before": {{Group: 2}}, "a group behind": {{Group: 7}}, "twice": {{Group: 4}, {Group: 4}}, "descending": {{Group: 5}, {Group: 4}},
	} {
		if _, err := DecodeStandings(AppendStandings(nil, bad), &digest, nil); !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeStandings(AppendStandings(nil, want)[:20], &digest, nil); !errors.Is(err, ErrBody) {
		t.Errorf("cut off: %v", err)
	}
}

func FuzzHistory(f *testing.F) {
	f.Add(AppendHistory(nil, &History{First: 256, Chains: []uint64{1, 2}}))
	f.Add(AppendStandings(nil, []Standing{{3, 30, 7, StateDigest{1, 2, 3}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h History
		if err := DecodeHistory(data, &h); err == nil {
			if len(h.Chains) > paxos.HistoryBlock || 8*len(h.Chains) > len(data) {
				t.Fatalf("%d chains of %d bytes", len(h.Chains), len(data))
			}
			var again History
			if err := DecodeHistory(AppendHistory(nil, &h), &again); err != nil || !reflect.DeepEqual(again, h) {
				t.Fatalf("%+v, then %+v, %v", h, again, err)
			}
		}
		d := Digest{Groups: 9, First: 3, Instances: []uint64{30, 40, 50, 60}}
		if list, _ := DecodeStandings(data, &d, nil); len(list) > len(d.Instances) {
			t.Fatalf("%d standings", len(list))
		}
	})
}
