package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// The bytes of an original node arrive by TCP and by UDP; nothing is ever
// written on an accepted connection.
func TestReceiveGolden(t *testing.T) {
	a := startTCP(t, nil)
	want := unhex(t, goldenPacket)
	c := dialRaw(t, a.cfg.Me)
	wire := unhex(t, goldenLength+goldenPacket)
	c.Write(append(bytes.Clone(wire), wire...))
	for range 2 {
		if got := a.got(t); !bytes.Equal(got, want) {
			t.Fatalf("received %x", got)
		}
	}
	u, err := net.Dial("udp4", a.cfg.Me.String())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.Write(nil) // an empty datagram is nothing
	u.Write(want)
	if got := a.got(t); !bytes.Equal(got, want) {
		t.Fatalf("received %x", got)
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes and %v from an accepted connection", n, err)
	}
	a.Close()
	closedByNode(t, c)
}

// The largest packet arrives, one byte more ends the connection, and so does
// every length that no frame has; the packets before it arrive.
func TestReceiveLengths(t *testing.T) {
	a := startTCP(t, func(c *Config) { c.PacketBytesMax = 50000 })
	c := dialRaw(t, a.cfg.Me)
	largest := randomPackets(50000)
	c.Write(frames(largest...))
	if got := a.got(t); !bytes.Equal(got, largest[0]) {
		t.Fatal("the largest packet differs")
	}
	for i, length := range []uint32{0, 3, 4, 50005, 1<<32 - 1} {
		c := dialRaw(t, a.cfg.Me)
		c.Write(binary.BigEndian.AppendUint32(frames([]byte("good")), length))
		if got := a.got(t); string(got) != "good" {
			t.Fatalf("received %q", got)
		}
		closedByNode(t, c)
		await.True(t, "it is counted", func() bool { return a.rec.count(event.NetTCPShort, nil) == i+1 })
	}
}

// A connection that ends within a frame is counted, one that ends between two
// is not; nothing of it is delivered.
func TestReceiveTorn(t *testing.T) {
	a := startTCP(t, nil)
	c := dialRaw(t, a.cfg.Me)
	c.Write(frames([]byte("good"))[:7])
	c.Close()
	await.True(t, "it is counted", func() bool { return a.rec.count(event.NetTCPShort, nil) == 1 })
	c = dialRaw(t, a.cfg.Me)
	c.Write(frames([]byte("good")))
	c.Close()
	if got := a.got(t); string(got) != "good" {
		t.Fatalf("received %q", got)
	}
	await.True(t, "connections are cleared away", func() bool { return a.accepted() == 0 })
	if n := a.rec.count(event.NetTCPShort, nil); n != 1 {
		t.Errorf("%d broken connections, want 1", n)
	}
}

func (f *fixture) accepted() int {
	f.acceptor.mu.Lock()
	defer f.acceptor.mu.Unlock()
	return len(f.acceptor.conns)
}

func (f *fixture) partial() int {
	f.acceptor.mu.Lock()
	defer f.acceptor.mu.Unlock()
	return f.acceptor.partial
}

// One more connection than allowed costs the one that never brought a packet,
// however many of them strangers open.
func TestAcceptMax(t *testing.T) {
	a := startTCP(t, func(c *Config) { c.AcceptMax = 3 })
	peer := dialRaw(t, a.cfg.Me)
	peer.Write(frames([]byte("x")))
	a.got(t)
	var strangers []net.Conn
	for i := range 10 {
		strangers = append(strangers, dialRaw(t, a.cfg.Me))
		await.True(t, "it is accepted", func() bool { return a.rec.count(event.NetAccept, nil) == i+2 })
	}
	for _, c := range strangers[:8] {
		closedByNode(t, c)
	}
	peer.Write(frames([]byte("still there")))
	if got := a.got(t); string(got) != "still there" {
		t.Errorf("received %q", got)
	}
	strangers[9].Write(frames([]byte("me too")))
	if got := a.got(t); string(got) != "me too" {
		t.Errorf("received %q", got)
	}
	if n := a.accepted(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// Half received packets may hold only so much together; the slowest goes.
func TestReceiveBytesMax(t *testing.T) {
	const size = 1 << 20
	a := startTCP(t, func(c *Config) { c.PacketBytesMax, c.ReceiveBytesMax = size, 2*size })
	stream := frames(make([]byte, size))
	var conns []net.Conn
	for i := range 3 {
		c := dialRaw(t, a.cfg.Me)
		conns = append(conns, c)
		c.Write(stream[:size/2+100])
		if i < 2 {
			await.True(t, "it has arrived", func() bool { return a.partial() == (i+1)*size })
		}
	}
	closedByNode(t, conns[0])
	for _, c := range conns[1:] {
		c.Write(stream[size/2+100:])
		if got := a.got(t); len(got) != size {
			t.Errorf("received %d bytes", len(got))
		}
	}
	await.True(t, "the memory is given back", func() bool { return a.partial() == 0 })
}

// What strangers do fills no log.
func TestComplaintsAreLimited(t *testing.T) {
	var log syncBuffer
	a := startTCP(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for i := range 50 {
		c := dialRaw(t, a.cfg.Me)
		c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		closedByNode(t, c)
		await.True(t, "it is counted", func() bool { return a.rec.count(event.NetTCPShort, nil) == i+1 })
	}
	a.Close()
	lines := strings.Count(log.String(), "no packet")
	if limit := 2 + int(a.now()/time.Second); lines < 1 || lines > limit {
		t.Errorf("%d lines, want 1..%d", lines, limit)
	}
	if !strings.Contains(log.String(), "from=127.0.0.1:") {
		t.Errorf("the log does not say who it was: %s", log.String())
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestStartErrors(t *testing.T) {
	me := freeID(t)
	n, err := NewTCP(Config{Me: me})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ignore := func([]byte) {}
	fails := func(n *TCP, number error, says string) {
		t.Helper()
		if err := n.Start(ignore); !errors.Is(err, number) || !strings.Contains(err.Error(), says) {
			t.Errorf("Start: %v, want %q", err, says)
		}
	}
	l := listenRaw(t, me)
	fails(n, syscall.EADDRINUSE, "TCP address "+me.String()+" is in use")
	l.Close()
	u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(me.AddrPort()))
	if err != nil {
		t.Fatal(err)
	}
	fails(n, syscall.EADDRINUSE, "UDP address "+me.String()+" is in use")
	u.Close()
	if err := n.Start(nil); err == nil {
		t.Error("started without a receive function")
	}
	if err := n.Start(ignore); err != nil {
		t.Errorf("Start after the address became free: %v", err)
	}
	if err := n.Start(ignore); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("second Start: %v", err)
	}

	elsewhere := me&0xffffffff | 192<<32 | 2<<48 | 1<<56 // 192.0.2.1, for documentation
	m, err := NewTCP(Config{Me: elsewhere})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	fails(m, syscall.EADDRNOTAVAIL, "TCP address 192.0.2.1:")
}

// Close leaves no goroutine and no socket behind, whatever was going on.
func TestCloseEndsEverything(t *testing.T) {
	await.True(t, "other tests' goroutines end", func() bool { return len(ownGoroutines()) == 0 })
	dead, stuck, fine := freeID(t), freeID(t), startTCP(t, nil)
	listenRaw(t, stuck)
	a := startTCP(t, func(c *Config) { c.UDPMaxSize = 100 })
	conn := dialRaw(t, a.cfg.Me)
	conn.Write([]byte{0, 10, 0, 0, 1, 2, 3}) // in the middle of a packet
	for range 30 {
		a.Send(dead, make([]byte, 1<<20), Stream)
		a.Send(stuck, make([]byte, 1<<20), Stream)
	}
	a.Send(fine.cfg.Me, []byte("x"), Stream)
	a.Send(fine.cfg.Me, []byte("x"), Datagram)
	fine.got(t)
	fine.got(t)
	if len(ownGoroutines()) < 6 {
		t.Errorf("the test sees %d goroutines only", len(ownGoroutines()))
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fine.Close(); err != nil {
		t.Fatal(err)
	}
	// wg.Done is the last thing a goroutine does, not its end.
	await.True(t, "goroutines end", func() bool { return len(ownGoroutines()) == 0 })
	closedByNode(t, conn)
	listenRaw(t, a.cfg.Me)
}
