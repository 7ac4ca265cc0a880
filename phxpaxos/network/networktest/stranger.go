package networktest

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// says plays a stranger: it connects to a node, writes and closes. Networks
// that do not listen where the suite looks are not bothered.
func (s Suite) says(to nodeid.ID, stream []byte) {
	if conn, err := net.Dial("tcp", s.Address(to)); err == nil {
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write(stream)
		conn.Close()
	}
}

// testGarbage: what strangers send does no harm, and does not get through where
// the network is guarded. The streams are frames, damaged in ways that depend
// on the number of the stream only.
func (s Suite) testGarbage(t *testing.T) {
	nodes := s.startAll(t, 2)
	known := packet(1, 3000)
	for seed := range uint64(150) {
		s.says(nodes[1].id, garbage(seed))
	}
	for seed, size := range []int{0, 1, 3, 4, 5, 100, 60000} {
		if conn, err := net.Dial("udp", s.Address(nodes[1].id)); err == nil {
			conn.Write(packet(uint64(seed)+1000, size))
			conn.Close()
		}
	}
	for _, class := range classes {
		deliver(t, nodes[0], nodes[1], [][]byte{known}, class)
	}
	if s.Guarded {
		want := digestOf(known)
		nodes[1].only(t, func(d digest) bool { return d == want })
	}
}

// garbage returns frames of the default network with some damage.
func garbage(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	if seed%5 == 0 {
		return packet(seed, r.IntN(70000))
	}
	var stream []byte
	for range 1 + r.IntN(8) {
		n := 1 + r.IntN(1<<r.IntN(16))
		stream = binary.BigEndian.AppendUint32(stream, uint32(n+4))
		stream = append(stream, packet(seed+1000, n)...)
	}
	switch at := r.IntN(len(stream)); r.IntN(4) {
	case 0: // torn
		return stream[:at]
	case 1: // a flipped bit
		stream[at] ^= 1 << r.IntN(8)
	case 2: // bytes are missing
		return append(stream[:at:at], stream[min(len(stream), at+1+r.IntN(10)):]...)
	case 3: // a length that no frame has
		length := []uint32{0, 1, 4, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1}[r.IntN(7)]
		stream = append(binary.BigEndian.AppendUint32(stream[:at:at], length), stream[at:]...)
	}
	return stream
}

// testHugeClaims: a connection that says that a large packet comes costs what it
// sends, not what it says.
func (s Suite) testHugeClaims(t *testing.T) {
	const strangers, sent = 100, 1000
	nodes := s.startAll(t, 2)
	deliver(t, nodes[0], nodes[1], [][]byte{packet(1, 100)}, network.Stream)
	before := heap()
	for i := range uint64(strangers) {
		conn, err := net.Dial("tcp", s.Address(nodes[1].id))
		if err != nil {
			return // not a network that strangers reach
		}
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(patience))
		claim := binary.BigEndian.AppendUint32(nil, uint32(s.PacketBytesMax+4))
		conn.Write(append(claim, packet(i, sent)...))
	}
	// What the strangers sent has been looked at when this is through, or soon
	// after; a good network passes at every moment.
	for i := range uint64(10) {
		deliver(t, nodes[0], nodes[1], [][]byte{packet(2+i, 100)}, network.Stream)
	}
	grown, limit := heap()-before, int64(strangers*(sent+64<<10)+s.PacketBytesMax+16<<20)
	if grown > limit {
		t.Errorf("%d connections that sent %d bytes each take %d bytes, want at most %d", strangers, sent, grown, limit)
	}
}

// heap is the memory in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
