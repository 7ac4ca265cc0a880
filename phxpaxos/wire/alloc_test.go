package wire

import (
	"runtime"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

func wantAllocs(t *testing.T, what string, want float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(100, f); got != want {
		t.Errorf("%s: %v allocations, want %v", what, got, want)
	}
}

// wantGrowth is for a destination that has to be made: one allocation, or two
// with the race detector, under which slices.Grow takes one more.
func wantGrowth(t *testing.T, what string, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(100, f); got < 1 || got > 2 {
		t.Errorf("%s: %v allocations, want one", what, got)
	}
}

func TestAllocations(t *testing.T) {
	dst := make([]byte, 0, 1<<16)
	body := make([]byte, 5000)
	ballot := paxos.Ballot{Number: 1 << 40, Node: nodeA}
	message := paxos.Message{
		Kind: paxos.Accept, From: nodeA, Instance: 1 << 40, Ballot: ballot, Value: AppendValue(nil, 1, body),
		PreAccepted: ballot, SystemVariables: body, MasterVariables: body, HasVariables: true,
	}
	for _, kind := range kinds {
		m := message
		m.Kind = kind
		packet := AppendMessage(nil, Header{Group: 3, Cluster: NoVersion, CRC: true}, &m)
		var got paxos.Message
		wantAllocs(t, kind.String()+" encoded", 0, func() { AppendMessage(dst, Header{Group: 3, Cluster: NoVersion, CRC: true}, &m) })
		wantGrowth(t, kind.String()+" into nil", func() { AppendMessage(nil, Header{Group: 3, Cluster: 1, CRC: false}, &m) })
		wantAllocs(t, kind.String()+" decoded", 0, func() {
			p, err := Open(packet)
			if err == nil {
				err = p.Message(&got)
			}
			if err != nil || !p.HasCRC {
				t.Fatal(err)
			}
		})
	}
	block := Checkpoint{Kind: CheckpointFile, Flag: CheckpointBlock, Path: "a/b", Data: body}
	record := paxos.Record{Instance: 1 << 40, Promised: ballot, Accepted: ballot, Value: message.Value, Checksum: 1 << 30}
	data := AppendRecord(nil, &record)
	entries := []BatchEntry{{1, body}, {2, body}}
	packedBatch := AppendBatch(nil, entries)
	system := SystemVariables{Members: paxos.Membership{nodeA, nodeB, nodeC}, Version: NoVersion}
	master, operator := MasterVariables{Master: nodeA}, MasterOperator{Node: nodeA}
	room := make([]BatchEntry, 0, 2)
	wantAllocs(t, "checkpoint encoded", 0, func() { AppendCheckpoint(dst, Header{Group: 0, Cluster: 0, CRC: true}, &block) })
	wantAllocs(t, "record encoded", 0, func() { AppendRecord(dst, &record) })
	wantAllocs(t, "record decoded", 0, func() {
		if err := DecodeRecord(data, &record); err != nil {
			t.Fatal(err)
		}
	})
	wantAllocs(t, "value encoded", 0, func() { AppendValue(dst, 1, body) })
	wantGrowth(t, "value into nil", func() { AppendValue(nil, 1, body) })
	wantAllocs(t, "batch encoded", 0, func() { AppendBatch(dst, entries) })
	wantGrowth(t, "batch into nil", func() { AppendBatch(nil, entries) })
	wantAllocs(t, "batch decoded", 0, func() {
		_, body, _ := SplitValue(packedBatch)
		if _, err := DecodeBatch(body, room); err != nil {
			t.Fatal(err)
		}
	})
	wantAllocs(t, "variables encoded", 0, func() {
		AppendSystemVariables(dst, &system)
		AppendMasterVariables(dst, &master)
		AppendMasterOperator(dst, &operator)
	})
}

// allocated is how many bytes f allocates, give or take what the runtime does
// next to it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A few bytes that claim to be a gigabyte cost nothing, and the densest input
// costs a small multiple of its length.
func TestDecodingAllocatesByRealLength(t *testing.T) {
	const claim = "80808080 04" // 1 GiB
	huge := map[string]func() error{
		"message": func() error {
			p := Packet{Command: CommandPaxos, Body: unhex(t, "0803 32"+claim+"00")}
			return p.Message(new(paxos.Message))
		},
		"checkpoint": func() error {
			p := Packet{Command: CommandCheckpoint, Body: unhex(t, "0801 1001 2001 2801 42"+claim+"00")}
			return p.Checkpoint(new(Checkpoint))
		},
		"record": func() error { return DecodeRecord(unhex(t, "0801 32"+claim+"00"), new(paxos.Record)) },
		"batch":  func() error { _, err := DecodeBatch(unhex(t, "0a"+claim+"00"), nil); return err },
		"entry":  func() error { _, err := DecodeBatch(unhex(t, "0a09 0801 12"+claim+"00"), nil); return err },
		"system": func() error { return DecodeSystemVariables(unhex(t, "12"+claim+"00"), new(SystemVariables)) },
	}
	for name, decode := range huge {
		n := allocated(func() {
			if err := decode(); err == nil {
				t.Errorf("%s: was decoded", name)
			}
		})
		if n > 1<<18 {
			t.Errorf("%s: %d bytes were allocated for a length that is not there", name, n)
		}
	}

	entries := make([]BatchEntry, 100_000)
	packedBatch := AppendBatch(nil, entries)
	n := allocated(func() {
		_, body, _ := SplitValue(packedBatch)
		if got, err := DecodeBatch(body, nil); err != nil || len(got) != len(entries) {
			t.Errorf("%d entries, error %v", len(got), err)
		}
	})
	if limit := 64 * uint64(len(packedBatch)); n > limit {
		t.Errorf("a batch of %d bytes took %d bytes to decode, want at most %d", len(packedBatch), n, limit)
	}
}

func BenchmarkPacket(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"256B", 256}, {"64KiB", 64 << 10}, {"8MiB", 8 << 20}} {
		m := paxos.Message{Kind: paxos.Accept, From: nodeA, Instance: 1 << 20, Ballot: paxos.Ballot{Number: 9, Node: nodeA}, Value: make([]byte, size.n), LastChecksum: 1}
		for _, crc := range []bool{false, true} {
			suffix := "/original"
			if crc {
				suffix = "/crc"
			}
			dst := AppendMessage(nil, Header{Group: 0, Cluster: 1 << 60, CRC: crc}, &m)
			b.Run("encode/"+size.name+suffix, func(b *testing.B) {
				b.SetBytes(int64(size.n))
				b.ReportAllocs()
				for b.Loop() {
					dst = AppendMessage(dst[:0], Header{Group: 0, Cluster: 1 << 60, CRC: crc}, &m)
				}
			})
			b.Run("decode/"+size.name+suffix, func(b *testing.B) {
				var got paxos.Message
				b.SetBytes(int64(size.n))
				b.ReportAllocs()
				for b.Loop() {
					p, err := Open(dst)
					if err == nil {
						err = p.Message(&got)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	ballot := paxos.Ballot{Number: 9, Node: nodeA}
	r := paxos.Record{Instance: 1 << 20, Promised: ballot, Accepted: ballot, Value: make([]byte, 256), Checksum: 1 << 30}
	data := AppendRecord(nil, &r)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data = AppendRecord(data[:0], &r)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := DecodeRecord(data, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	entries := make([]BatchEntry, 100)
	for i := range entries {
		entries[i] = BatchEntry{SM: sm.ID(i), Value: make([]byte, 256)}
	}
	data := AppendBatch(nil, entries)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data = AppendBatch(data[:0], entries)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeBatch(data[4:], entries[:0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
