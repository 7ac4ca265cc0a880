package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// capture records what hosts send by TCP, as an attacker on the path does.
type capture struct {
	fd int

	mu    sync.Mutex
	flows map[flow]*stream
	ended chan struct{}
}

// flow is one direction of a connection.
type flow struct{ from, to netip.AddrPort }

// stream is the bytes of a flow that came in order. The bridge repeats what it
// forwards, and TCP repeats what was lost: both are skipped.
type stream struct {
	next  uint32 // sequence number of the next byte
	bytes []byte
}

// captureBytesMax bounds what is kept of a flow.
const captureBytesMax = 1 << 20

// startCapture records on all links of a bridge from now on.
func startCapture(bridge *host) (*capture, error) {
	c := &capture{flows: map[flow]*stream{}, ended: make(chan struct{})}
	err := bridge.do(func() (err error) {
		all := int(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8) // network byte order
		c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all&0xffff)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record packets: %w", err)
	}
	// A read ends by itself now and then, so that stop needs no signal.
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
		unix.Close(c.fd)
		return nil, fmt.Errorf("record packets: %w", err)
	}
	_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20) // a smaller one loses more
	go c.run()
	return c, nil
}

func (c *capture) run() {
	frame := make([]byte, 1<<17)
	for {
		n, err := unix.Read(c.fd, frame)
		select {
		case <-c.ended:
			unix.Close(c.fd)
			c.ended <- struct{}{}
			return
		default:
		}
		if err == nil {
			c.take(frame[:n])
		}
	}
}

// stop ends the recording. What was recorded stays.
func (c *capture) stop() {
	c.ended <- struct{}{}
	<-c.ended
}

// take takes an Ethernet frame.
func (c *capture) take(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, sequence, isFirst, payload, ok := segment(frame)
	s := c.flows[f]
	switch {
	case !ok:
		return
	case isFirst && s == nil:
		c.flows[f] = &stream{next: sequence + 1}
		return
	case s == nil || len(s.bytes) > captureBytesMax:
		return
	}
	skip := s.next - sequence
	if int(skip) >= len(payload) {
		return // seen already, or something before it is missing
	}
	s.bytes = append(s.bytes, payload[skip:]...)
	s.next += uint32(len(payload)) - skip
}

// segment parses a TCP segment in an Ethernet frame.
func segment(frame []byte) (f flow, sequence uint32, isFirst bool, payload []byte, ok bool) {
	const ethernet = 14
	if len(frame) < ethernet+40 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return f, 0, false, nil, false
	}
	packet := frame[ethernet:]
	length, header := int(binary.BigEndian.Uint16(packet[2:])), int(packet[0]&0xf)*4
	if packet[9] != unix.IPPROTO_TCP || header < 20 || length > len(packet) || header+20 > length {
		return f, 0, false, nil, false
	}
	source, target := netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))
	tcp := packet[header:length]
	offset := int(tcp[12]>>4) * 4
	if offset < 20 || offset > len(tcp) {
		return f, 0, false, nil, false
	}
	f.from = netip.AddrPortFrom(source, binary.BigEndian.Uint16(tcp))
	f.to = netip.AddrPortFrom(target, binary.BigEndian.Uint16(tcp[2:]))
	const syn = 2
	return f, binary.BigEndian.Uint32(tcp[4:]), tcp[13]&syn != 0, tcp[offset:], true
}

// stream returns the longest recording of a connection from a host to an
// address, from its first byte on.
func (c *capture) stream(from, to string) (longest []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f, s := range c.flows {
		if f.from.Addr().String() == from && f.to.String() == to && len(s.bytes) > len(longest) {
			longest = s.bytes
		}
	}
	return longest
}
