package memnet

import (
	"container/heap"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// port is where packets for a node wait, over all of its lives. It is guarded
// by the hub's mu.
type port struct {
	up      *node // the present life, nil while the node is down
	waiting parcels
	bytes   int
}

// parcel is a packet under way.
type parcel struct {
	packet []byte
	due    time.Duration // on the hub's clock
	serial uint64        // for those that are due at once
}

// parcels is a heap by time.
type parcels []*parcel

func (p parcels) Len() int { return len(p) }
func (p parcels) Less(i, j int) bool {
	if p[i].due != p[j].due {
		return p[i].due < p[j].due
	}
	return p[i].serial < p[j].serial
}
func (p parcels) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *parcels) Push(x any)   { *p = append(*p, x.(*parcel)) }
func (p *parcels) Pop() any {
	old := *p
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*p = old[:len(old)-1]
	return last
}

// node is one life of a node: it implements network.Network.
type node struct {
	hub  *Hub
	me   nodeid.ID
	stop chan struct{}
	wake chan struct{} // holds a token when there may be something new
	wg   sync.WaitGroup

	// Guarded by the hub's mu:
	started, closed bool
}

var _ network.Network = (*node)(nil)

// Start makes the node reachable. It fails while another life of the same node
// is up.
func (n *node) Start(receive network.Receive) error {
	h := n.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.ports[n.me]
	switch {
	case n.closed:
		return network.ErrClosed
	case n.started:
		return errors.New("network was started before")
	case receive == nil:
		return errors.New("network needs a receive function")
	case n.me == nodeid.None:
		return errors.New("node 0 is no node")
	case p != nil && p.up != nil:
		return fmt.Errorf("node %v is up already", n.me)
	case p == nil:
		p = new(port)
		h.ports[n.me] = p
	}
	n.started = true
	p.up = n
	h.counts.Down += p.drop(time.Since(h.epoch))
	n.wg.Go(func() { n.run(p, receive) })
	return nil
}

// drop removes what arrived while the node was down, and says how much.
func (p *port) drop(now time.Duration) (dropped uint64) {
	for len(p.waiting) > 0 && p.waiting[0].due < now {
		p.bytes -= len(heap.Pop(&p.waiting).(*parcel).packet)
		dropped++
	}
	return dropped
}

// Send implements network.Network.
func (n *node) Send(to nodeid.ID, packet []byte, _ network.Class) {
	n.hub.mu.Lock()
	up := n.started && !n.closed
	n.hub.mu.Unlock()
	if up && to != n.me && len(packet) > 0 {
		n.hub.send(n.me, to, packet)
	}
}

// poke wakes the node's goroutine.
func (n *node) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run delivers until the node is closed.
func (n *node) run(p *port, receive network.Receive) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, wait := n.take(p)
		for _, packet := range due {
			select {
			case <-n.stop: // what is left is lost with this life
				return
			default:
				receive(packet)
			}
		}
		if len(due) > 0 {
			continue // more may be due by now
		}
		timer.Reset(wait)
		select {
		case <-n.stop:
			return
		case <-n.wake:
		case <-timer.C:
		}
	}
}

// take returns the packets that are due, or how long until there are any.
func (n *node) take(p *port) (due [][]byte, wait time.Duration) {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	if n.closed {
		return nil, time.Hour
	}
	now := time.Since(n.hub.epoch)
	for len(p.waiting) > 0 && p.waiting[0].due <= now {
		packet := heap.Pop(&p.waiting).(*parcel).packet
		p.bytes -= len(packet)
		due = append(due, packet)
	}
	n.hub.counts.Delivered += uint64(len(due))
	if len(p.waiting) == 0 {
		return due, time.Hour
	}
	return due, p.waiting[0].due - now
}

// Close implements network.Network.
func (n *node) Close() error {
	h := n.hub
	h.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.stop)
		if p := h.ports[n.me]; p != nil && p.up == n {
			p.up = nil
		}
	}
	h.mu.Unlock()
	n.wg.Wait()
	return nil
}
