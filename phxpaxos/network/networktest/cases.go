package networktest

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

var classes = []network.Class{network.Datagram, network.Stream}

// testSizes: packets of all sizes arrive whole, in both classes.
func (s Suite) testSizes(t *testing.T) {
	nodes := s.startAll(t, 2)
	sizes := []int{1, 2, 3, 4, 5, 100, 1400, 4095, 4096, 4097, 16380, 16384, 65503, 65507, 65508, 65536, 1 << 20, s.PacketBytesMax - 1, s.PacketBytesMax}
	sizes = slices.DeleteFunc(sizes, func(n int) bool { return n < 1 || n > s.PacketBytesMax })
	for _, class := range classes {
		for _, size := range sizes {
			p := packet(uint64(size)<<8|uint64(class), size)
			kept := bytes.Clone(p)
			deliver(t, nodes[0], nodes[1], [][]byte{p}, class)
			if !bytes.Equal(p, kept) {
				t.Fatalf("a sent packet of %d bytes was written to", size)
			}
		}
	}
	nodes[1].only(t, func(d digest) bool {
		return slices.ContainsFunc(sizes, func(size int) bool {
			return slices.ContainsFunc(classes, func(class network.Class) bool {
				return d == digestOf(packet(uint64(size)<<8|uint64(class), size))
			})
		})
	})
}

// only checks that nothing arrived but what was sent.
func (n *node) only(t *testing.T, sent func(digest) bool) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for d, times := range n.arrived {
		if !sent(d) {
			t.Errorf("%v received something %d times that nobody sent", n.id, times)
		}
	}
}

// testMesh: three nodes send to each other, one slice to several.
func (s Suite) testMesh(t *testing.T) {
	nodes := s.startAll(t, 3)
	for i, from := range nodes {
		shared := [][]byte{packet(uint64(i), 5000), packet(uint64(i)+10, 50)}
		for _, to := range nodes {
			if from != to {
				deliver(t, from, to, shared, network.Stream)
			}
		}
	}
}

// testConcurrentSenders: Send may be called by many at once; nothing is mixed up.
func (s Suite) testConcurrentSenders(t *testing.T) {
	const senders, each = 8, 200
	nodes := s.startAll(t, 2)
	sent := make(map[digest]bool)
	batches := make([][][]byte, senders)
	for i := range batches {
		for j := range each {
			p := packet(uint64(i*each+j), 1+(i*each+j)*7%9000)
			batches[i] = append(batches[i], p)
			sent[digestOf(p)] = true
		}
	}
	var wg sync.WaitGroup
	for i, batch := range batches {
		wg.Go(func() {
			for _, p := range batch {
				nodes[0].Send(nodes[1].id, p, classes[i%2])
			}
		})
	}
	wg.Wait()
	for i, batch := range batches {
		deliver(t, nodes[0], nodes[1], batch, classes[i%2])
	}
	nodes[1].only(t, func(d digest) bool { return sent[d] })
}

// testLargeBothWays: large packets and small ones, in both directions at once.
func (s Suite) testLargeBothWays(t *testing.T) {
	nodes := s.startAll(t, 2)
	var packets [2][][]byte
	for i, from := range nodes {
		for j := range 4 {
			packets[i] = append(packets[i], packet(uint64(10*i+j), s.PacketBytesMax-j), packet(uint64(10*i+j+100), 100+j))
		}
		for _, p := range packets[i] {
			from.Send(nodes[1-i].id, p, network.Stream)
		}
	}
	for i, from := range nodes {
		deliver(t, from, nodes[1-i], packets[i], network.Stream)
	}
}

// testReceiverOwnsPacket: who receives a packet may do with it what it likes;
// neither the sender nor the other receivers see it.
func (s Suite) testReceiverOwnsPacket(t *testing.T) {
	all := ids(t, 3)
	from := s.start(t, all[0])
	var to []*node
	for _, id := range all[1:] {
		n := &node{Network: s.New(t, id), id: id, arrived: make(map[digest]int)}
		s.startWith(t, n, func(p []byte) {
			n.receive(p)
			for i := range p[:cap(p)] {
				p[:cap(p)][i] = 0xee
			}
		})
		to = append(to, n)
	}
	for round := range uint64(5) {
		// Many at once, so that they arrive together.
		var packets [][]byte
		for i := range uint64(30) {
			packets = append(packets, packet(round*100+i, 1+int(i)*97))
		}
		for _, class := range classes {
			for _, n := range to {
				deliver(t, from, n, packets, class)
			}
		}
		for i, p := range packets {
			if !bytes.Equal(p, packet(round*100+uint64(i), len(p))) {
				t.Fatal("what a receiver did with a packet is seen by its sender")
			}
		}
	}
}

// testSendFromReceive: receive may answer, also under load.
func (s Suite) testSendFromReceive(t *testing.T) {
	all := ids(t, 2)
	b := &node{Network: s.New(t, all[1]), id: all[1], arrived: make(map[digest]int)}
	s.startWith(t, b, func(p []byte) { b.Send(all[0], p, network.Stream) })
	a := s.start(t, all[0])
	var packets [][]byte
	for i := range uint64(500) {
		packets = append(packets, packet(i, 8+int(i)))
	}
	deliverBy(t, a, packets, func(p []byte) { a.Send(b.id, p, network.Stream) })
}

// testOddSends: what cannot be sent is dropped, without harm.
func (s Suite) testOddSends(t *testing.T) {
	nodes := s.startAll(t, 2)
	a, b := nodes[0], nodes[1]
	p := packet(1, 100)
	for _, class := range classes {
		for _, to := range []nodeid.ID{nodeid.None, a.id, 1, 1 << 32, 1<<64 - 1, b.id &^ 0xffff} {
			a.Send(to, p, class)
		}
		a.Send(b.id, nil, class)
		a.Send(b.id, []byte{}, class)
		a.Send(b.id, p, class+7)
	}
	deliver(t, a, b, [][]byte{packet(2, 100)}, network.Stream)
	// An empty packet is none, but no harm either.
	b.only(t, func(d digest) bool { return d == digestOf(p) || d == digestOf(packet(2, 100)) || d == digestOf(nil) })
}
