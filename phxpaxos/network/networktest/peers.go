package networktest

import (
	"net"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

// unblocked is how long a great many calls of Send may take together. It is
// generous: a Send that waits for a peer takes for ever, or a whole timeout.
const unblocked = 20 * time.Second

// testDeadPeer: a peer that is down holds up neither the sender nor others.
func (s Suite) testDeadPeer(t *testing.T) {
	all := ids(t, 3)
	a, b := s.start(t, all[0]), s.start(t, all[1])
	p := packet(1, min(100<<10, s.PacketBytesMax))
	for _, class := range classes {
		within(t, unblocked, "sending to a dead peer", func() {
			for range 15000 {
				a.Send(all[2], p, class)
			}
		})
	}
	deliver(t, a, b, [][]byte{packet(2, 100)}, network.Stream)
	within(t, patience, "Close with a dead peer", func() { a.Close() })
}

// testPeerThatDoesNotRead: a process that is stopped still has its sockets: it
// is reached, and then takes nothing.
func (s Suite) testPeerThatDoesNotRead(t *testing.T) {
	all := ids(t, 3)
	stopped, err := net.Listen("tcp", s.Address(all[2]))
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Close()
	a, b := s.start(t, all[0]), s.start(t, all[1])
	p := packet(1, min(100<<10, s.PacketBytesMax))
	within(t, unblocked, "sending to a peer that does not read", func() {
		for range 15000 {
			a.Send(all[2], p, network.Stream)
		}
	})
	deliver(t, a, b, [][]byte{packet(2, 100)}, network.Stream)
	within(t, patience, "Close while a peer does not read", func() { a.Close() })
}

// testRestartedPeer: packets sent after a peer is back arrive, again and again.
func (s Suite) testRestartedPeer(t *testing.T) {
	all := ids(t, 2)
	a := s.start(t, all[0])
	for life := range uint64(3) {
		b := s.start(t, all[1])
		deliver(t, a, b, [][]byte{packet(life, 100), packet(life, 10000)}, network.Stream)
		deliver(t, b, a, [][]byte{packet(life+100, 100)}, network.Datagram)
		if err := b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		a.Send(all[1], packet(life, 100), network.Stream) // into the void
	}
}

// testFormerLife: whatever a node gets when it is back, maybe packets for its
// former life, is whole packets that were sent to it.
func (s Suite) testFormerLife(t *testing.T) {
	all := ids(t, 3)
	a, c := s.start(t, all[0]), s.start(t, all[2])
	sent, others := make(map[digest]bool), make(map[digest]bool)
	next := uint64(0)
	send := func(n int) {
		for range n {
			next++
			p, q := packet(next, 1+int(next)*7919%200000%s.PacketBytesMax), packet(next+1<<32, 100)
			sent[digestOf(p)], others[digestOf(q)] = true, true
			a.Send(all[1], p, classes[next%2])
			a.Send(c.id, q, network.Stream)
		}
	}
	for range 4 {
		b := s.start(t, all[1])
		send(60)
		last := packet(1<<40+next, 1000)
		sent[digestOf(last)] = true
		deliver(t, a, b, [][]byte{last}, network.Stream)
		send(60)
		if err := b.Close(); err != nil { // with packets under way
			t.Fatalf("Close: %v", err)
		}
		b.only(t, func(d digest) bool { return sent[d] })
		send(10)
	}
	c.only(t, func(d digest) bool { return others[d] })
}
