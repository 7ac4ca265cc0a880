package network

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// recorder is an Observer that remembers.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Observe(e event.Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
}

// count returns how many events of the kind fit.
func (r *recorder) count(kind event.Kind, fits func(event.Event) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if e.Kind == kind && (fits == nil || fits(e)) {
			n++
		}
	}
	return n
}

// fixture is one started network with what it reported and received.
type fixture struct {
	*TCP
	rec recorder
	in  chan []byte
}

// freeID picks an address at which nothing listens, and nobody else will before
// the test has ended.
func freeID(t testing.TB) nodeid.ID {
	t.Helper()
	ids, release, err := freeaddr.Hold(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return ids[0]
}

// startTCP starts a network on a free address, closed at the end of the test.
func startTCP(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	return startWith(t, change, func(*TCP) {})
}

// startWith is startTCP with something to do before the start.
func startWith(t testing.TB, change func(*Config), before func(*TCP)) *fixture {
	t.Helper()
	f := &fixture{in: make(chan []byte, 100000)}
	cfg := Config{Me: freeID(t), Observer: &f.rec}
	if change != nil {
		change(&cfg)
	}
	n, err := NewTCP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.TCP = n
	before(n)
	if err := n.Start(func(p []byte) { f.in <- p }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

// got returns the next packet that arrives.
func (f *fixture) got(t testing.TB) []byte {
	t.Helper()
	select {
	case p := <-f.in:
		return p
	case <-time.After(await.Limit(t)):
		t.Fatal("no packet arrives")
		return nil
	}
}

// listenRaw listens where a peer would.
func listenRaw(t testing.TB, id nodeid.ID) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(id.AddrPort()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// acceptRaw accepts one connection.
func acceptRaw(t testing.TB, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	l.SetDeadline(time.Now().Add(await.Limit(t)))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatalf("nobody dials: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(await.Limit(t)))
	t.Cleanup(func() { c.Close() })
	return c
}

// readFull reads n bytes.
func readFull(t testing.TB, r io.Reader, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatalf("reading %d bytes: %v", n, err)
	}
	return b
}

// dialRaw connects to a node as a stranger.
func dialRaw(t testing.TB, id nodeid.ID) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", id.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// closedByNode says that the node closed the connection, without having
// written anything to it.
func closedByNode(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(await.Limit(t)))
	n, err := c.Read(make([]byte, 1))
	if ne, ok := err.(net.Error); n > 0 || err == nil || ok && ne.Timeout() {
		t.Fatalf("read %d bytes, %v: the node did not close the connection", n, err)
	}
}

// linkOf returns the connection to a peer, nil if there is none.
func (f *fixture) linkOf(id nodeid.ID) *link {
	f.peersMu.RLock()
	p := f.peers[id]
	f.peersMu.RUnlock()
	if p == nil {
		return nil
	}
	p.linkMu.Lock()
	defer p.linkMu.Unlock()
	return p.link
}

// ownGoroutines returns the stacks of goroutines that run methods of a network.
func ownGoroutines() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var own []string
	for _, stack := range strings.Split(string(buf), "\n\n") {
		for _, part := range []string{"network.(*peer)", "network.(*acceptor)", "network.(*udpReader)", "network.(*udpWriter)"} {
			if strings.Contains(stack, part) {
				own = append(own, stack)
				break
			}
		}
	}
	return own
}
