package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// wantBody checks that a decoder's error is the documented one.
func wantBody(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrBody) {
		t.Fatalf("error %v, want one that matches ErrBody", err)
	}
}

// wantOpen checks that an error of Open matches exactly one sentinel.
func wantOpen(t *testing.T, err error) {
	t.Helper()
	n := 0
	for _, sentinel := range []error{ErrShort, ErrHeader, ErrChecksum, ErrCRC} {
		if errors.Is(err, sentinel) {
			n++
		}
	}
	if n != 1 || errors.Is(err, ErrBody) {
		t.Fatalf("error %v matches %d of Open's sentinels, want one", err, n)
	}
}

// meaning is all that a packet says.
type meaning struct {
	group    int
	cluster  uint64
	identity nodeid.Cluster
	command  Command
	message  paxos.Message
	block    Checkpoint
}

// read opens a packet and decodes its body.
func read(packet []byte) (v meaning, hasCRC bool, err error) {
	p, err := Open(packet)
	if err != nil {
		return v, false, err
	}
	v = meaning{group: p.Group, cluster: p.Cluster, identity: p.Identity, command: p.Command}
	switch p.Command {
	case CommandPaxos:
		err = p.Message(&v.message)
	case CommandCheckpoint:
		err = p.Checkpoint(&v.block)
	}
	return v, p.HasCRC, err
}

func (v *meaning) packet(crc bool) []byte {
	h := Header{Group: v.group, Cluster: v.cluster, CRC: crc, Identity: v.identity}
	if v.command == CommandPaxos {
		return AppendMessage(nil, h, &v.message)
	}
	return AppendCheckpoint(nil, h, &v.block)
}

// samples are packets of all kinds with cluster ids of all lengths, since the
// place of the CRC depends on that.
func samples() (all []meaning) {
	d := newDice(7)
	for length := range 10 {
		for range 20 {
			v := meaning{group: d.group(), cluster: (1<<63 | d.Uint64()) >> (57 - min(7*length, 57)), command: d.command()}
			if length == 0 && d.bool() {
				v.cluster = 0
			}
			if v.command == CommandPaxos {
				v.message = d.message()
			} else {
				v.block = d.checkpoint()
			}
			v, _, err := read(v.packet(false)) // only what the kind uses
			if err != nil {
				panic(err)
			}
			if d.bool() {
				v.identity = nodeid.Cluster{byte(length), 15: 0xa5}
			}
			all = append(all, v)
		}
	}
	return all
}

func goldenMeanings(t *testing.T) (all []meaning) {
	for _, g := range readGolden(t) {
		v, _, err := read(g.packet)
		if err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		all = append(all, v)
	}
	return all
}

// tagAt is where the two bytes of the CRC's tag lie in a packet with a CRC.
func tagAt(packet []byte) int {
	return prefixSize + int(binary.LittleEndian.Uint16(packet[4:])) - crcSize
}

// flips checks the promise of the package comment on all single flips.
func flips(t *testing.T, v meaning) {
	t.Helper()
	packet := v.packet(true)
	got, hasCRC, err := read(packet)
	if err != nil || !hasCRC {
		t.Fatalf("HasCRC %v, error %v", hasCRC, err)
	}
	same(t, "with CRC", got, v)
	tag := tagAt(packet)
	for bit := range 8 * len(packet) {
		packet[bit/8] ^= 1 << (bit % 8)
		got, hasCRC, err := read(packet)
		inTag := bit/8 == tag || bit/8 == tag+1
		switch {
		case err != nil:
		case !inTag || hasCRC:
			t.Fatalf("bit %d of byte %d is wrong and nothing notices: %x", bit%8, bit/8, packet)
		case !reflect.DeepEqual(got, v):
			t.Fatalf("bit %d of byte %d is wrong and changes the message:\n got %+v\nwant %+v", bit%8, bit/8, got, v)
		}
		packet[bit/8] ^= 1 << (bit % 8)
	}
}

func TestSingleFlips(t *testing.T) {
	for _, v := range samples() {
		flips(t, v)
	}
}

func TestGoldenSingleFlips(t *testing.T) {
	for _, v := range goldenMeanings(t) {
		flips(t, v)
	}
}

// Any damage that spares the header length and the CRC's tag is the CRC's to
// find: all double flips of some packets, and overwritten stretches of all.
func TestDamageBesideTheWayToTheCRC(t *testing.T) {
	d := newDice(12)
	for i, v := range samples() {
		packet := v.packet(true)
		tag := tagAt(packet)
		spared := func(at int) bool { return at == 4 || at == 5 || at == tag || at == tag+1 }
		refused := func(damaged []byte) {
			if _, err := Open(damaged); err == nil {
				t.Fatalf("opened in spite of damage:\n got %x\nwant %x", damaged, packet)
			}
		}
		for range 50 {
			damaged, from := bytes.Clone(packet), d.IntN(len(packet))
			for at := from; at < min(from+1+d.IntN(40), len(packet)); at++ {
				if !spared(at) {
					damaged[at] = byte(d.Uint32())
				}
			}
			if !bytes.Equal(damaged, packet) {
				refused(damaged)
			}
		}
		if i%20 != 0 || len(packet) > 80 {
			continue
		}
		damaged := bytes.Clone(packet)
		for a := range 8 * len(packet) {
			for b := range a {
				if spared(a/8) || spared(b/8) {
					continue
				}
				damaged[a/8] ^= 1 << (a % 8)
				damaged[b/8] ^= 1 << (b % 8)
				refused(damaged)
				damaged[a/8] ^= 1 << (a % 8)
				damaged[b/8] ^= 1 << (b % 8)
			}
		}
	}
}

// Without the CRC most flips pass: this is what it is for.
func TestTrailerAloneMissesFlips(t *testing.T) {
	v := samples()[0]
	packet := v.packet(false)
	missed := 0
	for bit := range 8 * len(packet) {
		packet[bit/8] ^= 1 << (bit % 8)
		if got, _, err := read(packet); err == nil && !reflect.DeepEqual(got, v) {
			missed++
		}
		packet[bit/8] ^= 1 << (bit % 8)
	}
	if missed == 0 {
		t.Error("the sampled trailer found every flip; the tests of the CRC show nothing")
	}
}

func TestTruncatedPackets(t *testing.T) {
	all := samples()
	for _, g := range packetVectors {
		v, _, err := read(unhex(t, g.want))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	for _, v := range all {
		for _, crc := range []bool{false, true} {
			packet := v.packet(crc)
			for n := range packet {
				if _, err := Open(packet[:n:n]); err == nil {
					t.Fatalf("%d of %d bytes were opened: %x", n, len(packet), packet)
				} else {
					wantOpen(t, err)
				}
			}
		}
	}
}

func TestGoldenTruncatedPackets(t *testing.T) {
	for _, v := range goldenMeanings(t) {
		packet := v.packet(true)
		for n := range packet {
			if _, err := Open(packet[:n:n]); err == nil {
				t.Fatalf("%d of %d bytes were opened: %x", n, len(packet), packet)
			}
		}
	}
}

func TestTruncatedAndPaddedRecords(t *testing.T) {
	d := newDice(8)
	for range 200 {
		r := d.record()
		data := AppendRecord(nil, &r)
		for n := range data {
			wantBody(t, DecodeRecord(data[:n:n], &r))
		}
		for pad := 1; pad < 10; pad++ {
			wantBody(t, DecodeRecord(append(bytes.Clone(data), make([]byte, pad)...), &r))
		}
	}
}

func TestOpenErrors(t *testing.T) {
	m := paxos.Message{Kind: paxos.LearnAck, Instance: 6, From: nodeC}
	good := AppendMessage(nil, Header{Group: 0, Cluster: 0, CRC: false}, &m)
	goodCRC := AppendMessage(nil, Header{Group: 0, Cluster: 0, CRC: true}, &m)
	with := func(p []byte, at int, b ...byte) []byte {
		p = bytes.Clone(p)
		copy(p[at:], b)
		return p
	}
	// packet puts a header around a body, with the right trailer.
	packet := func(header, body string) []byte {
		h := unhex(t, header)
		p := append([]byte{0, 0, 0, 0, byte(len(h)), byte(len(h) >> 8)}, append(h, unhex(t, body)...)...)
		return binary.LittleEndian.AppendUint32(p, checksum.Sampled(0, p, checksum.PacketStride))
	}
	for _, c := range []struct {
		name   string
		packet []byte
		want   error
	}{
		{"nothing", nil, ErrShort},
		{"six bytes", make([]byte, 6), ErrShort},
		{"header behind the end", with(good, 4, 0xff, 0xff), ErrHeader},
		{"no room for the trailer", good[:17], ErrShort},
		{"empty header", make([]byte, 7), ErrHeader},
		{"no cluster id", packet("1000 1801 2001", "0801"), ErrHeader},
		{"no rid", packet("0800 1801 2001", "0801"), ErrHeader},
		{"no command", packet("0800 1000 2001", "0801"), ErrHeader},
		{"rubbish in the header", packet("0800 1000 1801 20", "0801"), ErrHeader},
		{"field number 0 in the header", packet("0800 1000 1801 2001 0000", "0801"), ErrHeader},
		{"trailer", with(good, len(good)-1, 0), ErrChecksum},
		{"sampled byte", with(good, 14, 7), ErrChecksum},
		{"CRC", with(goodCRC, 17, 1), ErrCRC},
		{"byte that only the CRC covers", with(goodCRC, 23, 7), ErrCRC},
		{"CRC not last", packet("0800 1000 1801 2001 a50600000000 2801", "0801"), ErrHeader},
		{"CRC in front of the version", packet("0800 1000 1801 a50600000000 2001", "0801"), ErrHeader},
		{"header cut in front of the version", with(goodCRC, 4, 6), ErrHeader},
	} {
		if _, err := Open(c.packet); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	if _, ok := PeekGroup(good[:6]); ok {
		t.Error("PeekGroup: 6 bytes are no packet")
	}
	if g, ok := PeekGroup(with(good, 0, 0xff, 0xff, 0xff, 0xff)); g != -1 || !ok {
		t.Errorf("PeekGroup: %d %v, want -1 true", g, ok)
	}
}

func TestPacketWithoutVersionHasNoTrailer(t *testing.T) {
	m := paxos.Message{Kind: paxos.LearnAck, Instance: 6, From: nodeC}
	body := appendMessage(nil, &m)
	for _, header := range []string{"080010001801", "0800100018012000", "080010001801 20ffffffffffffffffff01"} {
		h := unhex(t, header)
		p := append(append([]byte{0, 0, 0, 0, byte(len(h)), 0}, h...), body...)
		got, hasCRC, err := read(p)
		if err != nil || hasCRC {
			t.Fatalf("header %s: HasCRC %v, error %v", header, hasCRC, err)
		}
		same(t, "message", got.message, m)
	}
}

func TestForeignFields(t *testing.T) {
	m := paxos.Message{Kind: paxos.LearnAck, Instance: 6, From: nodeC}
	p := Packet{Command: CommandPaxos}
	for name, extra := range map[string]string{
		"unknown varint":          "8001 05",
		"unknown fixed64":         "8101 0102030405060708",
		"unknown bytes":           "8201 02 0000",
		"unknown group":           "8301 0805 8401",
		"unknown fixed32":         "8501 01020304",
		"instance as a fixed64":   "11 0102030405060708",
		"value as a varint":       "30 01",
		"field of another kind":   "3203 010203 4805 5001 6001",
		"instance, said twice":    "1007 1006",
		"type, in too many bytes": "888000 8b8000",
	} {
		p.Body = append(appendMessage(nil, &m), unhex(t, extra)...)
		var got paxos.Message
		if err := p.Message(&got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same(t, name, got, m)
	}
	for name, body := range map[string]string{
		"empty":               "",
		"no type":             "1006",
		"type as a fixed32":   "0d 01000000",
		"open group":          "0801 13",
		"end of no group":     "0801 14",
		"field 0":             "0801 0000",
		"wire type 6":         "0801 16",
		"number too long":     "0801 10 ffffffffffffffffffff01",
		"value beyond end":    "0803 32 05 01",
		"value far beyond":    "0803 32 ffffffffffffffff7f",
		"tag without a value": "0801 10",
		"field number 2^29":   "0801 8080808010 00",
	} {
		p.Body = unhex(t, body)
		got := m
		if err := p.Message(&got); !errors.Is(err, ErrBody) {
			t.Errorf("%s: error %v, want ErrBody", name, err)
		}
		same(t, name, got, m)
	}
}

func TestUnknownKindsDecode(t *testing.T) {
	for _, kind := range []paxos.Kind{0, 8, 13, 99, -1} {
		m := paxos.Message{Kind: kind, Instance: 3, From: nodeA}
		got, _, err := read(AppendMessage(nil, Header{Group: 1, Cluster: 0, CRC: true}, &m))
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint(kind), got.message, m)
	}
}

func TestWrongCommand(t *testing.T) {
	for _, command := range []Command{0, 3, -1} {
		p := Packet{Command: command, Body: []byte{8, 1}}
		wantBody(t, p.Message(new(paxos.Message)))
		wantBody(t, p.Checkpoint(new(Checkpoint)))
	}
	p := Packet{Command: CommandCheckpoint}
	wantBody(t, p.Message(new(paxos.Message)))
	p.Command = CommandPaxos
	wantBody(t, p.Checkpoint(new(Checkpoint)))
}

// Nobody may reach beyond a decoded slice into the rest of the packet.
func TestDecodedSlicesHaveNoSpareCapacity(t *testing.T) {
	m := paxos.Message{Kind: paxos.LearnValue, Value: packed(1, "value"), From: nodeA}
	packet := AppendMessage(nil, Header{Group: 0, Cluster: 0, CRC: false}, &m)
	before := bytes.Clone(packet)
	p, err := Open(packet)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Message(&m); err != nil {
		t.Fatal(err)
	}
	_, body, _ := SplitValue(m.Value)
	_ = append(p.Body, 0xff)
	_ = append(m.Value, 0xff)
	_ = append(body, 0xff)
	if !bytes.Equal(packet, before) {
		t.Error("appending to a decoded slice changed the packet")
	}
	if &m.Value[0] != &packet[bytes.Index(packet, m.Value)] {
		t.Error("the value is a copy, want a part of the packet")
	}
	var v SystemVariables
	data := AppendSystemVariables(nil, &SystemVariables{Members: []nodeid.ID{nodeA, nodeB}})
	kept := []nodeid.ID{nodeC}
	v.Members = kept
	if err := DecodeSystemVariables(data, &v); err != nil || kept[0] != nodeC {
		t.Errorf("error %v, or the old members were overwritten: %v", err, kept)
	}
}
