package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// packetMax is more than any packet of these servers.
const packetMax = 64 << 20

// proxy stands before one server: its peers connect here. A connection
// carries packets in one direction, of one sender, whose name is in each.
type proxy struct {
	links    *links
	ids      []nodeid.ID
	to       int
	target   string
	listener net.Listener

	mu    sync.Mutex
	conns map[net.Conn]bool // nil once closed
	wg    sync.WaitGroup
}

func newProxy(l *links, ids []nodeid.ID, to int, target string) (*proxy, error) {
	listener, err := net.Listen("tcp4", ids[to].String())
	if err != nil {
		return nil, err
	}
	p := &proxy{links: l, ids: ids, to: to, target: target, listener: listener, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// close ends all connections.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		conn.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.links.set(whole) // wakes whoever waits for a link
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.keep(conn) {
			return
		}
		p.wg.Go(func() {
			defer p.drop(conn)
			_ = p.carry(conn) // the end of a connection is nothing to tell of
		})
	}
}

func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		conn.Close()
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *proxy) drop(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

func (p *proxy) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns == nil
}

// carry hands packets on, one at a time, as the link allows.
func (p *proxy) carry(in net.Conn) error {
	out, err := net.Dial("tcp4", p.target)
	if err != nil {
		return err // the server is down
	}
	if !p.keep(out) {
		return net.ErrClosed
	}
	defer p.drop(out)
	// When the server goes, its peer has to notice.
	p.wg.Go(func() {
		io.Copy(io.Discard, out)
		in.Close()
	})
	var frame []byte
	from := -1
	for {
		if frame, err = readFrame(in, frame); err != nil {
			return err
		}
		if from < 0 {
			if from, err = p.sender(frame[4:]); err != nil {
				return err
			}
		}
		if err := p.pass(from); err != nil {
			return err
		}
		if _, err := out.Write(frame); err != nil {
			return err
		}
	}
}

// pass waits until the link lets a packet through.
func (p *proxy) pass(from int) error {
	for {
		state, changed := p.links.get(from, p.to)
		switch {
		case p.closed():
			return net.ErrClosed
		case state == whole:
			return nil
		case state == dropped:
			return errors.New("the link is cut")
		}
		<-changed
	}
}

// readFrame reads one packet with its length in front.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	buf = append(buf[:0], 0, 0, 0, 0)
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, err
	}
	n := binary.BigEndian.Uint32(buf)
	if n <= 4 || n > packetMax {
		return buf, fmt.Errorf("a frame of %d bytes", n)
	}
	buf = append(buf, make([]byte, n-4)...)
	_, err := io.ReadFull(r, buf[4:])
	return buf, err
}

// sender says which server a packet comes from.
func (p *proxy) sender(packet []byte) (int, error) {
	opened, err := wire.Open(packet)
	if err != nil {
		return 0, err
	}
	var from nodeid.ID
	if opened.Command == wire.CommandCheckpoint {
		var c wire.Checkpoint
		err = opened.Checkpoint(&c)
		from = c.From
	} else {
		var m paxos.Message
		err = opened.Message(&m)
		from = m.From
	}
	if err != nil {
		return 0, err
	}
	for i, id := range p.ids {
		if id == from {
			return i, nil
		}
	}
	return 0, fmt.Errorf("a packet of a stranger, %v", from)
}
