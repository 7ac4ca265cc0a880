package network

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/crowd"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// errTorn says that a connection ended within a frame.
var errTorn = errors.New("connection ended within the frame")

// errStale says that a packet waited longer than QueueAgeMax.
var errStale = errors.New("packet waited too long")

// errTalks says that a peer wrote on a connection that only this node writes on.
var errTalks = errors.New("peer writes on a one-way connection")

// errMoved says that the address book has another address for the peer now.
var errMoved = errors.New("peer is reached elsewhere now")

// peer is the road to one node: a queue, and the one goroutine that empties it
// into a connection of its own. All fields below queue belong to that goroutine,
// but for link, which Close reads under linkMu.
type peer struct {
	t  *TCP
	id nodeid.ID

	queue queue

	pending []item // taken from the queue; those before head are done
	head    int
	spare   []item
	round   round
	backoff backoff
	crowd   crowd.Crowd
	dialled bool // a connection was tried before
	failing bool // the last attempt failed, and it was logged

	linkMu sync.Mutex
	link   *link
}

// link is one dialled connection. Bytes go one way only; the other way is
// watched for its end.
type link struct {
	conn    net.Conn // a *stallConn, or what the Transport made of one
	address string   // that was dialled
	since   time.Duration
	lost    atomic.Bool // set by the watcher
}

// run sends until the network closes or the peer was of no interest for a while.
func (p *peer) run() {
	defer p.t.wg.Done()
	defer p.disconnect(nil)
	for p.next() {
		p.dropStale()
		if p.head == len(p.pending) {
			continue
		}
		if !p.connected() && !p.connect() {
			continue
		}
		p.write()
	}
}

// next waits until there is something to send. It returns false at the end.
func (p *peer) next() bool {
	if p.head < len(p.pending) {
		return p.t.ctx.Err() == nil
	}
	p.spare, p.pending, p.head = p.pending[:0], nil, 0
	p.gather()
	for {
		items, open := p.queue.take(p.spare)
		if !open {
			return false
		}
		if len(items) > 0 {
			p.pending = items
			return true
		}
		// A connection that ended while nothing is to be sent is given up now,
		// so that the next packet goes over a fresh one (section 19.3, L15).
		if p.connected() {
			<-p.queue.wake
			p.gather()
			continue
		}
		if !p.waitUnconnected() {
			return false
		}
	}
}

// gather lets who is about to send join the round. With a hundred groups there
// are six times fewer writes.
func (p *peer) gather() {
	if p.crowd.Here() {
		crowd.Gather(p.queue.length, crowd.Enough)
	}
}

// waitUnconnected waits for a packet for a peer without a connection. After a
// while it gives the peer up, so that ids that once came out of a packet do not
// stay for ever.
func (p *peer) waitUnconnected() bool {
	timer := time.NewTimer(p.t.peerIdle)
	defer timer.Stop()
	select {
	case <-p.queue.wake:
		return true
	case <-timer.C:
		if p.t.forget(p) {
			return false
		}
		<-p.queue.wake
		return true
	}
}

// dropStale drops what waited too long. The queue is in the order of time.
func (p *peer) dropStale() {
	now := p.t.now()
	count, bytes := 0, 0
	for p.head < len(p.pending) {
		it := &p.pending[p.head]
		if now-it.at <= p.t.cfg.QueueAgeMax {
			break
		}
		p.t.observe(event.Event{Kind: event.NetDequeue, Group: -1, Peer: p.id, Size: len(it.packet), Took: now - it.at, Err: errStale})
		count, bytes = count+1, bytes+len(it.packet)
		*it = item{}
		p.head++
	}
	if count > 0 {
		p.queue.release(count, bytes)
	}
}

// connected says whether the connection can be written to, and clears away one
// that cannot.
func (p *peer) connected() bool {
	if p.link == nil {
		return false
	}
	if p.link.lost.Load() {
		p.disconnect(nil)
		return false
	}
	if p.t.cfg.Addresses == nil {
		return true
	}
	// Where a node was, another program may listen now, and take everything.
	if address, ok := p.t.cfg.Addresses.Address(p.id); !ok || address != p.link.address {
		p.disconnect(errMoved)
		return false
	}
	return true
}

// connect makes one attempt, or waits until one is due. It returns false if
// there is no connection yet: by then, what waits may be stale.
func (p *peer) connect() bool {
	if wait := p.backoff.wait(p.t.now()); wait > 0 {
		p.t.sleep(wait)
		return false
	}
	if p.dialled {
		p.t.observe(event.Event{Kind: event.NetReconnect, Group: -1, Peer: p.id})
	}
	p.dialled = true
	p.backoff.attempt(p.t.now())
	l, err := p.dial()
	if err != nil {
		p.dialFailed(err)
		return false
	}
	if !p.adopt(l) {
		return false
	}
	p.t.log.Info("connected to peer", "peer", p.id.String())
	p.failing = false
	return true
}

// dial makes a connection to where the peer is now.
func (p *peer) dial() (*link, error) {
	address, network := p.id.AddrPort().String(), "tcp4"
	if p.t.cfg.Addresses != nil {
		var ok bool
		if address, ok = p.t.cfg.Addresses.Address(p.id); !ok {
			return nil, errNoAddress
		}
		network = "tcp"
	}
	ctx, cancel := context.WithTimeout(p.t.ctx, p.t.cfg.DialTimeout)
	defer cancel()
	plain := func(ctx context.Context) (net.Conn, error) {
		conn, err := p.t.dialPlain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newStallConn(p.t, conn.(*net.TCPConn)), nil
	}
	connect := plain
	if p.t.cfg.Transport != nil {
		connect = func(ctx context.Context) (net.Conn, error) {
			return p.t.cfg.Transport.Dial(ctx, p.id, plain)
		}
	}
	conn, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, address: address, since: p.t.now()}, nil
}

func (p *peer) dialFailed(err error) {
	if p.t.ctx.Err() != nil {
		return
	}
	p.t.observe(event.Event{Kind: event.NetError, Group: -1, Peer: p.id, Err: err})
	if !p.failing {
		p.failing = true
		p.t.log.Warn("cannot reach peer, will try again while there is something to send", "peer", p.id.String(), "err", err)
	}
}

// adopt makes l the connection and starts its watcher, unless the network was
// closed while it was dialled: then Close did not see it.
func (p *peer) adopt(l *link) bool {
	p.linkMu.Lock()
	defer p.linkMu.Unlock()
	if p.t.ctx.Err() != nil {
		l.conn.Close()
		return false
	}
	p.link = l
	p.t.wg.Add(1) // run holds one, so Wait has not returned
	go p.watch(l)
	return true
}

// watch notices the end of a connection at once, so that no packet is written
// into it. A peer has nothing to say here; a program that talks nevertheless is
// heard out for a while, then the connection ends.
func (p *peer) watch(l *link) {
	defer p.t.wg.Done()
	var ignored [512]byte
	for heard := 0; heard < 64<<10; {
		n, err := l.conn.Read(ignored[:])
		heard += n
		if err != nil {
			l.lost.Store(true)
			p.queue.poke()
			return
		}
	}
	p.t.observe(event.Event{Kind: event.NetError, Group: -1, Peer: p.id, Err: errTalks})
	l.lost.Store(true)
	p.queue.poke()
}

// disconnect gives up the connection, if there is one, because of err, or
// because the peer closed it.
func (p *peer) disconnect(err error) {
	p.linkMu.Lock()
	l := p.link
	p.link = nil
	p.linkMu.Unlock()
	if l == nil {
		return
	}
	l.conn.Close()
	p.backoff.lasted(p.t.now() - l.since)
	if p.t.ctx.Err() != nil {
		return
	}
	switch {
	case err == nil:
		p.t.log.Info("peer closed the connection", "peer", p.id.String())
		return
	case errors.Is(err, errMoved): // nothing went wrong
		p.t.log.Info("peer is reached elsewhere now", "peer", p.id.String(), "was", l.address)
		return
	}
	p.t.observe(event.Event{Kind: event.NetError, Group: -1, Peer: p.id, Err: err})
	p.t.log.Info("connection to peer failed", "peer", p.id.String(), "err", err)
}

// shut ends the peer from outside, whatever it is doing.
func (p *peer) shut() {
	p.queue.shut()
	p.linkMu.Lock()
	defer p.linkMu.Unlock()
	if p.link != nil {
		p.link.conn.Close()
	}
}

// write sends one round of what is pending. If the connection fails, whole
// frames that it took count as sent, a frame that it took in part is dropped,
// and the rest stays for the next connection.
func (p *peer) write() {
	items := p.pending[p.head:]
	if err := p.round.fill(items); err != nil {
		p.disconnect(err)
		return
	}
	items = items[:p.round.count]
	p.observeDequeue(items)

	p.crowd.Took(len(items))
	wrote, err := p.writeAll()
	p.round.done()
	done := len(items)
	if err != nil {
		var torn bool
		done, torn = cutAt(items, wrote-p.round.lead)
		if torn {
			p.t.observe(event.Event{Kind: event.NetError, Group: -1, Peer: p.id, Size: len(items[done].packet), Err: errTorn})
			done++
		}
		p.disconnect(err)
	}
	bytes := 0
	for i := range items[:done] {
		bytes += len(items[i].packet)
		items[i] = item{}
	}
	p.head += done
	p.queue.release(done, bytes)
	p.t.observe(event.Event{Kind: event.NetLoop, Group: -1, Peer: p.id, Number: uint64(done), Size: wrote})
}

func (p *peer) observeDequeue(items []item) {
	if p.t.cfg.Observer == nil {
		return
	}
	now := p.t.now()
	for i := range items {
		if items[i].packet == nil {
			continue
		}
		p.t.observe(event.Event{Kind: event.NetDequeue, Group: -1, Peer: p.id, Size: len(items[i].packet), Took: now - items[i].at})
	}
}

// writeAll writes the round.
func (p *peer) writeAll() (wrote int, err error) {
	switch c := p.link.conn.(type) {
	case *stallConn:
		return c.writePieces(&p.round.rest)
	case FrameWriter:
		return c.WriteFrames(p.round.rest)
	default:
		n, err := p.round.rest.WriteTo(c)
		return int(n), err
	}
}
