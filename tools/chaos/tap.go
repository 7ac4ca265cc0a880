package main

import (
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// counter counts events by kind.
type counter [event.Kinds]atomic.Uint64

// Observe counts an event.
func (c *counter) Observe(e event.Event) {
	if int(e.Kind) < event.Kinds {
		c[e.Kind].Add(1)
	}
}

// named returns what was counted, by the names of the kinds.
func (c *counter) named() map[string]uint64 {
	m := make(map[string]uint64)
	for k := range c {
		if n := c[k].Load(); n > 0 {
			m[event.Kind(k).String()] = n
		}
	}
	return m
}

// Samples of packets: one in tapOneIn, the small ones, since large values
// teach the sender of garbage nothing new.
const (
	tapOneIn    = 64
	tapBytesMax = 4096
)

// tap is the default network with an ear on it: it reports some of the
// packets that leave, so that the parent can send damaged copies of them.
type tap struct {
	network.Network
	report *reporter
	sent   atomic.Uint64
}

func newTap(o phxpaxos.Options, r *reporter, counts *counter) (*tap, error) {
	inner, err := network.NewTCP(network.Config{Me: o.MyNode, UDPMaxSize: o.UDPMaxSize, Logger: o.Logger, Observer: counts})
	if err != nil {
		return nil, err
	}
	return &tap{Network: inner, report: r}, nil
}

// Send hands the packet on, and reports it now and then.
func (t *tap) Send(to nodeid.ID, packet []byte, class network.Class) {
	if t.sent.Add(1)%tapOneIn == 1 && len(packet) <= tapBytesMax {
		t.report.add(func(r *report) { r.Packets = append(r.Packets, packet) })
	}
	t.Network.Send(to, packet, class)
}
