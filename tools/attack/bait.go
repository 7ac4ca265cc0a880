package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// bait is an attacker at an address of its own, which nodes can dial. It takes
// note of what they send, and may answer.
type bait struct {
	on  *host
	me  nodeid.ID
	all net.Listener

	mu     sync.Mutex
	conns  []net.Conn
	sends  map[string]net.Conn
	got    map[paxos.Kind]int
	values [][]byte // of LearnValues
	answer func(ask *paxos.Message, group int) []paxos.Message
	wg     sync.WaitGroup
}

// packetMax is more than a node of the test sends.
const packetMax = 16 << 20

// newBait listens on a host. answer makes the answers to a message; nil makes
// none.
func newBait(on *host, answer func(m *paxos.Message, group int) []paxos.Message) (*bait, error) {
	l, err := on.listen()
	if err != nil {
		return nil, err
	}
	me, err := nodeid.Parse(l.Addr().String())
	if err != nil {
		l.Close()
		return nil, err
	}
	b := &bait{on: on, me: me, all: l, sends: map[string]net.Conn{}, got: map[paxos.Kind]int{}, answer: answer}
	b.wg.Go(b.accept)
	return b, nil
}

func (b *bait) close() {
	b.all.Close()
	b.mu.Lock()
	for _, c := range b.conns {
		c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *bait) accept() {
	for {
		c, err := b.all.Accept()
		if err != nil {
			return
		}
		b.keep(c)
		b.wg.Go(func() { b.read(c) })
	}
}

func (b *bait) keep(c net.Conn) {
	b.mu.Lock()
	b.conns = append(b.conns, c)
	b.mu.Unlock()
}

func (b *bait) read(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		packet, err := readFrame(in)
		if err != nil {
			return
		}
		p, err := wire.Open(packet)
		if err != nil || p.Command != wire.CommandPaxos {
			continue
		}
		var m paxos.Message
		if p.Message(&m) == nil {
			b.take(&m, &p)
		}
	}
}

func readFrame(in io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n <= 4 || n > packetMax {
		return nil, io.ErrUnexpectedEOF
	}
	packet := make([]byte, n-4)
	_, err := io.ReadFull(in, packet)
	return packet, err
}

func (b *bait) take(m *paxos.Message, p *wire.Packet) {
	b.mu.Lock()
	b.got[m.Kind]++
	if m.Kind == paxos.LearnValue {
		b.values = append(b.values, m.Value)
	}
	b.mu.Unlock()
	if b.answer == nil {
		return
	}
	h := wire.Header{Group: p.Group, Cluster: p.Cluster, CRC: true, Identity: p.Identity}
	for _, a := range b.answer(m, p.Group) {
		a.From = b.me
		_ = b.send(m.From.String(), wire.AppendMessage(nil, h, &a)) // a node that went away is not attacked
	}
}

// send sends packets to a node over a connection that stays.
func (b *bait) send(to string, packets ...[]byte) error {
	b.mu.Lock()
	c := b.sends[to]
	b.mu.Unlock()
	if c == nil {
		var err error
		if c, err = b.on.dial(to); err != nil {
			return err
		}
		b.keep(c)
	}
	var all []byte
	for _, p := range packets {
		all = append(all, frame(p)...)
	}
	_, err := c.Write(all)
	b.mu.Lock()
	if b.sends[to] = c; err != nil {
		delete(b.sends, to)
	}
	b.mu.Unlock()
	return err
}

// received returns how many messages of a kind came in.
func (b *bait) received(k paxos.Kind) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[k]
}
