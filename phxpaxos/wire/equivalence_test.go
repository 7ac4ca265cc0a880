package wire

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire/wirepb"
)

const rounds = 5000

// dirty is in front of every encoding, so that one that looks at dst as a
// whole, or overwrites it, is found.
var dirty = []byte("what was there before")

// appended runs an encoder on a destination that is in use, and returns what
// was appended.
func appended(t testing.TB, encode func(dst []byte) []byte) []byte {
	t.Helper()
	b := encode(bytes.Clone(dirty))
	if !bytes.HasPrefix(b, dirty) {
		t.Fatalf("encoding changed what was in dst: %q", b)
	}
	return b[len(dirty):]
}

func TestMessagesEncodeAsProtobufDoes(t *testing.T) {
	d := newDice(1)
	for range rounds {
		m, group, cluster, crc := d.message(), d.group(), d.u64(), d.bool()
		p := messageToProto(&m)
		got := appended(t, func(dst []byte) []byte {
			return AppendMessage(dst, Header{Group: group, Cluster: cluster, CRC: crc}, &m)
		})
		want := packetByProto(t, group, cluster, 1, p, crc)
		if !bytes.Equal(got, want) {
			t.Fatalf("%+v:\n got %x\nwant %x", m, got, want)
		}
		if limit := OverheadMax + len(m.Value) + len(m.SystemVariables) + len(m.MasterVariables); len(got) > limit {
			t.Fatalf("%+v: packet of %d bytes, promised are at most %d", m, len(got), limit)
		}
		packet, err := Open(got)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "packet", packet, Packet{Group: group, Cluster: cluster, Command: CommandPaxos, HasCRC: crc, Body: packet.Body})
		back := d.message() // must be overwritten completely
		if err := packet.Message(&back); err != nil {
			t.Fatal(err)
		}
		same(t, "decoded", back, messageFromProto(p))
		if again := AppendMessage(nil, Header{Group: group, Cluster: cluster, CRC: crc}, &back); !bytes.Equal(again, got) {
			t.Fatalf("decoded and encoded again:\n got %x\nwant %x", again, got)
		}
	}
}

// The largest packets that a message can have around its values.
func TestOverhead(t *testing.T) {
	const most64, instance = ^uint64(0), 1<<56 - 1 // higher ones are refused
	b := paxos.Ballot{Number: 1 << 62, Node: nodeid.ID(most64)}
	value := make([]byte, 1<<21) // its length takes four bytes, as does the largest legal one
	most := 0
	for _, kind := range kinds {
		m := paxos.Message{
			Kind: kind, From: nodeid.ID(most64), Instance: instance, Ballot: b, PreAccepted: b, Value: value, Now: instance, MinChosen: instance,
			Early: most64, Chain: most64, Sum: most64, History: value,
			LastChecksum: 1<<32 - 1, NeedAck: true, Followed: nodeid.ID(most64), HasVariables: true, SystemVariables: value, MasterVariables: value,
		}
		packet := AppendMessage(nil, Header{Group: -1, Cluster: most64, CRC: true, Identity: nodeid.Cluster{1}}, &m)
		most = max(most, len(packet)%len(value))
	}
	if most > OverheadMax || most < OverheadMax/2 {
		t.Errorf("overhead of up to %d bytes, OverheadMax is %d", most, OverheadMax)
	}
}

func TestCheckpointsEncodeAsProtobufDoes(t *testing.T) {
	d := newDice(2)
	for range rounds {
		c, group, cluster, crc := d.checkpoint(), d.group(), d.u64(), d.bool()
		p := checkpointToProto(&c)
		got := appended(t, func(dst []byte) []byte {
			return AppendCheckpoint(dst, Header{Group: group, Cluster: cluster, CRC: crc}, &c)
		})
		if want := packetByProto(t, group, cluster, 2, p, crc); !bytes.Equal(got, want) {
			t.Fatalf("%+v:\n got %x\nwant %x", c, got, want)
		}
		packet, err := Open(got)
		if err != nil {
			t.Fatal(err)
		}
		back := d.checkpoint()
		if err := packet.Checkpoint(&back); err != nil {
			t.Fatal(err)
		}
		same(t, "decoded", back, checkpointFromProto(p))
	}
}

// codec is one encoder and decoder next to its oracle.
type codec struct {
	name    string
	random  func(d dice) any
	append  func(dst []byte, v any) []byte
	decode  func(data []byte) (any, error)
	toProto func(v any) proto.Message
	empty   func() proto.Message
	from    func(p proto.Message) any
}

// newCodec makes a codec of typed functions.
func newCodec[T, P any, PP interface {
	*P
	proto.Message
}](random func(dice) T, enc func([]byte, *T) []byte, dec func([]byte, *T) error, to func(*T) PP, from func(PP) T) codec {
	return codec{
		name:    fmt.Sprintf("%T", *new(T)),
		random:  func(d dice) any { return random(d) },
		append:  func(dst []byte, v any) []byte { x := v.(T); return enc(dst, &x) },
		toProto: func(v any) proto.Message { x := v.(T); return to(&x) },
		empty:   func() proto.Message { return PP(new(P)) },
		from:    func(p proto.Message) any { return from(p.(PP)) },
		decode: func(data []byte) (any, error) {
			v := random(newDice(99)) // must be overwritten, or left alone
			if err := dec(data, &v); err != nil {
				if before := random(newDice(99)); fmt.Sprintf("%v", v) != fmt.Sprintf("%v", before) {
					return nil, fmt.Errorf("changed by an error: %w", err)
				}
				return nil, err
			}
			return v, nil
		},
	}
}

type batch []BatchEntry

func codecs() []codec {
	return []codec{
		newCodec(dice.record, AppendRecord, DecodeRecord, recordToProto, recordFromProto),
		newCodec(dice.system, AppendSystemVariables, DecodeSystemVariables, systemToProto, systemFromProto),
		newCodec(dice.master, AppendMasterVariables, DecodeMasterVariables, masterToProto, masterFromProto),
		newCodec(dice.operator, AppendMasterOperator, DecodeMasterOperator, operatorToProto, operatorFromProto),
		newCodec(
			func(d dice) batch { return d.batch() },
			func(dst []byte, b *batch) []byte {
				n := len(dst)
				dst = AppendBatch(dst, *b)
				return append(dst[:n], dst[n+4:]...) // without the prefix
			},
			func(data []byte, b *batch) error {
				had := *b
				entries, err := DecodeBatch(data, had)
				if len(entries) < len(had) || err != nil && len(entries) != len(had) {
					return fmt.Errorf("%d entries of %d are left: %w", len(entries), len(had), err)
				}
				if err == nil {
					*b = nil
					*b = append(*b, entries[len(had):]...)
				}
				return err
			},
			func(b *batch) *wirepb.BatchPaxosValues { return batchToProto(*b) },
			func(p *wirepb.BatchPaxosValues) batch { return batchFromProto(p) },
		),
	}
}

func TestStructuresEncodeAsProtobufDoes(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			d := newDice(3)
			for range rounds {
				v := c.random(d)
				got := appended(t, func(dst []byte) []byte { return c.append(dst, v) })
				if want := marshal(t, c.toProto(v)); !bytes.Equal(got, want) {
					t.Fatalf("%+v:\n got %x\nwant %x", v, got, want)
				}
				back, err := c.decode(got)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "decoded", back, v)
			}
		})
	}
}

// equivalent checks that data, whatever it is, means the same to us and to
// protobuf, and returns whether it means anything.
func (c *codec) equivalent(t *testing.T, data []byte) bool {
	t.Helper()
	p := c.empty()
	wantErr := proto.Unmarshal(data, p)
	got, err := c.decode(data)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s %x: error %v, protobuf says %v", c.name, data, err, wantErr)
	}
	if err != nil {
		wantBody(t, err)
		return false
	}
	same(t, c.name, got, c.from(p))
	back, err := c.decode(c.append(nil, got))
	if err != nil {
		t.Fatalf("%s: encoded again: %v", c.name, err)
	}
	same(t, c.name+" encoded again", back, got)
	return true
}

// bodyEquivalent does the same for the bodies of packets.
func bodyEquivalent(t *testing.T, data []byte) {
	t.Helper()
	packet := Packet{Command: CommandPaxos, Body: data}
	var m paxos.Message
	var pm wirepb.PaxosMsg
	err, wantErr := packet.Message(&m), proto.Unmarshal(data, &pm)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("PaxosMsg %x: error %v, protobuf says %v", data, err, wantErr)
	}
	if err == nil {
		same(t, "PaxosMsg", m, messageFromProto(&pm))
	}
	packet.Command = CommandCheckpoint
	var c Checkpoint
	var pc wirepb.CheckpointMsg
	err, wantErr = packet.Checkpoint(&c), proto.Unmarshal(data, &pc)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("CheckpointMsg %x: error %v, protobuf says %v", data, err, wantErr)
	}
	if err == nil {
		same(t, "CheckpointMsg", c, checkpointFromProto(&pc))
	}
}

// headerEquivalent does the same for headers.
func headerEquivalent(t *testing.T, data []byte) {
	t.Helper()
	var p wirepb.Header
	h, err := decodeHeader(data)
	wantErr := proto.Unmarshal(data, &p)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("Header %x: error %v, protobuf says %v", data, err, wantErr)
	}
	if err == nil {
		same(t, "Header", h, header{cluster: p.GetGid(), command: Command(p.GetCmdid()), version: p.GetVersion(), hasCRC: p.Crc32C != nil})
	}
}

// Damaged and spliced encodings: here decoders meet unknown fields, wrong wire
// types, repeated fields and rubbish, and have to agree with protobuf on it.
func TestDecodersAgreeWithProtobufOnDamage(t *testing.T) {
	d := newDice(4)
	accepted := 0
	for range rounds {
		m, c := d.message(), d.checkpoint()
		seeds := [][]byte{marshal(t, messageToProto(&m)), marshal(t, checkpointToProto(&c))}
		for _, c := range codecs() {
			seeds = append(seeds, c.append(nil, c.random(d)))
		}
		data := bytes.Clone(seeds[d.IntN(len(seeds))])
		for range d.IntN(3) {
			switch i := d.IntN(len(data) + 1); d.IntN(4) {
			case 0:
				data = data[:i]
			case 1:
				data = append(data, seeds[d.IntN(len(seeds))]...)
			case 2:
				data = append(data[:i:i], append([]byte{byte(d.Uint32())}, data[i:]...)...)
			case 3:
				if i < len(data) {
					data[i] ^= 1 << d.IntN(8)
				}
			}
		}
		bodyEquivalent(t, data)
		headerEquivalent(t, data)
		for _, c := range codecs() {
			if c.equivalent(t, data) {
				accepted++
			}
		}
	}
	if accepted < rounds/20 {
		t.Errorf("only %d of the inputs were accepted, the test shows little", accepted)
	}
}

// Values are no protobuf, the layout is checked by hand.
func TestValues(t *testing.T) {
	d := newDice(5)
	for range 1000 {
		id, body := sm.ID(d.i32()), d.bytes()
		v := appended(t, func(dst []byte) []byte { return AppendValue(dst, id, body) })
		want := append([]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)}, body...)
		if !bytes.Equal(v, want) {
			t.Fatalf("got %x, want %x", v, want)
		}
		gotID, gotBody, ok := SplitValue(v)
		if !ok || gotID != id || !bytes.Equal(gotBody, body) {
			t.Fatalf("%x split: %d %x %v", v, gotID, gotBody, ok)
		}
	}
	for n := range 4 {
		if _, _, ok := SplitValue(make([]byte, n)); ok {
			t.Errorf("a value of %d bytes has no state machine id, yet it was split", n)
		}
	}
	if id, body, ok := SplitValue([]byte{0xff, 0xff, 0xff, 0xff}); id != -1 || len(body) != 0 || !ok {
		t.Errorf("split into %d %x %v, want -1, empty, true", id, body, ok)
	}
}
