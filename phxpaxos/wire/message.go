package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// appendMessage appends m as a PaxosMsg with the fields of the table in
// spec/protocol.md section 3.1, in ascending order.
func appendMessage(dst []byte, m *paxos.Message) []byte {
	if m.Kind == paxos.Accept || m.Kind == paxos.EarlyValue {
		return appendBack(append(appendFront(dst, m), m.Value...), m)
	}
	dst = appendStart(dst, m)
	switch m.Kind {
	case paxos.Prepare:
		dst = appendUint(dst, varint4, m.Ballot.Number)
	case paxos.PrepareReply:
		dst = appendPrepareReply(dst, m)
	case paxos.AcceptReply:
		dst = appendUint(dst, varint4, m.Ballot.Number)
		if m.Rejected() {
			dst = appendUint(dst, varint9, m.RejectedBy)
		}
		dst = appendHash(dst, fixed111, m.Sum)
	case paxos.AskForLearn:
		if m.Followed != nodeid.None {
			dst = appendUint(dst, varint5, uint64(m.Followed))
		}
		dst = appendHash(dst, fixed110, m.Chain)
	case paxos.LearnValue:
		dst = appendUint(dst, varint4, m.Ballot.Number)
		dst = appendUint(dst, varint5, uint64(m.Ballot.Node))
		dst = appendBytes(dst, bytes6, m.Value)
		dst = appendUint(dst, varint12, uint64(m.LastChecksum))
		if m.NeedAck {
			dst = appendUint(dst, varint13, 1)
		}
		dst = appendHistory(dst, m)
	case paxos.Success:
		dst = appendUint(dst, varint4, m.Ballot.Number)
		dst = appendUint(dst, varint12, uint64(m.LastChecksum))
		dst = appendHistory(dst, m)
	case paxos.ReadAsk, paxos.HistoryAsk:
		dst = appendUint(dst, varint4, m.Ballot.Number)
	case paxos.ReadReply, paxos.HistoryReply:
		dst = appendUint(dst, varint4, m.Ballot.Number)
		dst = appendUint(dst, varint10, m.Now)
	case paxos.Digest:
		dst = appendBytes(dst, bytes6, m.Value)
		dst = appendFeatures(dst, m)
		if len(m.History) > 0 {
			dst = protowire.AppendBytes(protowire.AppendVarint(dst, bytes112), m.History)
		}
	case paxos.HistoryCompare, paxos.HistoryCompareReply:
		dst = appendUint(dst, varint4, m.Ballot.Number)
		dst = appendBytes(dst, bytes6, m.Value)
	case paxos.AcceptEarly:
		dst = appendUint(dst, varint4, m.Ballot.Number)
		dst = appendUint(dst, varint10, m.Early)
		dst = appendUint(dst, varint12, uint64(m.LastChecksum))
		dst = appendHistory(dst, m)
	case paxos.EarlyMissed:
		dst = appendUint(dst, varint10, m.Early)
	case paxos.Offer:
		dst = appendUint(dst, varint10, m.Now)
		dst = appendUint(dst, varint11, m.MinChosen)
		if m.HasVariables {
			dst = appendBytes(dst, bytes14, m.SystemVariables)
			dst = appendBytes(dst, bytes15, m.MasterVariables)
		}
		dst = appendFeatures(dst, m)
	}
	return dst
}

// appendStart appends what every message has.
func appendStart(dst []byte, m *paxos.Message) []byte {
	dst = appendInt(dst, varint1, int32(m.Kind))
	dst = appendUint(dst, varint2, m.Instance)
	return appendUint(dst, varint3, uint64(m.From))
}

// appendFront appends an Accept or an EarlyValue up to the bytes of its value,
// and appendBack what comes behind them.
func appendFront(dst []byte, m *paxos.Message) []byte {
	dst = appendStart(dst, m)
	if m.Kind == paxos.Accept {
		dst = appendUint(dst, varint4, m.Ballot.Number)
	}
	return appendUint(dst, bytes6, uint64(len(m.Value)))
}

func appendBack(dst []byte, m *paxos.Message) []byte {
	if m.Kind == paxos.EarlyValue {
		return appendUint(dst, varint10, m.Early)
	}
	return appendHistory(appendUint(dst, varint12, uint64(m.LastChecksum)), m)
}

// appendHistory appends what a message states of the full history.
func appendHistory(dst []byte, m *paxos.Message) []byte {
	return appendHash(appendHash(dst, fixed110, m.Chain), fixed111, m.Sum)
}

// appendFeatures appends our field 101, which original nodes and older versions
// skip, if there is something to say.
func appendFeatures(dst []byte, m *paxos.Message) []byte {
	if len(m.Features) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendVarint(dst, bytes101), m.Features)
}

// appendPrepareReply appends what a PrepareReply has beyond kind, instance and
// sender. A promise states the ballot accepted before even if there is none;
// a rejection does not.
func appendPrepareReply(dst []byte, m *paxos.Message) []byte {
	dst = appendUint(dst, varint4, m.Ballot.Number)
	if m.Rejected() {
		return appendUint(dst, varint9, m.RejectedBy)
	}
	if !m.PreAccepted.IsNull() {
		dst = appendBytes(dst, bytes6, m.Value)
	}
	dst = appendUint(dst, varint7, m.PreAccepted.Number)
	dst = appendUint(dst, varint8, uint64(m.PreAccepted.Node))
	return appendHash(dst, fixed111, m.Sum)
}

// paxosMsg is a PaxosMsg as it lies on the wire, its fields not yet understood
// by kind.
type paxosMsg struct {
	kind           paxos.Kind
	instance       uint64
	from           nodeid.ID
	proposal       uint64
	proposalNode   nodeid.ID
	value          []byte
	preAccepted    paxos.Ballot
	rejectedBy     uint64
	now, minChosen uint64
	lastChecksum   uint32
	flag           uint32
	hasVariables   bool
	system, master []byte
	features       []byte
	chain, sum     uint64
	history        []byte
}

// Message decodes the body of a packet with CommandPaxos into m, all of it;
// byte strings are parts of the packet. A kind that is not known is no error:
// m then has kind, instance and sender. On an error, which matches ErrBody,
// m is left alone.
func (p *Packet) Message(m *paxos.Message) error {
	if p.Command != CommandPaxos {
		return fmt.Errorf("%w: the body of command %d is no paxos message", ErrBody, p.Command)
	}
	var w paxosMsg
	if err := w.decode(p.Body); err != nil {
		return err
	}
	w.fill(m)
	return nil
}

func (w *paxosMsg) decode(b []byte) (err error) {
	var f field
	var seen fields
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return malformed("PaxosMsg", err)
		}
		switch f.tag {
		case uint64(varint1):
			w.kind = paxos.Kind(f.num)
			seen.add(f.tag)
		case uint64(varint2):
			w.instance = f.num
		case uint64(varint3):
			w.from = nodeid.ID(f.num)
		case uint64(varint4):
			w.proposal = f.num
		case uint64(varint5):
			w.proposalNode = nodeid.ID(f.num)
		case uint64(bytes6):
			w.value = f.bytes
		case uint64(varint7):
			w.preAccepted.Number = f.num
		case uint64(varint8):
			w.preAccepted.Node = nodeid.ID(f.num)
		case uint64(varint9):
			w.rejectedBy = f.num
		case uint64(varint10):
			w.now = f.num
		case uint64(varint11):
			w.minChosen = f.num
		case uint64(varint12):
			w.lastChecksum = uint32(f.num)
		case uint64(varint13):
			w.flag = uint32(f.num)
		case uint64(bytes14):
			w.system, w.hasVariables = f.bytes, true
		case uint64(bytes15):
			w.master, w.hasVariables = f.bytes, true
		case bytes101:
			w.features = f.bytes
		case fixed110:
			w.chain = f.num
		case fixed111:
			w.sum = f.num
		case bytes112:
			w.history = f.bytes
		}
	}
	return seen.require("PaxosMsg", 1, 1)
}

// fill sets all of m to what w means. It reads a kind's fields and no others,
// so that nothing but what section 3.1 lists can have an effect.
func (w *paxosMsg) fill(m *paxos.Message) {
	*m = paxos.Message{Kind: w.kind, From: w.from, Instance: w.instance}
	switch w.kind {
	case paxos.Prepare:
		m.Ballot = paxos.Ballot{Number: w.proposal, Node: w.from}
	case paxos.PrepareReply:
		m.Ballot.Number = w.proposal
		m.RejectedBy = w.rejectedBy
		if m.Rejected() {
			return
		}
		// A null ballot accepted nothing, so a value next to it means nothing.
		if m.PreAccepted = w.preAccepted; !m.PreAccepted.IsNull() {
			m.Value = w.value
		}
		m.Sum = w.sum
	case paxos.Accept:
		m.Ballot = paxos.Ballot{Number: w.proposal, Node: w.from}
		m.Value = w.value
		m.LastChecksum, m.Chain, m.Sum = w.lastChecksum, w.chain, w.sum
	case paxos.AcceptReply:
		m.Ballot.Number = w.proposal
		m.RejectedBy = w.rejectedBy
		m.Sum = w.sum
	case paxos.AskForLearn:
		m.Followed = w.proposalNode
		m.Chain = w.chain
	case paxos.LearnValue:
		m.Ballot = paxos.Ballot{Number: w.proposal, Node: w.proposalNode}
		m.Value = w.value
		m.LastChecksum, m.Chain, m.Sum = w.lastChecksum, w.chain, w.sum
		m.NeedAck = w.flag == 1 // a number, not a bit mask
	case paxos.Success:
		m.Ballot = paxos.Ballot{Number: w.proposal, Node: w.from}
		m.LastChecksum, m.Chain, m.Sum = w.lastChecksum, w.chain, w.sum
	case paxos.ReadAsk, paxos.HistoryAsk:
		m.Ballot.Number = w.proposal
	case paxos.ReadReply, paxos.HistoryReply:
		m.Ballot.Number, m.Now = w.proposal, w.now
	case paxos.Digest:
		m.Value, m.Features, m.History = w.value, w.features, w.history
	case paxos.HistoryCompare, paxos.HistoryCompareReply:
		m.Ballot.Number, m.Value = w.proposal, w.value
	case paxos.EarlyValue:
		m.Value, m.Early = w.value, w.now
	case paxos.AcceptEarly:
		m.Ballot = paxos.Ballot{Number: w.proposal, Node: w.from}
		m.Early, m.LastChecksum, m.Chain, m.Sum = w.now, w.lastChecksum, w.chain, w.sum
	case paxos.EarlyMissed:
		m.Early = w.now
	case paxos.Offer:
		m.Now, m.MinChosen = w.now, w.minChosen
		m.HasVariables = w.hasVariables
		m.SystemVariables, m.MasterVariables = w.system, w.master
		m.Features = w.features
	}
}
