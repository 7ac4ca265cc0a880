package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/hostlimit"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

var (
	errEmpty     = errors.New("packet is empty")
	errSelf      = errors.New("packet is for this node itself")
	errNotOpen   = errors.New("network is not started or closed")
	errTooMany   = errors.New("too many peers")
	errNoAddress = errors.New("nobody knows an address of the node")
)

// TCP is the default network: the original's framing over TCP, and its
// datagrams (spec/protocol.md section 5). It can have original nodes as peers.
// It receives by TCP and by UDP, whatever it is configured to send by.
//
// Each connection carries packets one way: the node that dials writes, the node
// that accepts reads, an answer goes over a connection of the answering node.
// A peer is dialled when the first packet for it is sent; the connection then
// stays. Each peer has a bounded queue and one goroutine that writes all that
// waits at once. Peers that are down cost an attempt now and then while there
// is something to send to them, idle peers cost nothing.
//
// The packets that arrive together share memory of at most 64 KiB. Who keeps a
// small packet for long should copy it.
//
// An address book (Config.Addresses) lets nodes live elsewhere than their ids
// say, and a Transport puts other connections in the place of plain TCP.
//
// Packets for this node itself, empty ones, ones that are too large, and ones
// sent before Start or after Close are dropped, and the observer is told.
type TCP struct {
	cfg      Config
	log      *slog.Logger
	receive  Receive
	epoch    time.Time     // zero of the network's clock
	peerIdle time.Duration // a peer without connection and packets is forgotten after this

	ctx    context.Context // ends with the network
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines

	frameTrouble, evictTrouble, acceptTrouble, udpTrouble, peerTrouble limiter

	mu      sync.Mutex // of Start and Close
	started bool
	closed  bool
	closing sync.Once

	sender  func(packet []byte) (nodeid.ID, bool) // nil if nobody can say
	sealing *sealing                              // nil without a secret
	source  netip.Addr                            // that connections are made from; not valid if the system chooses
	doubts  hostlimit.Limiter[netip.Addr]

	open     atomic.Bool // Send may queue
	acceptor *acceptor
	udpIn    *udpReader
	udpOut   *udpWriter // nil if nothing is sent by UDP

	peersMu   sync.RWMutex
	peers     map[nodeid.ID]*peer
	peersShut bool
}

var (
	_ Observed   = (*TCP)(nil)
	_ Identifier = (*TCP)(nil)
)

// NewTCP returns a network that listens nowhere yet. The error is that of
// Config.Validate.
func NewTCP(cfg Config) (*TCP, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	t := &TCP{
		cfg:      cfg,
		log:      cfg.Logger.With("node", cfg.Me.String()),
		epoch:    time.Now(),
		peerIdle: pick(cfg.LargeValues, time.Minute, 10*time.Minute),
		peers:    make(map[nodeid.ID]*peer),
	}
	var err error
	if t.sealing, err = newSealing(&cfg); err != nil {
		return nil, err
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// IdentifyBy implements Identifier.
func (t *TCP) IdentifyBy(sender func(packet []byte) (nodeid.ID, bool)) { t.sender = sender }

// ReportTo implements Observed. A Transport that has this method as well is told
// the same.
func (t *TCP) ReportTo(o event.Observer) {
	if t.cfg.Observer == nil {
		t.cfg.Observer = o
	}
	if reports, ok := t.cfg.Transport.(interface{ ReportTo(event.Observer) }); ok {
		reports.ReportTo(o)
	}
}

// Start listens and begins to receive. Until it has succeeded once it may be
// called again. It may fail because the address is in use or not this
// machine's; the error names the address and wraps the system's error. After
// Close it fails with ErrClosed. It does not wait for peers.
func (t *TCP) Start(receive Receive) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrClosed
	case t.started:
		return errors.New("network was started before")
	case receive == nil:
		return errors.New("network needs a receive function")
	}
	listener, udpIn, err := t.listen()
	if err != nil {
		return err
	}
	if t.cfg.Addresses == nil {
		t.source = ownSource(t.cfg.Me)
	}
	if t.cfg.UDPMaxSize > 0 {
		out, err := t.openUDPOut()
		if err != nil {
			listener.Close()
			udpIn.Close()
			return fmt.Errorf("cannot open a socket to send datagrams: %w", err)
		}
		_ = out.SetWriteBuffer(udpSocketBytes) // a wish
		t.udpOut = &udpWriter{t: t, conn: out, queue: newQueue(t.cfg.QueuePacketsMax, t.cfg.QueueBytesMax)}
		t.wg.Add(1)
		go t.udpOut.run()
	}
	t.receive = receive
	t.acceptor = &acceptor{t: t, listener: listener, conns: make(map[*inbound]struct{})}
	t.started = true
	t.open.Store(true)
	t.wg.Add(1)
	go t.acceptor.run()
	t.warnClear()
	if udpIn == nil {
		t.log.Info("network listens", "tcp", t.cfg.ListenAddr.String())
		return nil
	}
	_ = udpIn.SetReadBuffer(udpSocketBytes) // a wish
	t.udpIn = &udpReader{t: t, conn: udpIn}
	t.wg.Add(1)
	go t.udpIn.run()
	t.log.Info("network listens", "tcp", t.cfg.ListenAddr.String(), "udp", t.cfg.ListenUDPAddr.String())
	return nil
}

// openUDPOut opens the socket that datagrams are sent from.
func (t *TCP) openUDPOut() (*net.UDPConn, error) {
	if t.source.IsValid() {
		if out, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))); err == nil {
			return out, nil
		}
	}
	return net.ListenUDP("udp4", nil)
}

// listen opens the sockets. There is none for UDP if there is a Transport or a
// secret is required: what comes by UDP has proven nothing.
func (t *TCP) listen() (net.Listener, *net.UDPConn, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // peers speak plain TCP
	listener, err := config.Listen(t.ctx, "tcp"+family(t.cfg.ListenAddr), t.cfg.ListenAddr.String())
	if err != nil {
		return nil, nil, listenError("TCP", t.cfg.ListenAddr, err)
	}
	if t.cfg.Transport != nil {
		over, err := t.cfg.Transport.Listen(listener)
		if err != nil {
			listener.Close()
			return nil, nil, fmt.Errorf("listen at %v: %w", t.cfg.ListenAddr, err)
		}
		return over, nil, nil
	}
	if t.cfg.Secret.Mode == SecretRequire {
		return listener, nil, nil
	}
	udp, err := net.ListenUDP("udp"+family(t.cfg.ListenUDPAddr), net.UDPAddrFromAddrPort(t.cfg.ListenUDPAddr))
	if err != nil {
		listener.Close()
		return nil, nil, listenError("UDP", t.cfg.ListenUDPAddr, err)
	}
	return listener, udp, nil
}

// family is "4" for an IPv4 address, so that nothing else is listened at, and
// nothing for one of IPv6, so that [::] stands for both.
func family(addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return "4"
	}
	return ""
}

// listenError says what to do about an address that cannot be listened at.
func listenError(protocol string, addr netip.AddrPort, err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = " is in use: another node or program listens there; stop it, or give this node another address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = " is no address of this machine: use one that it has, or set ListenAddr to 0.0.0.0 and the port if the address is translated"
	case errors.Is(err, syscall.EACCES):
		advice = " is not allowed for this user: use a port from 1024 on"
	default:
		advice = " cannot be listened at"
	}
	return fmt.Errorf("%s address %v%s: %w", protocol, addr, advice, err)
}

// Send queues a packet. It takes no system call and never blocks on a peer.
func (t *TCP) Send(to nodeid.ID, packet []byte, class Class) {
	sent := event.Event{Kind: event.NetSend, Group: -1, Peer: to, Size: len(packet)}
	t.observe(sent)
	switch {
	case !t.open.Load():
		sent.Kind, sent.Err = event.NetQueueFull, errNotOpen
	case to == t.cfg.Me:
		sent.Kind, sent.Err = event.NetNoPeer, errSelf
	case to == nodeid.None || t.cfg.Addresses == nil && !reachable(to):
		sent.Kind, sent.Err = event.NetNoPeer, errNoAddress
	case len(packet) == 0: // would break the connection
		sent.Kind, sent.Err = event.NetError, errEmpty
	case len(packet) > t.cfg.PacketBytesMax:
		sent.Kind = event.NetTooLarge
	case class == Datagram && len(packet) <= t.cfg.UDPMaxSize:
		sent.Kind = event.NetSendUDP
		t.udpOut.push(item{packet: packet, to: to, at: t.now()})
	default:
		sent.Kind = event.NetSendTCP
		t.queue(item{packet: packet, to: to, at: t.now()})
	}
	t.observe(sent)
}

// queue gives a packet to the peer that it is for.
func (t *TCP) queue(it item) {
	dropped := event.Event{Kind: event.NetQueueFull, Group: -1, Peer: it.to, Size: len(it.packet)}
	for {
		p, err := t.peer(it.to)
		if err != nil {
			dropped.Err = err
			if errors.Is(err, errNoAddress) {
				dropped.Kind = event.NetNoPeer
			}
			break
		}
		v := p.queue.push(it)
		if v == queued {
			return
		}
		if v == full {
			break
		}
		// The peer was forgotten since it was looked up: there will be a new one.
	}
	t.observe(dropped)
}

// peer finds or makes the road to a node.
func (t *TCP) peer(id nodeid.ID) (*peer, error) {
	t.peersMu.RLock()
	p := t.peers[id]
	t.peersMu.RUnlock()
	if p != nil {
		return p, nil
	}
	if t.cfg.Addresses != nil {
		if _, ok := t.cfg.Addresses.Address(id); !ok {
			return nil, errNoAddress
		}
	}
	t.peersMu.Lock()
	defer t.peersMu.Unlock()
	if t.peersShut {
		return nil, errNotOpen
	}
	if p := t.peers[id]; p != nil {
		return p, nil
	}
	if len(t.peers) >= t.cfg.PeerMax {
		t.complain(&t.peerTrouble, "packets for too many different peers, dropped one", "peer", id.String(), "PeerMax", t.cfg.PeerMax)
		return nil, errTooMany
	}
	p = &peer{
		t:       t,
		id:      id,
		queue:   newQueue(t.cfg.QueuePacketsMax, t.cfg.QueueBytesMax),
		backoff: backoff{min: t.cfg.BackoffMin, max: t.cfg.BackoffMax},
		round:   round{seal: t.sealing.newSeal(id)},
	}
	t.peers[id] = p
	t.wg.Add(1) // peersShut is not set, so Close has not come to its Wait
	go p.run()
	return p, nil
}

// forget removes a peer that nothing was queued for since it last looked.
func (t *TCP) forget(p *peer) bool {
	t.peersMu.Lock()
	defer t.peersMu.Unlock()
	if !p.queue.retire() {
		return false
	}
	delete(t.peers, p.id)
	return true
}

// Close closes all sockets, drops what is queued and waits until all goroutines
// have ended; receive is not called any more then. It must not be called from
// within receive. Every call waits; all but the first return nil.
func (t *TCP) Close() error {
	var err error
	t.closing.Do(func() { err = t.close() })
	return err
}

func (t *TCP) close() error {
	t.mu.Lock()
	t.closed = true
	started := t.started
	t.mu.Unlock()
	t.open.Store(false)
	t.cancel()

	t.peersMu.Lock()
	t.peersShut = true
	for _, p := range t.peers {
		p.shut()
	}
	clear(t.peers) // or a Send that meets a shut queue would look for a new one for ever
	t.peersMu.Unlock()
	var err error
	if started {
		err = t.acceptor.close()
		if t.udpIn != nil {
			err = errors.Join(err, t.udpIn.conn.Close())
		}
		if t.udpOut != nil {
			t.udpOut.queue.shut()
			err = errors.Join(err, t.udpOut.conn.Close())
		}
	}
	t.wg.Wait()
	if err != nil {
		return fmt.Errorf("closing the network: %w", err)
	}
	return nil
}

// now reads the network's clock, which never goes backwards.
func (t *TCP) now() time.Duration { return time.Since(t.epoch) }

// sleep waits, or until the network closes.
func (t *TCP) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
	}
}

func (t *TCP) observe(e event.Event) {
	if t.cfg.Observer != nil {
		t.cfg.Observer.Observe(e)
	}
}

// complain logs what a stranger may cause as often as it likes.
func (t *TCP) complain(l *limiter, msg string, args ...any) {
	if suppressed, ok := l.allow(t.now()); ok {
		t.log.Warn(msg, append(args, "suppressed", suppressed)...)
	}
}

// limiter lets through one line a second.
type limiter struct {
	mu         sync.Mutex
	next       time.Duration
	suppressed int
}

// allow says whether a line may be written, and how many were not before it.
func (l *limiter) allow(now time.Duration) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now < l.next {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed = l.suppressed, 0
	l.next = now + time.Second
	return suppressed, true
}
