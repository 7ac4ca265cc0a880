package networktest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

var classes = []network.Class{network.Datagram, network.Stream}

// unblocked is how long a great many calls of Send may take together. It is
// generous: a Send that waits for a peer takes for ever, or a whole timeout.
const unblocked = 20 * time.Second

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
				return d == sha256.Sum256(packet(uint64(size)<<8|uint64(class), size))
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
			sent[sha256.Sum256(p)] = true
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
	stopped, err := net.Listen("tcp4", all[2].String())
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

// testGarbage: what strangers send does no harm. Networks that are not reached
// at the address of their id are not asked.
func (s Suite) testGarbage(t *testing.T) {
	nodes := s.startAll(t, 2)
	for seed, size := range []int{0, 1, 3, 4, 5, 100, 70000} {
		if conn, err := net.Dial("tcp4", nodes[1].id.String()); err == nil {
			conn.Write(packet(uint64(seed), size))
			conn.Close()
		}
		if conn, err := net.Dial("udp4", nodes[1].id.String()); err == nil {
			conn.Write(packet(uint64(seed), min(size, network.UDPPayloadMax)))
			conn.Close()
		}
	}
	for _, class := range classes {
		deliver(t, nodes[0], nodes[1], [][]byte{packet(uint64(class)+1000, 3000)}, class)
	}
}

// testCloseUnderLoad: once Close has returned, receive is not called any more,
// although others go on sending; and Send does no harm.
func (s Suite) testCloseUnderLoad(t *testing.T) {
	all := ids(t, 2)
	a, b := s.start(t, all[0]), s.New(t, all[1])
	var closed, late atomic.Bool
	var count atomic.Int64
	if err := b.Start(func([]byte) {
		count.Add(1)
		if closed.Load() {
			late.Store(true)
		}
	}); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, class := range classes {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					a.Send(all[1], packet(1, 100), class)
					b.Send(all[0], packet(1, 100), class)
				}
			}
		})
	}
	eventually(t, "packets arrive", func() bool { return count.Load() > 100 })
	within(t, patience, "Close under load", func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	closed.Store(true)
	after := count.Load()
	for range 1000 {
		a.Send(all[1], packet(1, 100), network.Stream)
	}
	close(stop)
	wg.Wait()
	a.Close()
	if late.Load() || count.Load() != after {
		t.Error("receive was called after Close had returned")
	}
}

// testCloseWaitsForReceive: Close does not return while receive runs.
func (s Suite) testCloseWaitsForReceive(t *testing.T) {
	all := ids(t, 2)
	a, b := s.start(t, all[0]), s.New(t, all[1])
	entered, release := make(chan struct{}, 1), make(chan struct{})
	var running atomic.Int32
	if err := b.Start(func([]byte) {
		running.Add(1)
		defer running.Add(-1)
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "receive is called", func() bool {
		a.Send(all[1], packet(1, 10), network.Stream)
		select {
		case <-entered:
			return true
		default:
			return false
		}
	})
	returned := make(chan error, 1)
	go func() {
		err := b.Close()
		if running.Load() != 0 {
			err = errors.Join(err, fmt.Errorf("Close returned while %d calls of receive ran", running.Load()))
		}
		returned <- err
	}()
	select {
	case <-returned:
		t.Error("Close returned while receive ran")
	case <-time.After(50 * time.Millisecond): // a good network is right however short this is
	}
	close(release)
	select {
	case err := <-returned:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Close does not return although receive has")
	}
}

// testCloseStates: Close is right in every state, also twice and by many, and
// Start fails after it. Send is harmless in every state.
func (s Suite) testCloseStates(t *testing.T) {
	all := ids(t, 2)
	n := s.New(t, all[0])
	n.Send(all[1], packet(1, 10), network.Stream)
	if err := n.Close(); err != nil {
		t.Errorf("Close without Start: %v", err)
	}
	if err := n.Start(func([]byte) {}); !errors.Is(err, network.ErrClosed) {
		t.Errorf("Start after Close: %v, want ErrClosed", err)
	}

	n = s.New(t, all[0])
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	n.Send(all[1], packet(1, 10), network.Stream)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := n.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		wg.Go(func() { n.Send(all[1], packet(1, 10), network.Datagram) })
	}
	within(t, patience, "Close by many", wg.Wait)
	if err := n.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if err := n.Start(func([]byte) {}); !errors.Is(err, network.ErrClosed) {
		t.Errorf("Start after Close: %v, want ErrClosed", err)
	}
}
