package wire

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire/wirepb"
)

// Kinds of this library carry their own fields, and no other ones even if the
// message has them; an original node can parse each of them, and ignores it.
func TestOwnKinds(t *testing.T) {
	b := func(node nodeid.ID) paxos.Ballot { return paxos.Ballot{Number: 1 << 50, Node: node} }
	for _, want := range []paxos.Message{
		{Kind: paxos.ReadAsk, Ballot: b(0)},
		{Kind: paxos.ReadReply, Ballot: b(0), Now: 1 << 40},
		{Kind: paxos.Digest, Value: []byte("v"), Features: []byte("f"), History: []byte("h")},
		{Kind: paxos.HistoryCompare, Ballot: b(0), Value: []byte("v")},
		{Kind: paxos.HistoryCompareReply, Ballot: b(0), Value: []byte("v")},
		{Kind: paxos.HistoryAsk, Ballot: b(0)},
		{Kind: paxos.HistoryReply, Ballot: b(0), Now: 1 << 40},
		{Kind: paxos.Drive},
		{Kind: paxos.EarlyValue, Value: []byte("v"), Early: 1 << 59},
		{Kind: paxos.AcceptEarly, Ballot: b(7), LastChecksum: 1 << 31, Early: 1 << 59, Chain: 1 << 60, Sum: 1 << 61},
		{Kind: paxos.EarlyMissed, Early: 1 << 59},
	} {
		want.From, want.Instance = 7, 1<<45
		full := paxos.Message{Kind: want.Kind, From: 7, To: 8, Instance: 1 << 45, Ballot: b(7), PreAccepted: b(9),
			RejectedBy: 5, Value: []byte("v"), Early: 1 << 59, Now: 1 << 40, MinChosen: 3, LastChecksum: 1 << 31, NeedAck: true,
			Followed: 4, Features: []byte("f"), HasVariables: true, SystemVariables: []byte("s"), MasterVariables: []byte("m"),
			Chain: 1 << 60, Sum: 1 << 61, History: []byte("h")}
		p, err := Open(AppendMessage(nil, Header{Group: 3, Cluster: 4, CRC: true}, &full))
		if err != nil {
			t.Fatal(err)
		}
		got := full // must be overwritten completely
		if err := p.Message(&got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v:\n got %+v, %v\nwant %+v", want.Kind, got, err, want)
		}
		var theirs wirepb.PaxosMsg
		if err := proto.Unmarshal(p.Body, &theirs); err != nil || paxos.Kind(theirs.GetMsgType()) != want.Kind {
			t.Errorf("%v is no message to an original node: %v, %v", want.Kind, &theirs, err)
		}
	}
}
