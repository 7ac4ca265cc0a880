package network

import (
	"net"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

const (
	// udpReadBytes is more than any datagram holds, so none is cut short.
	udpReadBytes = 64 << 10
	// udpSocketBytes is asked of the kernel for each socket: a burst of many
	// groups overflows its default. The kernel may grant less.
	udpSocketBytes = 4 << 20
)

// udpReader receives datagrams: each is one packet (section 5.2).
type udpReader struct {
	t    *TCP
	conn *net.UDPConn
}

// run receives until the socket is closed.
func (u *udpReader) run() {
	defer u.t.wg.Done()
	var arrived slab
	buf := make([]byte, udpReadBytes)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err != nil:
			if u.t.ctx.Err() != nil {
				return
			}
			u.t.observe(event.Event{Kind: event.NetError, Group: -1, Err: err})
			u.t.complain(&u.t.udpTrouble, "cannot receive a datagram", "err", err)
			u.t.sleep(5 * time.Millisecond)
		case n == 0: // the original ignores these too
		case n > u.t.cfg.PacketBytesMax:
			u.t.observe(event.Event{Kind: event.NetTooLarge, Group: -1, Size: n})
		case !u.t.datagram(buf[:n], from.Addr().Unmap()): // counted
		default:
			u.t.observe(event.Event{Kind: event.NetUDPIn, Group: -1, Size: n})
			u.t.receive(arrived.copyOf(buf[:n]))
		}
	}
}

// slab makes copies of small packets that share an allocation.
type slab struct {
	chunk []byte
}

func (s *slab) copyOf(b []byte) []byte {
	if len(b) >= largeFrameBytes {
		return append([]byte(nil), b...)
	}
	if len(b) > len(s.chunk) {
		s.chunk = make([]byte, largeFrameBytes)
	}
	c := s.chunk[:len(b):len(b)]
	s.chunk = s.chunk[len(b):]
	copy(c, b)
	return c
}

// udpWriter sends datagrams from a socket of its own, one queue for all peers.
// It has a goroutine, since a full socket would block the sender.
type udpWriter struct {
	t     *TCP
	conn  *net.UDPConn
	queue queue
}

func (u *udpWriter) push(it item) {
	if u.queue.push(it) != queued {
		u.t.observe(event.Event{Kind: event.NetUDPQueueFull, Group: -1, Peer: it.to, Size: len(it.packet)})
	}
}

// run sends until the queue is shut.
func (u *udpWriter) run() {
	defer u.t.wg.Done()
	var spare []item
	for {
		items, open := u.queue.take(spare)
		if !open {
			return
		}
		if len(items) == 0 {
			<-u.queue.wake
			continue
		}
		bytes := 0
		for i := range items {
			bytes += len(items[i].packet)
			u.send(&items[i])
			items[i] = item{}
		}
		u.queue.release(len(items), bytes)
		spare = items[:0]
	}
}

func (u *udpWriter) send(it *item) {
	out := event.Event{Kind: event.NetUDPOut, Group: -1, Peer: it.to, Size: len(it.packet)}
	if wait := u.t.now() - it.at; wait > u.t.cfg.QueueAgeMax {
		out.Kind, out.Took, out.Err = event.NetDequeue, wait, errStale
	} else if _, err := u.conn.WriteToUDPAddrPort(it.packet, it.to.AddrPort()); err != nil {
		out.Kind, out.Err = event.NetError, err
	}
	u.t.observe(out)
}

// reachable says whether id carries an address that packets can be sent to.
func reachable(id nodeid.ID) bool {
	ap := id.AddrPort()
	return uint32(id) <= 65535 && ap.Port() != 0 && !ap.Addr().IsUnspecified() && !ap.Addr().IsMulticast()
}
