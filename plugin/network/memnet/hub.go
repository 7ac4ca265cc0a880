package memnet

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrOptions is matched by errors about Options and Faults.
var ErrOptions = errors.New("bad memory network options")

// Options say what a hub is like. The zero value is a network without faults.
type Options struct {
	// Seed is where chance comes from.
	Seed uint64
	// Faults are those of every link, until SetFaults or SetLinkFaults.
	Faults Faults
	// QueuePacketsMax and QueueBytesMax bound what waits for one node. Default
	// 10240 packets and 209715200 bytes, as on the default network.
	QueuePacketsMax, QueueBytesMax int
}

// Faults are what befalls packets.
type Faults struct {
	// Loss is the share of packets that is lost, 0..1.
	Loss float64
	// Repeat is the share of packets that arrives twice, 0..1.
	Repeat float64
	// DelayMin and DelayMax bound how long a packet is under way, 0..1h. If
	// they differ, packets overtake each other.
	DelayMin, DelayMax time.Duration
}

func (f Faults) validate() error {
	switch {
	case !(f.Loss >= 0 && f.Loss <= 1):
		return fmt.Errorf("%w: Loss is %v, must be in 0..1", ErrOptions, f.Loss)
	case !(f.Repeat >= 0 && f.Repeat <= 1):
		return fmt.Errorf("%w: Repeat is %v, must be in 0..1", ErrOptions, f.Repeat)
	case f.DelayMin < 0 || f.DelayMin > time.Hour:
		return fmt.Errorf("%w: DelayMin is %v, must be in 0..1h", ErrOptions, f.DelayMin)
	case f.DelayMax < f.DelayMin || f.DelayMax > time.Hour:
		return fmt.Errorf("%w: DelayMax is %v, must be in %v..1h, DelayMin or more", ErrOptions, f.DelayMax, f.DelayMin)
	}
	return nil
}

// Counts say what became of packets.
type Counts struct {
	Sent      uint64 // given to Send
	Delivered uint64 // handed to a node, repeated ones twice
	Lost      uint64 // by chance
	Cut       uint64 // by a partition or a cut link
	Down      uint64 // for a node that is down or that nobody knows, or too old
	Overflow  uint64 // beyond a limit
}

// Hub connects nodes. All methods are safe for concurrent use and do not block.
type Hub struct {
	options Options
	epoch   time.Time

	mu     sync.Mutex
	ports  map[nodeid.ID]*port
	links  map[route]*link
	faults Faults
	part   map[nodeid.ID]int // which part of a partition a node is in; nil without one
	counts Counts
	serial uint64
}

// route is one direction between two nodes.
type route struct{ from, to nodeid.ID }

// link is what is particular to one direction.
type link struct {
	chance *rand.Rand
	faults *Faults // nil for the hub's
	cut    bool
}

// New returns a hub without nodes. The error matches ErrOptions.
func New(o Options) (*Hub, error) {
	if o.QueuePacketsMax == 0 {
		o.QueuePacketsMax = 10240
	}
	if o.QueueBytesMax == 0 {
		o.QueueBytesMax = 209715200
	}
	if o.QueuePacketsMax < 0 || o.QueueBytesMax < 0 {
		return nil, fmt.Errorf("%w: QueuePacketsMax is %d and QueueBytesMax %d, must not be negative", ErrOptions, o.QueuePacketsMax, o.QueueBytesMax)
	}
	if err := o.Faults.validate(); err != nil {
		return nil, err
	}
	return &Hub{
		options: o, faults: o.Faults, epoch: time.Now(),
		ports: make(map[nodeid.ID]*port), links: make(map[route]*link),
	}, nil
}

// Network returns a network for a node, not started. A node that is closed
// and comes back needs a new one.
func (h *Hub) Network(me nodeid.ID) network.Network {
	return &node{hub: h, me: me, stop: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// SetFaults replaces the faults of every link.
func (h *Hub) SetFaults(f Faults) error {
	if err := f.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = f
	for _, l := range h.links {
		l.faults = nil
	}
	return nil
}

// SetLinkFaults replaces the faults of one direction, until SetFaults.
func (h *Hub) SetLinkFaults(from, to nodeid.ID, f Faults) error {
	if err := f.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.link(route{from, to}).faults = &f
	return nil
}

// Partition separates nodes: those of one part reach each other only. Nodes
// that are not named make up one more part. It takes the place of an earlier
// one. Packets that are under way still arrive.
func (h *Hub) Partition(parts ...[]nodeid.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.part = make(map[nodeid.ID]int)
	for i, ids := range parts {
		for _, id := range ids {
			h.part[id] = i + 1
		}
	}
}

// Cut cuts one direction: what from sends to to is lost.
func (h *Hub) Cut(from, to nodeid.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.link(route{from, to}).cut = true
}

// Heal ends the partition and all cuts. Faults stay.
func (h *Hub) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.part = nil
	for _, l := range h.links {
		l.cut = false
	}
}

// Counts returns what became of the packets so far.
func (h *Hub) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

// link returns the link of a route. The caller holds mu, and has made sure
// that strangers' ids do not come here.
func (h *Hub) link(r route) *link {
	l := h.links[r]
	if l == nil {
		// Odd factors keep routes apart whose ids differ in few bits.
		a := h.options.Seed + uint64(r.from)*0x9e3779b97f4a7c15
		b := uint64(r.to)*0xbf58476d1ce4e5b9 + 1
		l = &link{chance: rand.New(rand.NewPCG(a, b))}
		h.links[r] = l
	}
	return l
}

// send decides what becomes of a packet and queues what is to arrive.
func (h *Hub) send(from, to nodeid.ID, packet []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Sent++
	p := h.ports[to]
	if p == nil || p.up == nil {
		h.counts.Down++
		return
	}
	l := h.link(route{from, to})
	f := h.faults
	if l.faults != nil {
		f = *l.faults
	}
	// Three draws for each packet, needed or not, so that the fate of later
	// ones does not depend on settings.
	loss, repeat, delay := l.chance.Float64(), l.chance.Float64(), l.chance.Float64()
	switch {
	case l.cut || h.part[from] != h.part[to]:
		h.counts.Cut++
	case loss < f.Loss:
		h.counts.Lost++
	default:
		due := time.Since(h.epoch) + f.DelayMin + time.Duration(delay*float64(f.DelayMax-f.DelayMin))
		h.queue(p, packet, due)
		if repeat < f.Repeat {
			h.queue(p, packet, due+f.DelayMin)
		}
		p.up.poke()
	}
}

// queue puts a copy of a packet into a port, since its receiver will own it.
func (h *Hub) queue(p *port, packet []byte, due time.Duration) {
	if len(p.waiting) >= h.options.QueuePacketsMax || p.bytes+len(packet) > h.options.QueueBytesMax {
		h.counts.Overflow++
		return
	}
	h.serial++
	heap.Push(&p.waiting, &parcel{packet: bytes.Clone(packet), due: due, serial: h.serial})
	p.bytes += len(packet)
}
