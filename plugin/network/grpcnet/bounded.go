package grpcnet

import (
	"net"
	"sync"
)

// bounded is a listener that holds a limited number of connections. When one
// more comes, the oldest one without a call is closed, so that strangers cannot
// lock peers out; if all have calls, the new one is.
type bounded struct {
	net.Listener
	connsMax int

	mu     sync.Mutex
	conns  map[string]*held // by remote address
	next   uint64
	closed bool
}

// held is one connection.
type held struct {
	net.Conn
	from  *bounded
	order uint64
	calls int
	once  sync.Once
}

func newBounded(l net.Listener, connsMax int) *bounded {
	return &bounded{Listener: l, connsMax: connsMax, conns: make(map[string]*held)}
}

// Accept makes room for the connection that it returns.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		raw, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c, surplus := b.add(raw); surplus == nil {
			return c, nil
		} else if surplus.Close(); surplus != c {
			return c, nil
		}
	}
}

// add holds a connection, and says which one has to go for it, if any.
func (b *bounded) add(raw net.Conn) (c, surplus *held) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	c = &held{Conn: raw, from: b, order: b.next}
	if b.closed {
		return c, c
	}
	b.conns[raw.RemoteAddr().String()] = c
	if len(b.conns) <= b.connsMax {
		return c, nil
	}
	for _, d := range b.conns {
		if d.calls == 0 && (surplus == nil || d.order < surplus.order) {
			surplus = d
		}
	}
	return c, surplus
}

// busy counts the calls on the connection from an address.
func (b *bounded) busy(from net.Addr, change int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.conns[from.String()]; c != nil {
		c.calls += change
	}
}

// closeAll closes every connection that is held or will be. gRPC closes those
// that have proven who they are; for the others it would wait.
func (b *bounded) closeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, c := range b.conns {
		c.Conn.Close()
	}
}

// Close closes the connection and gives its place back.
func (c *held) Close() error {
	c.once.Do(func() {
		b := c.from
		b.mu.Lock()
		defer b.mu.Unlock()
		if name := c.RemoteAddr().String(); b.conns[name] == c {
			delete(b.conns, name)
		}
	})
	return c.Conn.Close()
}
