package main

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Parent and child exchange gob streams: requests on the child's stdin, the
// child's reports on descriptor 3. A child that is killed leaves a report cut
// in half behind it, which the parent takes for the end.

// setup is the first thing that a child is told.
type setup struct {
	Me       int // index into Nodes
	Nodes    []nodeid.ID
	Life     uint32 // how often this node was started before
	Dir      string
	Layout   phxpaxos.LogLayout
	Clients  int
	Large    int // so many of them propose large values
	Groups   int
	Attempts int  // Options.ProposeAttempts
	Tap      bool // send samples of the packets that leave the node
}

// request asks a child for one thing. Exactly one field is set.
type request struct {
	Range  *rangeRequest
	Status bool
	Pause  bool // let the clients end; answered when they have
}

// rangeRequest asks for the chosen values of instances From … To-1.
type rangeRequest struct {
	Group    int
	From, To uint64
	Detail   bool // list the values, besides their digest
}

// report is one frame from a child. Any number of fields is set.
type report struct {
	Ready   bool   // the node runs
	Failed  string // the node cannot start, or a request cannot be answered
	Acks    []ack
	Refused []key // their clients were told that they are not chosen
	Unknown int   // calls that ended without an outcome
	Named   int   // accepts received that name a value which went ahead
	Marks   []mark
	Packets [][]byte

	Range  *rangeAnswer
	Status *status
	Paused bool
}

// key names a value. No two values have the same.
type key struct {
	Node   uint16
	Client uint16
	Life   uint32
	Seq    uint32
}

// position is where a value was chosen.
type position struct {
	Group    int
	Instance uint64
	Index    int
}

// ack is a value that a client was told is chosen.
type ack struct {
	Key key
	At  position
}

// mark is the state of a node's state machine behind an instance.
type mark struct {
	Group    int
	Instance uint64
	Chain    uint64
}

// chosen is one value of the log. Intact is false when the bytes are not
// those that a client proposed under Key.
type chosen struct {
	Instance uint64
	Index    int
	Key      key
	Hash     uint64
	Intact   bool
}

type rangeAnswer struct {
	Digest [32]byte // over all values with their places
	Values []chosen // with Detail
}

type status struct {
	Now    []uint64          // of each group: all instances below are chosen
	Counts map[string]uint64 // events by name
}

const keyBytes = 12

// fillMax is the largest filler behind most keys, and bigFillMax behind one
// in bigOneIn: mostly small values, some that need TCP and several packets.
// That of a client in largeClients is any up to largeFillMax.
const (
	fillMax      = 200
	bigFillMax   = 20000
	bigOneIn     = 200
	largeFillMax = 100000
	largeClients = 1 << 15
)

// value returns the bytes that are proposed under k. Everything in it follows
// from k, so whoever reads it can tell whether it is whole.
func (k key) value() []byte {
	b := make([]byte, keyBytes, keyBytes+fillMax)
	binary.BigEndian.PutUint16(b, k.Node)
	binary.BigEndian.PutUint16(b[2:], k.Client)
	binary.BigEndian.PutUint32(b[4:], k.Life)
	binary.BigEndian.PutUint32(b[8:], k.Seq)
	fill := rand.New(rand.NewPCG(hashOf(b), 0))
	size := fill.IntN(fillMax)
	if fill.IntN(bigOneIn) == 0 {
		size = fill.IntN(bigFillMax)
	}
	if k.Client >= largeClients {
		size = fill.IntN(largeFillMax)
	}
	for len(b) < keyBytes+size {
		b = binary.LittleEndian.AppendUint64(b, fill.Uint64())
	}
	return b[:keyBytes+size]
}

// parseValue returns the key of a value and whether every byte is what the
// key says.
func parseValue(b []byte) (k key, intact bool) {
	if len(b) < keyBytes {
		return key{}, false
	}
	k = key{
		Node: binary.BigEndian.Uint16(b), Client: binary.BigEndian.Uint16(b[2:]),
		Life: binary.BigEndian.Uint32(b[4:]), Seq: binary.BigEndian.Uint32(b[8:]),
	}
	return k, string(k.value()) == string(b)
}

func hashOf(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// chain extends the history of a state machine by one executed value.
func chain(history, instance uint64, index int, valueHash uint64) uint64 {
	var b [32]byte
	binary.LittleEndian.PutUint64(b[:], history)
	binary.LittleEndian.PutUint64(b[8:], instance)
	binary.LittleEndian.PutUint64(b[16:], uint64(index))
	binary.LittleEndian.PutUint64(b[24:], valueHash)
	return hashOf(b[:])
}

// markEvery is how many instances lie between two marks: the first instance
// in each stretch that executes something is marked, so all nodes mark the
// same ones.
const markEvery = 64
