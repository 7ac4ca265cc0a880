package wire

import (
	"bytes"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// FuzzAround: a packet that is made around its value is the one that
// AppendMessage makes, and the value was not touched.
func FuzzAround(f *testing.F) {
	f.Add(0, uint64(0), uint64(0), uint64(0), uint64(0), uint32(0), []byte("v"), true, false)
	f.Add(-1, ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint32(0), bytes.Repeat([]byte{7}, 300), true, false)
	f.Add(-1, ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint32(0), bytes.Repeat([]byte{7}, 300), true, true)
	f.Add(99999, uint64(1)<<40, uint64(77), uint64(3), uint64(9), uint32(5), bytes.Repeat([]byte{9}, 20000), false, false)
	f.Fuzz(func(t *testing.T, group int, cluster, instance, from, number uint64, last uint32, value []byte, crc, early bool) {
		m := paxos.Message{Kind: paxos.Accept, From: nodeid.ID(from), Instance: instance,
			Ballot: paxos.Ballot{Number: number, Node: nodeid.ID(from)}, LastChecksum: last, Chain: number &^ 1, Sum: instance}
		if early {
			m = paxos.Message{Kind: paxos.EarlyValue, From: nodeid.ID(from), Instance: instance, Early: number}
		}
		buf := append(make([]byte, RoomFront, RoomFront+len(value)+RoomBack), value...)
		m.Value = buf[RoomFront:]
		got := Around(buf, RoomFront, Header{Group: group, Cluster: cluster, CRC: crc}, &m)
		if want := AppendMessage(nil, Header{Group: group, Cluster: cluster, CRC: crc}, &m); !bytes.Equal(got, want) {
			t.Fatalf("got\n%x, want\n%x", got, want)
		}
		if !bytes.Equal(m.Value, value) {
			t.Fatal("the value has changed")
		}
		if len(value) > 0 {
			before := bytes.Clone(got)
			if m.Value[0]++; bytes.Equal(got, before) {
				t.Fatal("the packet is a copy")
			}
		}
	})
}
