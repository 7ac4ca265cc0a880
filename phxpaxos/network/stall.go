package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// stallConn is a dialled TCP connection on which a write gives up when the
// peer takes nothing. One goroutine writes at a time.
type stallConn struct {
	*net.TCPConn
	t     *TCP
	armed time.Duration // when the write deadline was last set
	one   [1][]byte     // the piece of Write
}

func newStallConn(t *TCP, conn *net.TCPConn) *stallConn {
	return &stallConn{TCPConn: conn, t: t, armed: t.now() - t.cfg.StallMax - 1}
}

// Write writes b for a Transport.
func (c *stallConn) Write(b []byte) (int, error) {
	c.one[0] = b
	rest := net.Buffers(c.one[:])
	n, err := c.writePieces(&rest)
	c.one[0] = nil
	return n, err
}

// writePieces writes all of rest. The deadline is set at most once in StallMax,
// not for each write: it lies two of them ahead, so it strikes only a write
// during which the peer took nothing for at least StallMax.
func (c *stallConn) writePieces(rest *net.Buffers) (wrote int, err error) {
	for {
		if now := c.t.now(); now-c.armed > c.t.cfg.StallMax {
			c.armed = now
			if err := c.SetWriteDeadline(time.Now().Add(2 * c.t.cfg.StallMax)); err != nil {
				return wrote, err
			}
		}
		n, err := rest.WriteTo(c.TCPConn)
		wrote += int(n)
		if err == nil {
			return wrote, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if n > 0 {
				continue // slow, but alive
			}
			return wrote, fmt.Errorf("peer took nothing for %v: %w", c.t.cfg.StallMax, err)
		}
		return wrote, err
	}
}
