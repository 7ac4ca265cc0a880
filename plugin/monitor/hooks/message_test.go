package hooks_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// replayReport is how many instances a replay takes before it tells of it.
const replayReport = 4096

func requestsAhead(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	accept := func(instance uint64) paxos.Message {
		return paxos.Message{Kind: paxos.Accept, From: b, Instance: instance, Ballot: paxos.Ballot{Number: 5, Node: b},
			Value: wire.AppendValue(nil, 1, []byte("v"))}
	}
	l.say(accept(1))
	l.fires(event.RequestOtherInstance, event.RetryKeep, event.RequestKept)
	l.decide(0, 1, []byte("v"))
	l.fires(event.LearnReceive, event.RetryRun)
	for range 400 { // more than are kept
		l.say(accept(3))
	}
	l.fires(event.RetryDrop)
}

func strangeMessages(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) {
		alone(o)
		o.UseMembership = true // so that there is a cluster to be foreign to
	})
	if err := l.propose("v"); err != nil {
		t.Fatal(err)
	}
	l.fires(event.MembersChange)
	l.say(paxos.Message{Kind: 99, From: b})
	l.fires(event.MessageUnknown)
	l.say(paxos.Message{Kind: paxos.PrepareReply, From: a, Instance: 99})
	l.say(paxos.Message{Kind: paxos.PrepareReply, From: stranger, Instance: 99})
	l.fires(event.MessageNotMember)
	l.raw(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 12345, CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: b}))
	l.fires(event.PacketForeignCluster)

	other := newLab(t, all, nil)
	other.say(paxos.Message{Kind: paxos.PrepareReply, From: b, Instance: 99})
	other.fires(event.ReplyOtherInstance)
}

func brokenPackets(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	good := wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &paxos.Message{Kind: paxos.Accept, From: b, Value: make([]byte, 100)})
	plain := wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: false}, &paxos.Message{Kind: paxos.Accept, From: b, Value: make([]byte, 100)})

	l.raw(good[:4])
	l.fires(event.PacketShort)
	l.raw(wire.AppendMessage(nil, wire.Header{Group: 7, Cluster: 0, CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: b}))
	l.fires(event.PacketBadGroup)
	long := slices.Clone(good)
	binary.LittleEndian.PutUint16(long[4:], 0xffff)
	l.raw(long)
	l.fires(event.PacketHeaderTooLong)
	trailer := slices.Clone(plain)
	trailer[len(trailer)-1]++
	l.raw(trailer)
	l.fires(event.PacketChecksum)
	flipped := slices.Clone(good) // where the original's checksum does not look
	for i := len(good) - 20; ; i++ {
		flipped[i]++
		if checksum.Sampled(0, flipped[:len(good)-4], checksum.PacketStride) == binary.LittleEndian.Uint32(good[len(good)-4:]) {
			break
		}
		flipped[i]--
	}
	l.raw(flipped)
	l.fires(event.PacketCRC)
	bodyAt := 6 + int(binary.LittleEndian.Uint16(plain[4:]))
	empty := append(slices.Clone(plain[:bodyAt]), 0xff) // a field that is cut off
	l.raw(binary.LittleEndian.AppendUint32(empty, checksum.Sampled(0, empty, checksum.PacketStride)))
	l.fires(event.PacketMalformed)
}

func nodeLearns(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	l.fires(event.LearnAsk)
	l.asked()
	l.say(paxos.Message{Kind: paxos.Offer, From: b, Now: 30})
	l.fires(event.LearnOffered, event.LearnConfirm)
	for i := range uint64(30) {
		l.decide(i, 1, []byte("v"))
	}
	l.fires(event.LearnReceive, event.LearnAck)
	l.say(paxos.Message{Kind: paxos.Offer, From: b, Instance: 30, Now: 99, MinChosen: 50})
	l.fires(event.CheckpointNeeded)
}

func nodeTeaches(t *testing.T, all *probe) {
	l := newLab(t, all, alone)
	for range 60 {
		if err := l.propose("v"); err != nil {
			t.Fatal(err)
		}
	}
	l.say(paxos.Message{Kind: paxos.Confirm, From: stranger})
	l.fires(event.LearnConfirmUnknown)
	l.say(paxos.Message{Kind: paxos.AskForLearn, From: b})
	l.fires(event.LearnAsked, event.LearnOffer)
	l.say(paxos.Message{Kind: paxos.Confirm, From: b})
	l.fires(event.LearnConfirmed, event.TeachRead, event.LearnSend, event.TeachAckWait)
	l.say(paxos.Message{Kind: paxos.LearnAck, From: b, Instance: 5})
	l.fires(event.LearnAcked)
	for i := byte(3); i < 12; i++ { // more than are taught at once
		l.say(paxos.Message{Kind: paxos.AskForLearn, From: node(i)})
	}
	l.fires(event.LearnBusy)
	l.fires(event.TeachAckTimeout) // b says no more
}

func historiesDiffer(t *testing.T, all *probe) {
	l := newLab(t, all, nil)
	l.decide(0, 1, []byte("v"))
	l.fires(event.InstanceStart)
	l.say(paxos.Message{Kind: paxos.Accept, From: b, Instance: 1, Ballot: paxos.Ballot{Number: 2000, Node: b},
		Value: wire.AppendValue(nil, 1, []byte("w")), LastChecksum: 12345})
	l.fires(event.ChecksumMismatch, event.GroupFailed)
}

func valueDiffers(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) { o.FullHistory = true })
	l.say(paxos.Message{Kind: paxos.Accept, From: b, Ballot: paxos.Ballot{Number: 2000, Node: b},
		Value: wire.AppendValue(nil, 1, []byte("w")), Sum: 12345})
	l.fires(event.ValueDiffers)
}

func historiesCompared(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) { o.FullHistory = true })
	l.decide(0, 1, []byte("v"))
	l.fires(event.InstanceStart)
	l.say(paxos.Message{Kind: paxos.Accept, From: b, Instance: 1, Ballot: paxos.Ballot{Number: 2000, Node: b},
		Value: wire.AppendValue(nil, 1, []byte("w")), Chain: 12345})
	l.fires(event.HistoryDiffers)
	for _, peer := range []nodeid.ID{b, c} { // both know nothing of it when they are asked
		l.say(paxos.Message{Kind: paxos.HistoryCompareReply, From: peer, Value: wire.AppendHistory(nil, &wire.History{})})
	}
	l.fires(event.HistoryCompared)
}

// election is a value that makes a node master.
func election(node nodeid.ID, version, last uint64) []byte {
	return wire.AppendMasterOperator(nil, &wire.MasterOperator{Node: node, Version: version, TimeoutMillis: 10000, Operator: 1,
		LastVersion: last, HasLastVersion: last != 0})
}

func masters(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) {
		alone(o)
		o.UseMaster = true
	})
	l.fires(event.MasterBid, event.MasterSelf)
	if err := l.node.DropMaster(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	l.fires(event.MasterDrop)

	other := newLab(t, all, nil)
	other.decide(0, sm.Master, election(b, never, 0))
	other.fires(event.MasterOther)
	other.decide(1, sm.Master, election(b, 77, 77)) // as if this node had missed the election of instance 77
	other.fires(event.MasterRepair)
}

func bidOvertaken(t *testing.T, all *probe) {
	l := newLab(t, all, func(o *phxpaxos.Options) { o.UseMaster = true })
	l.fires(event.MasterBid)
	l.hears(b, paxos.Prepare) // the bid is under way
	l.decide(0, sm.Master, election(b, never, 0))
	l.fires(event.MasterOther, event.MasterBidFail)
}
