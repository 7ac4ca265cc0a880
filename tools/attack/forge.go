package main

import (
	"encoding/binary"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// forgery is a packet, and how a node counts it when it comes from an address
// that it does not know and that is the sender's own.
type forgery struct {
	packet []byte
	event  event.Kind // None: it is answered, or it is nothing
}

// lie is what forged messages have in common.
type lie struct {
	header  wire.Header
	from    nodeid.ID
	at      uint64 // the receiver's instance
	members []nodeid.ID
	master  nodeid.ID // whom forged offers state as the master
}

const (
	absurdInstance = 1 << 60
	highBallot     = 1 << 50
	dayMillis      = 24 * 60 * 60 * 1000
)

func (l *lie) ballot() paxos.Ballot { return paxos.Ballot{Number: highBallot, Node: l.from} }

func (l *lie) value() []byte { return wire.AppendValue(nil, machineID, []byte(forgedMark+"value")) }

func (l *lie) packet(m paxos.Message) []byte {
	m.From = l.from
	return wire.AppendMessage(nil, l.header, &m)
}

// offer states a master with a lease of a day, and other members.
func (l *lie) offer(now, minChosen uint64) paxos.Message {
	return paxos.Message{Kind: paxos.Offer, Instance: l.at, Now: now, MinChosen: minChosen, HasVariables: true,
		SystemVariables: wire.AppendSystemVariables(nil, &wire.SystemVariables{Cluster: l.header.Cluster, Members: []nodeid.ID{l.from}, Version: l.at + 1}),
		MasterVariables: wire.AppendMasterVariables(nil, &wire.MasterVariables{Master: l.master, Version: l.at + 1, LeaseMillis: dayMillis})}
}

// all are packets of every kind. Those that an unknown sender may ask with come
// last, since a node asks such a sender back.
func (l *lie) all() (forged []forgery) {
	add := func(k event.Kind, messages ...paxos.Message) {
		for _, m := range messages {
			forged = append(forged, forgery{l.packet(m), k})
		}
	}
	at, b, v := l.at, l.ballot(), l.value()
	unasked := event.MessageNotAsked
	if l.header.Identity.IsZero() {
		unasked = event.MessageNotMember // a stranger is never asked
	}
	add(unasked,
		paxos.Message{Kind: paxos.LearnValue, Instance: at, Ballot: b, Value: v, NeedAck: true},
		l.offer(at+100, 0), l.offer(at+100, at+50))
	add(event.MessageAbsurd,
		paxos.Message{Kind: paxos.LearnValue, Instance: absurdInstance, Ballot: b, Value: v},
		paxos.Message{Kind: paxos.Success, Instance: absurdInstance, Ballot: b},
		paxos.Message{Kind: paxos.AskForLearn, Instance: absurdInstance},
		paxos.Message{Kind: paxos.Prepare, Instance: absurdInstance, Ballot: b},
		l.offer(absurdInstance, 0), l.offer(at, at+10))
	add(event.MessageNotMember,
		paxos.Message{Kind: paxos.PrepareReply, Instance: at, Ballot: b, PreAccepted: b, Value: v},
		paxos.Message{Kind: paxos.AcceptReply, Instance: at, Ballot: b},
		paxos.Message{Kind: paxos.ReadReply, Instance: at, Ballot: b, Now: at + 10},
		paxos.Message{Kind: paxos.HistoryReply, Instance: at, Ballot: b, Now: at + 10},
		paxos.Message{Kind: paxos.Drive, Instance: at},
		paxos.Message{Kind: paxos.Digest, Instance: at, Value: wire.AppendDigest(nil, &wire.Digest{Groups: groups, Instances: []uint64{absurdInstance, absurdInstance}})},
		paxos.Message{Kind: paxos.EarlyValue, Instance: at, Early: 77, Value: v},
		paxos.Message{Kind: paxos.EarlyMissed, Instance: at, Early: 77},
		paxos.Message{Kind: paxos.Accept, Instance: at, Ballot: b, Value: v},
		paxos.Message{Kind: paxos.AcceptEarly, Instance: at, Ballot: b, Early: 77},
		paxos.Message{Kind: paxos.Success, Instance: at, Ballot: b},
		paxos.Message{Kind: paxos.Prepare, Instance: at, Ballot: b})
	add(event.None,
		paxos.Message{Kind: paxos.ReadAsk, Instance: at, Ballot: b},
		paxos.Message{Kind: paxos.HistoryAsk, Instance: at, Ballot: b},
		paxos.Message{Kind: paxos.AskForLearn, Instance: at + 1000},
		paxos.Message{Kind: paxos.AskForLearn},
		paxos.Message{Kind: paxos.Confirm},
		paxos.Message{Kind: paxos.LearnAck, Instance: at},
		paxos.Message{Kind: paxos.AskCheckpoint})
	return append(forged, l.checkpoint()...)
}

// checkpoint is a transfer of a checkpoint that the node did not ask for.
func (l *lie) checkpoint() (forged []forgery) {
	for sequence, flag := range []int32{wire.CheckpointBegin, wire.CheckpointBlock, wire.CheckpointEnd} {
		forged = append(forged, forgery{packet: wire.AppendCheckpoint(nil, l.header, &wire.Checkpoint{
			Kind: wire.CheckpointFile, From: l.from, Flag: flag, UUID: 99, Sequence: uint64(sequence),
			Instance: l.at + 50, Path: "../../stolen", SM: machineID, Data: []byte(forgedMark),
		})})
	}
	return forged
}

// frame puts a packet into the frame of the default network.
func frame(packet []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(packet)+4)), packet...)
}
