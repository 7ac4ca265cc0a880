package paxos

import (
	"fmt"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Kind is the type of a message; the numbers are those on the wire
// (spec/protocol.md section 2.1).
type Kind int32

const (
	Prepare       Kind = 1  // proposer -> acceptors: promise me this ballot
	PrepareReply  Kind = 2  // acceptor -> proposer: promised, and this I accepted; or rejected
	Accept        Kind = 3  // proposer -> acceptors: accept this value under my ballot
	AcceptReply   Kind = 4  // acceptor -> proposer: accepted, or rejected
	AskForLearn   Kind = 5  // learner -> all: I am at this instance, who knows more
	LearnValue    Kind = 6  // teacher -> learner: this was chosen
	Success       Kind = 7  // proposer -> all: what I had accepted under this ballot is chosen
	Offer         Kind = 9  // teacher -> learner: I am at Now and keep MinChosen and up
	Confirm       Kind = 10 // learner -> teacher: teach me
	LearnAck      Kind = 11 // learner -> teacher: I am at this instance
	AskCheckpoint Kind = 12 // learner -> teacher: what I need is gone, send me a checkpoint

	// Kinds of this library. Original nodes ignore them.
	ReadAsk      Kind = 1001 // reader -> all: how far may a value be chosen
	ReadReply    Kind = 1002 // member -> reader: nothing at Now or above has my vote
	Digest       Kind = 1003 // node -> node: where all of my groups are, in Value
	HistoryAsk   Kind = 1004 // newcomer -> all: how far are you
	HistoryReply Kind = 1005 // -> newcomer: nothing at Now or above has my vote
	Drive        Kind = 1006 // newcomer -> member: have something decided at this instance
	EarlyValue   Kind = 1007 // proposer -> all: a value that an accept may name later
	AcceptEarly  Kind = 1008 // proposer -> all: Accept, with the value that was sent as Early
	EarlyMissed  Kind = 1009 // acceptor -> proposer: I do not have Early, send me the whole accept

	// Of the full history; Value is a wire.History, of the sender.
	HistoryCompare      Kind = 1010 // node -> members: state yours
	HistoryCompareReply Kind = 1011 // -> node: mine
)

var kindNames = map[Kind]string{
	Prepare: "Prepare", PrepareReply: "PrepareReply", Accept: "Accept", AcceptReply: "AcceptReply",
	AskForLearn: "AskForLearn", LearnValue: "LearnValue", Success: "Success", Offer: "Offer",
	Confirm: "Confirm", LearnAck: "LearnAck", AskCheckpoint: "AskCheckpoint",
	ReadAsk: "ReadAsk", ReadReply: "ReadReply", Digest: "Digest",
	HistoryAsk: "HistoryAsk", HistoryReply: "HistoryReply", Drive: "Drive",
	EarlyValue: "EarlyValue", AcceptEarly: "AcceptEarly", EarlyMissed: "EarlyMissed",
	HistoryCompare: "HistoryCompare", HistoryCompareReply: "HistoryCompareReply",
}

func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("Kind(%d)", int32(k))
}

// Message is everything that nodes of one group say to each other about its
// log. Which fields a kind uses is the table of spec/protocol.md section 3.1;
// the others are zero.
type Message struct {
	Kind     Kind
	From     nodeid.ID // the sender; replies go there
	To       nodeid.ID // the receiver, or nodeid.None for every other member; not on the wire
	Instance uint64    // the sender's current instance, or the one the message is about

	// Ballot: of the request in Prepare, Accept, AcceptEarly and Success (its node is
	// From); in replies the number is echoed and the node is that of the
	// request's sender, which the wire does not carry: there it is zero. In
	// LearnValue: under which the value was accepted. ReadAsk, HistoryAsk,
	// HistoryCompare and their replies: the number of the round.
	Ballot Ballot

	PreAccepted Ballot // PrepareReply: accepted before, or null
	RejectedBy  uint64 // replies: number of the higher promise, 0 if it is a yes
	Value       []byte // Accept, EarlyValue, LearnValue, Digest, PrepareReply with PreAccepted
	Early       uint64 // EarlyValue, AcceptEarly, EarlyMissed: which value of the proposer, not 0

	Now       uint64 // Offer: the teacher's current instance; ReadReply, HistoryReply: see there
	MinChosen uint64 // Offer: lowest instance the teacher keeps

	LastChecksum uint32    // checksum chain through Instance-1, 0 if not stated
	NeedAck      bool      // LearnValue: acknowledge it
	Followed     nodeid.ID // AskForLearn of a follower: whom it follows

	Features []byte // Digest, Offer: which features the sender supports and knows, see package feature

	HasVariables    bool   // Offer: the two below are stated, possibly empty
	SystemVariables []byte // Offer: membership and cluster id
	MasterVariables []byte // Offer: master lease

	// Of the full history, see ValueHash and HistoryChain; 0 if not stated.
	Chain uint64 // Accept, AcceptEarly, LearnValue, Success, AskForLearn: the chain through Instance-1
	Sum   uint64 // hash of the value that is carried (Accept, LearnValue, PrepareReply) or meant (AcceptEarly, AcceptReply, Success)

	History []byte // Digest: a wire.Levels, of the sender's groups; nil if not stated

	Checked bool // every byte was covered by a checksum; set by the receiver
}

// Rejected reports whether a reply is a no.
func (m *Message) Rejected() bool { return m.RejectedBy != 0 }

// String is for traces: one line, long values abbreviated.
func (m *Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v i=%d", m.Kind, m.Instance)
	if !m.Ballot.IsNull() {
		fmt.Fprintf(&b, " b=%v", m.Ballot)
	}
	if !m.PreAccepted.IsNull() {
		fmt.Fprintf(&b, " pre=%v", m.PreAccepted)
	}
	if m.RejectedBy != 0 {
		fmt.Fprintf(&b, " rejectedBy=%d", m.RejectedBy)
	}
	if m.Value != nil {
		fmt.Fprintf(&b, " v=%.24q(%d)", m.Value, len(m.Value))
	}
	if m.Kind == Offer {
		fmt.Fprintf(&b, " now=%d min=%d", m.Now, m.MinChosen)
	}
	if m.LastChecksum != 0 {
		fmt.Fprintf(&b, " chain=%08x", m.LastChecksum)
	}
	if m.Chain != 0 {
		fmt.Fprintf(&b, " history=%016x", m.Chain)
	}
	if m.Sum != 0 {
		fmt.Fprintf(&b, " sum=%016x", m.Sum)
	}
	if m.NeedAck {
		b.WriteString(" ack!")
	}
	if m.Early != 0 {
		fmt.Fprintf(&b, " early=%d", m.Early)
	}
	return b.String()
}
