package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// The bytes on a connection are those of an original node, and an answer on
// the connection is not waited for, nor delivered.
func TestSendGolden(t *testing.T) {
	peer := freeID(t)
	l := listenRaw(t, peer)
	a := startTCP(t, nil)
	a.Send(peer, unhex(t, goldenPacket), Stream)
	c := acceptRaw(t, l)
	want := unhex(t, goldenLength+goldenPacket)
	if got := readFull(t, c, len(want)); !bytes.Equal(got, want) {
		t.Fatalf("on the wire %x", got)
	}
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	a.Send(peer, unhex(t, goldenPacket), Datagram)
	if got := readFull(t, c, len(want)); !bytes.Equal(got, want) {
		t.Fatalf("on the wire %x", got)
	}
	if len(a.in) != 0 {
		t.Error("a packet was read from a connection that this node dialled")
	}
}

// A peer that closes its end while nothing is to be sent loses no packet: the
// next goes over a fresh connection (section 19.3, L15).
func TestPeerClosesIdleConnection(t *testing.T) {
	peer := freeID(t)
	l := listenRaw(t, peer)
	a := startTCP(t, nil)
	for i := range byte(5) {
		a.Send(peer, []byte{i}, Stream)
		c := acceptRaw(t, l)
		if got := readFull(t, c, 5); !bytes.Equal(got, frames([]byte{i})) {
			t.Fatalf("packet %d: on the wire %x", i, got)
		}
		c.Close()
		await.True(t, "the node notices", func() bool { return a.linkOf(peer) == nil })
	}
	if n := a.rec.count(event.NetError, nil); n != 0 {
		t.Errorf("%d errors, want none", n)
	}
}

// A peer that is closed in the middle of a frame gets whole frames on the next
// connection, in order, and all that were not handed to the system.
func TestTornConnection(t *testing.T) {
	// Two connections are torn; the buffers of the system, a few MiB, swallow
	// less than the packets that are left then.
	const count, size = 150, 300000
	peer := freeID(t)
	l := listenRaw(t, peer)
	a := startTCP(t, nil)
	for i := range count {
		p := make([]byte, size)
		binary.BigEndian.PutUint32(p, uint32(i))
		a.Send(peer, p, Stream)
	}
	next := uint32(0)
	for connections := 1; next < count; connections++ {
		c := acceptRaw(t, l)
		c.SetReadBuffer(1 << 20)
		frame := make([]byte, size+4)
		for read := 0; next < count; read++ {
			if read == 3 && connections <= 2 {
				readFull(t, c, size/2) // then close within the frame
				break
			}
			if _, err := io.ReadFull(c, frame); err != nil {
				t.Fatal(err)
			}
			i := binary.BigEndian.Uint32(frame[4:])
			if binary.BigEndian.Uint32(frame) != size+4 || i < next || i >= count {
				t.Fatalf("connection %d: frame of length %d with packet %d, want one from %d on",
					connections, binary.BigEndian.Uint32(frame), i, next)
			}
			next = i + 1
		}
		c.Close()
	}
}

// A packet of exactly UDPMaxSize goes by UDP, one byte more by TCP; class
// Stream always by TCP.
func TestUDPMaxSize(t *testing.T) {
	const limit = 700
	peer := freeID(t)
	l := listenRaw(t, peer)
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(peer.AddrPort()))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	a := startTCP(t, func(c *Config) { c.UDPMaxSize = limit })
	packets := randomPackets(limit, limit+1, limit, 1)

	a.Send(peer, packets[0], Datagram)
	buf := make([]byte, 65536)
	udp.SetReadDeadline(time.Now().Add(await.Limit(t)))
	n, _, err := udp.ReadFromUDPAddrPort(buf)
	if err != nil || !bytes.Equal(buf[:n], packets[0]) {
		t.Fatalf("datagram of %d bytes, %v", n, err)
	}
	a.Send(peer, packets[1], Datagram)
	a.Send(peer, packets[2], Stream)
	want := frames(packets[1], packets[2])
	if got := readFull(t, acceptRaw(t, l), len(want)); !bytes.Equal(got, want) {
		t.Error("wrong bytes on the connection")
	}
	await.True(t, "one datagram is counted", func() bool { return a.rec.count(event.NetUDPOut, nil) == 1 })
}

// What waits for a peer is bounded in packets and in bytes; what goes beyond is
// dropped and counted.
func TestSlowPeerIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		size   int
	}{
		"packets": {func(c *Config) { c.QueuePacketsMax = 10 }, 1 << 20},
		"bytes":   {func(c *Config) { c.QueueBytesMax = 10485760 }, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			peer := freeID(t)
			l := listenRaw(t, peer)
			a := startTCP(t, c.change)
			packet := make([]byte, c.size)
			a.Send(peer, packet, Stream)
			acceptRaw(t, l) // and reads nothing
			await.True(t, "the queue fills up", func() bool {
				a.Send(peer, packet, Stream)
				return a.rec.count(event.NetQueueFull, nil) > 100
			})
			a.peersMu.RLock()
			q := &a.peers[peer].queue
			a.peersMu.RUnlock()
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.packets > 10 || q.bytes > 10485760 {
				t.Errorf("%d packets with %d bytes wait", q.packets, q.bytes)
			}
		})
	}
}

// What waited too long for a peer that is down is dropped, the rest is sent
// once it is up.
func TestStalePacketsAreDropped(t *testing.T) {
	peer := freeID(t)
	a := startTCP(t, func(c *Config) {
		c.QueueAgeMax = 100 * time.Millisecond
		c.BackoffMax = 20 * time.Millisecond
		c.BackoffMin = time.Millisecond
	})
	stale := func(e event.Event) bool {
		return errors.Is(e.Err, errStale) && e.Took > 100*time.Millisecond && e.Peer == peer
	}
	for i := range byte(10) {
		a.Send(peer, []byte{i}, Stream)
	}
	await.True(t, "packets become stale", func() bool { return a.rec.count(event.NetDequeue, stale) == 10 })
	l := listenRaw(t, peer)
	a.Send(peer, []byte("fresh"), Stream)
	if got := readFull(t, acceptRaw(t, l), 9); !bytes.Equal(got, frames([]byte("fresh"))) {
		t.Errorf("on the wire %x", got)
	}
}

// A peer that is reached and takes nothing is given up and dialled again.
func TestStalledPeer(t *testing.T) {
	peer := freeID(t)
	l := listenRaw(t, peer)
	a := startTCP(t, func(c *Config) { c.StallMax = 50 * time.Millisecond })
	packet := make([]byte, 1<<20)
	for range 50 {
		a.Send(peer, packet, Stream)
	}
	acceptRaw(t, l)
	acceptRaw(t, l)
	if n := a.rec.count(event.NetError, func(e event.Event) bool { return e.Peer == peer }); n == 0 {
		t.Error("no error was reported")
	}
}

// The write deadline is the net under the system's own watch: it strikes where
// the other end takes nothing, not where it is slow.
func TestWriteDeadline(t *testing.T) {
	id := freeID(t)
	l := listenRaw(t, id)
	// So long no goroutine of this process stands still, however busy the machine.
	a := startTCP(t, func(c *Config) { c.StallMax = 2 * time.Second })
	conn, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(id.AddrPort()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stalling := newStallConn(a.TCP, conn)
	p := &peer{t: a.TCP, link: &link{conn: stalling}}
	silent := acceptRaw(t, l)
	items := []item{{packet: make([]byte, 64<<20)}}
	p.round.fill(items)
	wrote, err := p.writeAll()
	if !errors.Is(err, os.ErrDeadlineExceeded) || wrote >= 64<<20 {
		t.Fatalf("wrote %d, %v, want a deadline", wrote, err)
	}
	go io.Copy(io.Discard, silent)
	stalling.armed = a.now() - time.Hour // the deadline that struck lies behind
	if _, err := p.writeAll(); err != nil {
		t.Errorf("a reading peer: %v", err)
	}
}

// A program that accepts and closes at once is not dialled in a loop.
func TestPeerThatClosesAtOnce(t *testing.T) {
	peer := freeID(t)
	l := listenRaw(t, peer)
	a := startTCP(t, func(c *Config) { c.BackoffMin, c.BackoffMax = 40*time.Millisecond, 40*time.Millisecond })
	begin := time.Now()
	dials := 0
	for time.Since(begin) < 400*time.Millisecond || dials < 2 {
		a.Send(peer, []byte("x"), Stream)
		l.SetDeadline(time.Now().Add(5 * time.Millisecond))
		if c, err := l.Accept(); err == nil {
			c.Close()
			dials++
		}
	}
	// A machine that is busy may need longer for two. Attempts are at least 20 ms apart; each good connection is a short one,
	// unless the machine stood still.
	if limit := int(time.Since(begin)/(20*time.Millisecond)) + 2; dials > limit {
		t.Errorf("%d connections in %v, want at most %d", dials, time.Since(begin), limit)
	}
}

// A peer that talks on a one-way connection is not listened to for ever.
func TestPeerThatTalks(t *testing.T) {
	peer := freeID(t)
	l := listenRaw(t, peer)
	a := startTCP(t, nil)
	a.Send(peer, []byte("x"), Stream)
	c := acceptRaw(t, l)
	c.SetWriteDeadline(time.Now().Add(await.Limit(t)))
	for sent := 0; sent < 100<<20; sent += 1 << 16 {
		if _, err := c.Write(make([]byte, 1<<16)); err != nil {
			break
		}
	}
	await.True(t, "the connection is given up", func() bool {
		return a.rec.count(event.NetError, func(e event.Event) bool { return errors.Is(e.Err, errTalks) }) == 1
	})
	if len(a.in) != 0 {
		t.Error("what it said was taken for packets")
	}
}

// What cannot be sent is dropped, with an event that says so.
func TestSendDrops(t *testing.T) {
	peer := freeID(t)
	a := startTCP(t, func(c *Config) { c.PacketBytesMax = 100 })
	for _, c := range []struct {
		name   string
		to     nodeid.ID
		packet []byte
		kind   event.Kind
	}{
		{"self", a.cfg.Me, []byte("x"), event.NetNoPeer},
		{"none", 0, []byte("x"), event.NetNoPeer},
		{"port 0", peer &^ 0xffff, []byte("x"), event.NetNoPeer},
		{"port 65536", peer | 1<<16, []byte("x"), event.NetNoPeer},
		{"0.0.0.0", 8001, []byte("x"), event.NetNoPeer},
		{"multicast", 224<<32 | 8001, []byte("x"), event.NetNoPeer},
		{"empty", peer, nil, event.NetError},
		{"too large", peer, make([]byte, 101), event.NetTooLarge},
	} {
		before := a.rec.count(c.kind, nil)
		a.Send(c.to, c.packet, Stream)
		if got := a.rec.count(c.kind, nil) - before; got != 1 {
			t.Errorf("%s: %d events of kind %v, want 1", c.name, got, c.kind)
		}
	}
	if n := len(a.peers); n != 0 {
		t.Errorf("%d peers, want none", n)
	}
	a.Close()
	a.Send(peer, []byte("x"), Stream)
	if a.rec.count(event.NetQueueFull, nil) != 1 {
		t.Error("a packet after Close is not counted")
	}
}

// Ids out of forged packets do not make the node dial without bound, and those
// that nobody asks for any more are forgotten.
func TestPeersAreBounded(t *testing.T) {
	rec := &recorder{}
	n, err := NewTCP(Config{Me: freeID(t), Observer: rec, PeerMax: 3, QueueAgeMax: 10 * time.Millisecond, BackoffMin: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	n.peerIdle = 20 * time.Millisecond
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ids := []nodeid.ID{freeID(t), freeID(t), freeID(t), freeID(t), freeID(t)}
	peers := func() int {
		n.peersMu.RLock()
		defer n.peersMu.RUnlock()
		return len(n.peers)
	}
	for _, id := range ids {
		n.Send(id, []byte("x"), Stream)
		if peers() > 3 {
			t.Fatalf("%d peers", peers())
		}
	}
	await.True(t, "the peers are forgotten", func() bool { return peers() == 0 })
	await.True(t, "their goroutines end", func() bool { return len(ownGoroutines()) == 2 })
	// And they can come back.
	l := listenRaw(t, ids[0])
	n.Send(ids[0], []byte("back"), Stream)
	if got := readFull(t, acceptRaw(t, l), 8); !bytes.Equal(got, frames([]byte("back"))) {
		t.Errorf("on the wire %x", got)
	}
}

func TestSendDoesNotAllocate(t *testing.T) {
	peer := freeID(t)
	n, err := NewTCP(Config{Me: freeID(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	packet := make([]byte, 100)
	for range 2 * 10240 { // until the queue has all the room it may take
		n.Send(peer, packet, Stream)
	}
	if allocs := testing.AllocsPerRun(1000, func() { n.Send(peer, packet, Stream) }); allocs > 0 {
		t.Errorf("%v allocations for one packet", allocs)
	}
}
