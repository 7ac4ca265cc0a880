package network

import (
	"errors"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrClosed is returned by Start after Close.
var ErrClosed = errors.New("network is closed")

// Class says how much a packet minds being lost.
type Class uint8

const (
	// Datagram packets may go by the cheapest road.
	Datagram Class = iota
	// Stream packets are worth a connection (learned values, checkpoints).
	Stream
)

// Receive takes one packet that arrived. It is called by many goroutines at
// once, must not block, and owns packet from then on.
type Receive func(packet []byte)

// Network carries the packets of one node. All methods are safe for
// concurrent use.
type Network interface {
	// Start begins to listen and gives every arriving packet to receive.
	// It returns once peers can reach the node, or says why they cannot.
	Start(receive Receive) error

	// Send hands a packet to the road to a node and returns at once. It never
	// blocks on a peer and never fails: what cannot be queued is dropped and
	// counted. The packet is shared with other receivers and is read until it
	// is on the wire, so nobody may write to it any more.
	Send(to nodeid.ID, packet []byte, class Class)

	// Close stops sending and receiving and waits until no call of receive is
	// running. A second Close does nothing.
	Close() error
}

// Observed is a Network that reports what happens. The node that runs it asks
// for that before it starts it.
type Observed interface {
	Network

	// ReportTo names who is told of events, unless somebody is already. It must
	// be called before every other method.
	ReportTo(event.Observer)
}

// Identifier is a Network that compares the sender that a packet names with
// where the packet comes from. It does not know packets; so the node that runs
// it says how they name their sender.
type Identifier interface {
	Network

	// IdentifyBy names the function that returns the sender of a packet, or
	// false for a packet that every receiver ignores. The function must not
	// keep the packet and must be safe for concurrent use. IdentifyBy must be
	// called before Start.
	IdentifyBy(sender func(packet []byte) (nodeid.ID, bool))
}
