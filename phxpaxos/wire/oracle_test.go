package wire

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire/wirepb"
)

// The oracle: the same bytes and the same meaning by way of generated protobuf
// code, straight from the tables of spec/protocol.md section 3.1.

func u64[T ~uint64](v T) *uint64 { x := uint64(v); return &x }
func i32[T ~int32](v T) *int32   { x := int32(v); return &x }
func u32(v uint32) *uint32       { return &v }

// stated makes a byte string present even if it is empty.
func stated(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatalf("protobuf does not encode %T: %v", m, err)
	}
	return b
}

func messageToProto(m *paxos.Message) *wirepb.PaxosMsg {
	p := &wirepb.PaxosMsg{MsgType: i32(m.Kind), InstanceID: &m.Instance, NodeID: u64(m.From)}
	switch m.Kind {
	case paxos.Prepare, paxos.PrepareReply, paxos.Accept, paxos.AcceptReply, paxos.LearnValue, paxos.Success:
		p.ProposalID = &m.Ballot.Number
	}
	switch m.Kind {
	case paxos.Accept, paxos.LearnValue:
		p.Value = stated(m.Value)
	}
	switch m.Kind {
	case paxos.Accept, paxos.LearnValue, paxos.Success:
		p.LastChecksum = &m.LastChecksum
	}
	switch {
	case m.Kind == paxos.PrepareReply && m.RejectedBy == 0:
		p.PreAcceptID, p.PreAcceptNodeID = &m.PreAccepted.Number, u64(m.PreAccepted.Node)
		if m.PreAccepted.Number > 0 {
			p.Value = stated(m.Value)
		}
	case m.Kind == paxos.PrepareReply, m.Kind == paxos.AcceptReply && m.RejectedBy != 0:
		p.RejectByPromiseID = &m.RejectedBy
	case m.Kind == paxos.AskForLearn && m.Followed != 0:
		p.ProposalNodeID = u64(m.Followed)
	case m.Kind == paxos.LearnValue:
		p.ProposalNodeID = u64(m.Ballot.Node)
		if m.NeedAck {
			p.Flag = u32(1)
		}
	case m.Kind == paxos.Offer:
		p.NowInstanceID, p.MinChosenInstanceID = &m.Now, &m.MinChosen
		if m.HasVariables {
			p.SystemVariables, p.MasterVariables = stated(m.SystemVariables), stated(m.MasterVariables)
		}
	}
	return p
}

// orNil is what decoding makes of an empty byte string.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func messageFromProto(p *wirepb.PaxosMsg) paxos.Message {
	from := nodeid.ID(p.GetNodeID())
	m := paxos.Message{Kind: paxos.Kind(p.GetMsgType()), Instance: p.GetInstanceID(), From: from}
	switch m.Kind {
	case paxos.Prepare, paxos.Accept, paxos.Success:
		m.Ballot = paxos.Ballot{Number: p.GetProposalID(), Node: from}
	case paxos.PrepareReply, paxos.AcceptReply:
		m.Ballot.Number, m.RejectedBy = p.GetProposalID(), p.GetRejectByPromiseID()
	case paxos.LearnValue:
		m.Ballot = paxos.Ballot{Number: p.GetProposalID(), Node: nodeid.ID(p.GetProposalNodeID())}
		m.NeedAck = p.GetFlag() == 1
	case paxos.AskForLearn:
		m.Followed = nodeid.ID(p.GetProposalNodeID())
	case paxos.Offer:
		m.Now, m.MinChosen = p.GetNowInstanceID(), p.GetMinChosenInstanceID()
		m.HasVariables = p.SystemVariables != nil || p.MasterVariables != nil
		m.SystemVariables, m.MasterVariables = orNil(p.SystemVariables), orNil(p.MasterVariables)
	}
	if m.Kind == paxos.PrepareReply && m.RejectedBy == 0 {
		m.PreAccepted = paxos.Ballot{Number: p.GetPreAcceptID(), Node: nodeid.ID(p.GetPreAcceptNodeID())}
	}
	switch {
	case m.Kind == paxos.Accept, m.Kind == paxos.LearnValue, m.PreAccepted.Number != 0:
		m.Value = orNil(p.Value)
	}
	switch m.Kind {
	case paxos.Accept, paxos.LearnValue, paxos.Success:
		m.LastChecksum = p.GetLastChecksum()
	}
	return m
}

func checkpointToProto(c *Checkpoint) *wirepb.CheckpointMsg {
	p := &wirepb.CheckpointMsg{MsgType: &c.Kind, NodeID: u64(c.From), Flag: &c.Flag, UUID: &c.UUID, Sequence: &c.Sequence}
	if c.Kind == 1 {
		p.CheckpointInstanceID = &c.Instance
		if c.Flag == 2 {
			p.Checksum, p.FilePath, p.SMID, p.Offset, p.Buffer = &c.Checksum, &c.Path, i32(c.SM), &c.Offset, stated(c.Data)
		}
	}
	return p
}

func checkpointFromProto(p *wirepb.CheckpointMsg) Checkpoint {
	c := Checkpoint{Kind: p.GetMsgType(), From: nodeid.ID(p.GetNodeID()), Flag: p.GetFlag(), UUID: p.GetUUID(), Sequence: p.GetSequence()}
	if c.Kind == 1 {
		c.Instance = p.GetCheckpointInstanceID()
		if c.Flag == 2 {
			c.Checksum, c.Path, c.SM = p.GetChecksum(), p.GetFilePath(), sm.ID(p.GetSMID())
			c.Offset, c.Data = p.GetOffset(), orNil(p.GetBuffer())
		}
	}
	return c
}

func recordToProto(r *paxos.Record) *wirepb.AcceptorStateData {
	return &wirepb.AcceptorStateData{
		InstanceID: &r.Instance,
		PromiseID:  &r.Promised.Number, PromiseNodeID: u64(r.Promised.Node),
		AcceptedID: &r.Accepted.Number, AcceptedNodeID: u64(r.Accepted.Node),
		AcceptedValue: stated(r.Value), Checksum: &r.Checksum,
	}
}

func recordFromProto(p *wirepb.AcceptorStateData) paxos.Record {
	return paxos.Record{
		Instance: p.GetInstanceID(),
		Promised: paxos.Ballot{Number: p.GetPromiseID(), Node: nodeid.ID(p.GetPromiseNodeID())},
		Accepted: paxos.Ballot{Number: p.GetAcceptedID(), Node: nodeid.ID(p.GetAcceptedNodeID())},
		Value:    orNil(p.AcceptedValue), Checksum: p.GetChecksum(),
	}
}

func systemToProto(v *SystemVariables) *wirepb.SystemVariables {
	p := &wirepb.SystemVariables{Gid: &v.Cluster, Version: &v.Version}
	for _, id := range v.Members {
		p.MemberShip = append(p.MemberShip, &wirepb.PaxosNodeInfo{Rid: new(uint64), Nodeid: u64(id)})
	}
	return p
}

func systemFromProto(p *wirepb.SystemVariables) SystemVariables {
	v := SystemVariables{Cluster: p.GetGid(), Version: p.GetVersion()}
	for _, n := range p.MemberShip {
		v.Members = append(v.Members, nodeid.ID(n.GetNodeid()))
	}
	return v
}

func masterToProto(v *MasterVariables) *wirepb.MasterVariables {
	return &wirepb.MasterVariables{MasterNodeid: u64(v.Master), Version: &v.Version, LeaseTime: &v.LeaseMillis}
}

func masterFromProto(p *wirepb.MasterVariables) MasterVariables {
	return MasterVariables{Master: nodeid.ID(p.GetMasterNodeid()), Version: p.GetVersion(), LeaseMillis: p.GetLeaseTime()}
}

func operatorToProto(o *MasterOperator) *wirepb.MasterOperator {
	p := &wirepb.MasterOperator{Nodeid: u64(o.Node), Version: &o.Version, Timeout: &o.TimeoutMillis, Operator: &o.Operator, Sid: &o.SID}
	if o.HasLastVersion {
		p.Lastversion = &o.LastVersion
	}
	return p
}

func operatorFromProto(p *wirepb.MasterOperator) MasterOperator {
	return MasterOperator{
		Node: nodeid.ID(p.GetNodeid()), Version: p.GetVersion(), TimeoutMillis: p.GetTimeout(), Operator: p.GetOperator(),
		SID: p.GetSid(), LastVersion: p.GetLastversion(), HasLastVersion: p.Lastversion != nil,
	}
}

func batchToProto(entries []BatchEntry) *wirepb.BatchPaxosValues {
	p := &wirepb.BatchPaxosValues{}
	for _, e := range entries {
		p.Values = append(p.Values, &wirepb.PaxosValue{SMID: i32(e.SM), Value: stated(e.Value)})
	}
	return p
}

func batchFromProto(p *wirepb.BatchPaxosValues) (entries []BatchEntry) {
	for _, v := range p.Values {
		entries = append(entries, BatchEntry{SM: sm.ID(v.GetSMID()), Value: orNil(v.Value)})
	}
	return entries
}

// packetByProto builds a packet in the plainest way.
func packetByProto(t testing.TB, group int, cluster uint64, command int32, body proto.Message, crc bool) []byte {
	t.Helper()
	build := func(sum *uint32) []byte {
		h := marshal(t, &wirepb.Header{Gid: &cluster, Rid: new(uint64), Cmdid: &command, Version: proto.Int32(1), Crc32C: sum})
		b := binary.LittleEndian.AppendUint32(nil, uint32(group))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(h)))
		return append(append(b, h...), marshal(t, body)...)
	}
	b := build(nil)
	if crc {
		sum := crc32.Checksum(build(new(uint32)), crc32.MakeTable(crc32.Castagnoli))
		b = build(&sum)
	}
	return binary.LittleEndian.AppendUint32(b, checksum.Sampled(0, b, 7))
}

// dice throws fields: mostly the values at which encodings change.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0))} }

func (d dice) u64() uint64 {
	switch d.IntN(4) {
	case 0:
		return uint64(d.IntN(3))
	case 1:
		return ^uint64(0) - uint64(d.IntN(2))
	default:
		return d.Uint64() >> d.IntN(64)
	}
}

func (d dice) u32() uint32      { return uint32(d.u64()) }
func (d dice) i32() int32       { return int32(d.u64()) }
func (d dice) id() nodeid.ID    { return nodeid.ID(d.u64()) }
func (d dice) bool() bool       { return d.IntN(2) == 0 }
func (d dice) b() paxos.Ballot  { return paxos.Ballot{Number: d.u64(), Node: d.id()} }
func (d dice) group() int       { return int(d.i32()) }
func (d dice) command() Command { return Command(1 + d.IntN(2)) }

func (d dice) bytes() []byte {
	if d.IntN(4) == 0 {
		return nil
	}
	b := make([]byte, 1+d.IntN(300))
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return b
}

// kinds are all known ones and some that are not.
var kinds = []paxos.Kind{
	paxos.Prepare, paxos.PrepareReply, paxos.Accept, paxos.AcceptReply, paxos.AskForLearn, paxos.LearnValue,
	paxos.Success, paxos.Offer, paxos.Confirm, paxos.LearnAck, paxos.AskCheckpoint, 0, 8, 13, 1 << 30, -1,
}

// message returns a message whose fields all have a value, whether its kind
// uses them or not.
func (d dice) message() paxos.Message {
	m := paxos.Message{
		Kind: kinds[d.IntN(len(kinds))], From: d.id(), To: d.id(), Instance: d.u64(), Ballot: d.b(), PreAccepted: d.b(),
		Value: d.bytes(), Now: d.u64(), MinChosen: d.u64(), LastChecksum: d.u32(), NeedAck: d.bool(), HasVariables: d.bool(),
		SystemVariables: d.bytes(), MasterVariables: d.bytes(),
	}
	if d.bool() {
		m.RejectedBy, m.Followed = d.u64(), d.id()
	}
	return m
}

func (d dice) checkpoint() Checkpoint {
	return Checkpoint{
		Kind: int32(d.IntN(4)), From: d.id(), Flag: int32(d.IntN(5)) - 1, UUID: d.u64(), Sequence: d.u64(), Instance: d.u64(),
		Checksum: d.u32(), Path: string(d.bytes()), SM: sm.ID(d.i32()), Offset: d.u64(), Data: d.bytes(),
	}
}

func (d dice) record() paxos.Record {
	return paxos.Record{Instance: d.u64(), Promised: d.b(), Accepted: d.b(), Value: d.bytes(), Checksum: d.u32()}
}

func (d dice) system() SystemVariables {
	v := SystemVariables{Cluster: d.u64(), Version: d.u64()}
	for range d.IntN(5) {
		v.Members = append(v.Members, d.id())
	}
	return v
}

func (d dice) master() MasterVariables {
	return MasterVariables{Master: d.id(), Version: d.u64(), LeaseMillis: d.u32()}
}

func (d dice) operator() MasterOperator {
	o := MasterOperator{Node: d.id(), Version: d.u64(), TimeoutMillis: d.i32(), Operator: d.u32(), SID: d.u32(), HasLastVersion: d.bool()}
	if o.HasLastVersion {
		o.LastVersion = d.u64()
	}
	return o
}

func (d dice) batch() (entries []BatchEntry) {
	for range d.IntN(5) {
		entries = append(entries, BatchEntry{SM: sm.ID(d.i32()), Value: d.bytes()})
	}
	return entries
}

// same compares deeply and shows both sides.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
