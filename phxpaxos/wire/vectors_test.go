package wire

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Nodes of the specification's vectors: 127.0.0.1, ports 11111 to 11113.
const (
	nodeA nodeid.ID = 72058139498785639
	nodeB           = nodeA + 1
	nodeC           = nodeA + 2
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("%s:\n got %x\nwant %s", what, got, want)
	}
}

func packed(id sm.ID, body string) []byte { return AppendValue(nil, id, []byte(body)) }

// spec/protocol.md section 20.
var packetVectors = []struct {
	name    string
	cluster uint64
	message any
	want    string
}{
	{"Prepare", 0,
		paxos.Message{Kind: paxos.Prepare, From: nodeA, Ballot: paxos.Ballot{Number: 1, Node: nodeA}},
		"00000000080008001000180120010801100018e7d68080f08f8080012001261edcc8"},
	{"PrepareReply promise", 0,
		paxos.Message{Kind: paxos.PrepareReply, From: nodeB, Ballot: paxos.Ballot{Number: 1}},
		"00000000080008001000180120010802100018e8d68080f08f808001200138004000261edcc8"},
	{"Accept", 0,
		paxos.Message{Kind: paxos.Accept, From: nodeA, Ballot: paxos.Ballot{Number: 1, Node: nodeA}, Value: packed(1, "value0")},
		"00000000080008001000180120010803100018e7d68080f08f8080012001320a0100000076616c75653060003c05ba35"},
	{"AcceptReply ok", 0,
		paxos.Message{Kind: paxos.AcceptReply, From: nodeB, Ballot: paxos.Ballot{Number: 1}},
		"00000000080008001000180120010804100018e8d68080f08f8080012001261edcc8"},
	{"AcceptReply rejected", 0,
		paxos.Message{Kind: paxos.AcceptReply, Instance: 4, From: nodeB, Ballot: paxos.Ballot{Number: 1}, RejectedBy: 1},
		"00000000080008001000180120010804100418e8d68080f08f80800120014801261edcc8"},
	{"Success", 0,
		paxos.Message{Kind: paxos.Success, Instance: 1, From: nodeA, Ballot: paxos.Ballot{Number: 1, Node: nodeA}, LastChecksum: 1696249449},
		"00000000080008001000180120010807100118e7d68080f08f808001200160e9eceaa8065b13a4e9"},
	{"AskForLearn", 0,
		paxos.Message{Kind: paxos.AskForLearn, Instance: 66, From: nodeB},
		"00000000080008001000180120010805104218e8d68080f08f80800134d62504"},
	{"Offer", 0,
		paxos.Message{Kind: paxos.Offer, Instance: 6, From: nodeA, Now: 66, HasVariables: true},
		"00000000080008001000180120010809100618e7d68080f08f8080015042580072007a0098cff82f"},
	{"Confirm", 0,
		paxos.Message{Kind: paxos.Confirm, Instance: 6, From: nodeC},
		"0000000008000800100018012001080a100618e9d68080f08f80800134d62504"},
	{"LearnValue", 0,
		paxos.Message{Kind: paxos.LearnValue, Instance: 6, From: nodeA, Ballot: paxos.Ballot{Number: 2, Node: nodeA}, Value: packed(1, "x0"), NeedAck: true},
		"00000000080008001000180120010806100618e7d68080f08f808001200228e7d68080f08f80800132060100000078306000680139007a34"},
	{"LearnAck", 0,
		paxos.Message{Kind: paxos.LearnAck, Instance: 6, From: nodeC},
		"0000000008000800100018012001080b100618e9d68080f08f80800134d62504"},
	{"AcceptReply of a cluster", 72058141570005245,
		paxos.Message{Kind: paxos.AcceptReply, Instance: 1, From: nodeC, Ballot: paxos.Ballot{Number: 1}},
		"00000000100008fdf1d1dbf78f8080011000180120010804100118e9d68080f08f80800120014cbb984d"},
	{"Checkpoint begin", 0,
		Checkpoint{Kind: CheckpointFile, From: nodeB, Flag: CheckpointBegin, UUID: 72058139604954826, Instance: 699},
		"00000000080008001000180220010801 10e8d68080f08f808001180120caddd0b2f08f808001280030bb053ca8de58"},
	{"Checkpoint ack", 0,
		Checkpoint{Kind: CheckpointAck, From: nodeC, Flag: CheckpointOK, UUID: 72058139604954826},
		"0000000008000800100018022001080210e9d68080f08f808001180120caddd0b2f08f80800128001e5d8eb9"},
	{"AskForLearn from a connection", 0,
		paxos.Message{Kind: paxos.AskForLearn, From: nodeA + 10000},
		"00000000080008001000180120010805100018f7a48180f08f808001a2e62273"},
}

func TestPacketVectors(t *testing.T) {
	for _, v := range packetVectors {
		t.Run(v.name, func(t *testing.T) {
			p, err := Open(unhex(t, v.want))
			if err != nil {
				t.Fatal(err)
			}
			switch want := v.message.(type) {
			case paxos.Message:
				wantHex(t, "encoded", AppendMessage(nil, Header{Group: 0, Cluster: v.cluster, CRC: false}, &want), v.want)
				var m paxos.Message
				if err := p.Message(&m); err != nil {
					t.Fatal(err)
				}
				same(t, "decoded", m, want)
			case Checkpoint:
				wantHex(t, "encoded", AppendCheckpoint(nil, Header{Group: 0, Cluster: v.cluster, CRC: false}, &want), v.want)
				var c Checkpoint
				if err := p.Checkpoint(&c); err != nil {
					t.Fatal(err)
				}
				same(t, "decoded", c, want)
			}
		})
	}
}

// spec/protocol.md sections 16.2 and 20, spec/storage-api.md section 1.
func TestStructureVectors(t *testing.T) {
	record := func(instance, ballot uint64, value []byte, sum uint32) []byte {
		b := paxos.Ballot{Number: ballot, Node: nodeA}
		return AppendRecord(nil, &paxos.Record{Instance: instance, Promised: b, Accepted: b, Value: value, Checksum: sum})
	}
	wantHex(t, "record of value0", record(0, 1, packed(1, "value0"), 1696249449),
		"0800100118e7d68080f08f808001200128e7d68080f08f808001320a0100000076616c75653038e9eceaa806")
	wantHex(t, "record 0 of mine", record(0, 1, packed(1, "mine"), 2768625435),
		"0800100118e7d68080f08f808001200128e7d68080f08f8080013208010000006d696e65389bbe97a80a")
	wantHex(t, "record 1 of mine", record(1, 1, packed(1, "mine"), 801444648),
		"0801100118e7d68080f08f808001200128e7d68080f08f8080013208010000006d696e6538a8a694fe02")
	wantHex(t, "record of hello paxos", record(5, 7, packed(1, "hello paxos"), 2244960119),
		"08 05 10 07 18 e7d68080f08f808001 20 07 28 e7d68080f08f808001 32 0f 01000000 68656c6c6f207061786f73 38 f7bebdae08")
	wantHex(t, "empty record", AppendRecord(nil, &paxos.Record{}), "0800 1000 1800 2000 2800 3200 3800")

	wantHex(t, "system variables", AppendSystemVariables(nil, &SystemVariables{Members: []nodeid.ID{nodeA}, Version: NoVersion}),
		"08 00 12 0c 08 00 10 e7d68080f08f808001 18 ffffffffffffffffff01")
	wantHex(t, "master variables", AppendMasterVariables(nil, &MasterVariables{Master: nodeA, Version: 9, LeaseMillis: 10000}),
		"08 e7d68080f08f808001 10 09 18 90 4e")
	op := MasterOperator{Node: nodeA, Version: NoVersion, TimeoutMillis: 10000, Operator: OperatorComplete, SID: 42}
	operator := "08 e7d68080f08f808001 10 ffffffffffffffffff01 18 904e 20 01 28 2a"
	wantHex(t, "master operator", AppendMasterOperator(nil, &op), operator)
	op.LastVersion, op.HasLastVersion = NoVersion, true
	wantHex(t, "master operator with its last version", AppendMasterOperator(nil, &op), operator+"30 ffffffffffffffffff01")

	wantHex(t, "batch", AppendBatch(nil, []BatchEntry{{1, []byte("a")}, {0, []byte("b")}}),
		"02e1f505 0a 05 08 01 12 01 61 0a 05 08 00 12 01 62")
	wantHex(t, "batch of section 16.2", AppendBatch(nil, []BatchEntry{{1, []byte("aa")}, {1, []byte("bbb")}}),
		"02e1f505 0a06 0801 1202 6161 0a07 0801 1203 626262")
	wantHex(t, "value", AppendValue(nil, 100000002, []byte("body")), "02 e1 f5 05 62 6f 64 79")
	wantHex(t, "value without a state machine", AppendValue(nil, sm.None, nil), "00000000")
}
