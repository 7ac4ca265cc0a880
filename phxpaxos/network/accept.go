package network

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// errEvicted says that a connection was closed to make room for another.
var errEvicted = errors.New("closed to make room")

// inbound is one accepted connection. It is only ever read from (section 5.4).
type inbound struct {
	net.Conn
	t        *TCP
	proven   atomic.Bool  // it has brought a whole packet
	lastRead atomic.Int64 // on the network's clock

	// Guarded by the acceptor's mu:
	claimed int           // memory held by a packet that has arrived in part
	since   time.Duration // when that packet began
	evicted bool
}

// Read notes that the connection is alive.
func (c *inbound) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.lastRead.Store(int64(c.t.now()))
	}
	return n, err
}

// acceptor accepts connections and keeps the table of them.
type acceptor struct {
	t        *TCP
	listener net.Listener

	mu      sync.Mutex
	conns   map[*inbound]struct{}
	partial int // the sum of claimed over conns
	closed  bool
}

// run accepts until the listener is closed.
func (a *acceptor) run() {
	defer a.t.wg.Done()
	delay := time.Duration(0)
	for {
		conn, err := a.listener.Accept()
		if err == nil {
			delay = 0
			a.adopt(conn)
			continue
		}
		if a.t.ctx.Err() != nil {
			return
		}
		// Out of file descriptors, or the peer was gone already: neither is a
		// reason to stop, but the first would make the loop spin.
		a.t.observe(event.Event{Kind: event.NetError, Group: -1, Err: err})
		a.t.complain(&a.t.acceptTrouble, "cannot accept a connection", "err", err)
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		a.t.sleep(delay)
	}
}

func (a *acceptor) adopt(conn net.Conn) {
	c := &inbound{Conn: conn, t: a.t}
	c.lastRead.Store(int64(a.t.now()))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		conn.Close()
		return
	}
	if len(a.conns) >= a.t.cfg.AcceptMax {
		a.evictIdlest()
	}
	a.conns[c] = struct{}{}
	a.t.observe(event.Event{Kind: event.NetAccept, Group: -1})
	a.t.log.Debug("accepted a connection", "from", conn.RemoteAddr().String())
	a.t.wg.Add(1) // the accept loop holds one
	go a.serve(c)
}

// evictIdlest makes room for one connection. The caller holds mu. The table is
// searched, which costs less than accepting does.
func (a *acceptor) evictIdlest() {
	var idlest *inbound
	for c := range a.conns {
		if idlest == nil || worse(c, idlest) {
			idlest = c
		}
	}
	a.evict(idlest)
	a.t.complain(&a.t.evictTrouble, "too many connections, closed one", "from", idlest.RemoteAddr().String(), "AcceptMax", a.t.cfg.AcceptMax)
}

// evict ends a connection and takes it off all accounts at once, or what it
// still holds for a moment would cost another one its place. The caller holds mu.
func (a *acceptor) evict(c *inbound) {
	delete(a.conns, c)
	a.partial -= c.claimed
	c.claimed = 0
	c.evicted = true
	c.Close()
}

// worse says that c is to be closed rather than d.
func worse(c, d *inbound) bool {
	if cp, dp := c.proven.Load(), d.proven.Load(); cp != dp {
		return dp
	}
	return c.lastRead.Load() < d.lastRead.Load()
}

// serve reads a connection until it ends, and closes it at once then
// (section 19.3, L9).
func (a *acceptor) serve(c *inbound) {
	defer a.t.wg.Done()
	admitter, _ := c.Conn.(Admitter)
	gate := a.t.newGate(sourceOf(c.RemoteAddr()))
	var refused error
	reader := frameReader{
		src: c,
		max: a.t.cfg.PacketBytesMax,
		deliver: func(packet []byte) {
			if refused == nil && !gate.admit(packet) {
				return
			}
			if admitter != nil && refused == nil {
				if refused = admitter.Admit(packet); refused != nil {
					c.Close() // ends the reader
				}
			}
			if refused != nil {
				return
			}
			c.proven.Store(true)
			a.t.observe(event.Event{Kind: event.NetTCPIn, Group: -1, Size: len(packet)})
			a.t.receive(packet)
		},
		claim: func(bytes int) { a.claim(c, bytes) },
		turn: func(packets int) {
			a.t.observe(event.Event{Kind: event.NetLoop, Group: -1, Number: uint64(packets)})
		},
	}
	err := reader.run()
	c.Close()
	a.mu.Lock()
	delete(a.conns, c)
	evicted := c.evicted
	a.mu.Unlock()
	if refused != nil {
		err = refused
	}
	a.report(c, evicted, err)
}

// claim accounts for the memory of a packet that arrives in part, and evicts
// the slowest of these packets if they hold too much together.
func (a *acceptor) claim(c *inbound, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.evicted {
		return
	}
	if c.claimed == 0 {
		c.since = a.t.now()
	}
	c.claimed += bytes
	a.partial += bytes
	for a.partial > a.t.cfg.ReceiveBytesMax {
		slowest := c
		for d := range a.conns {
			if d.claimed > 0 && d.since < slowest.since {
				slowest = d
			}
		}
		a.evict(slowest)
		a.t.complain(&a.t.evictTrouble, "too much memory in half received packets, closed a connection",
			"from", slowest.RemoteAddr().String(), "ReceiveBytesMax", a.t.cfg.ReceiveBytesMax)
		if slowest == c {
			return
		}
	}
}

// report tells why a connection ended.
func (a *acceptor) report(c *inbound, evicted bool, err error) {
	if a.t.ctx.Err() != nil {
		return
	}
	switch {
	case evicted:
		a.t.observe(event.Event{Kind: event.NetError, Group: -1, Err: errEvicted})
	case errors.Is(err, ErrRefused): // the transport has said so
	case errors.Is(err, io.EOF):
		a.t.log.Debug("a connection ended", "from", c.RemoteAddr().String())
	case errors.Is(err, errFrameLength), errors.Is(err, io.ErrUnexpectedEOF):
		a.t.observe(event.Event{Kind: event.NetTCPShort, Group: -1, Err: err})
		a.t.complain(&a.t.frameTrouble, "a connection brought something that is no packet", "from", c.RemoteAddr().String(), "err", err)
	default:
		a.t.observe(event.Event{Kind: event.NetError, Group: -1, Err: err})
		a.t.log.Debug("a connection failed", "from", c.RemoteAddr().String(), "err", err)
	}
}

// close ends the listener and every connection.
func (a *acceptor) close() error {
	err := a.listener.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for c := range a.conns {
		c.Close()
	}
	return err
}
