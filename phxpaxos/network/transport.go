package network

import (
	"context"
	"errors"
	"net"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrRefused is wrapped by the error that a Transport's connection returns when
// it refused the other end. Whoever refuses reports it; the network only closes
// the connection.
var ErrRefused = errors.New("refused")

// Addresses is an address book: it says where a node is reached at the moment.
// The id stays the node's name; the address may change at any time.
//
// Address returns "host:port", where host is a name or an address of any
// family, or false for a node that is not in the book. It is called before
// each connection and before each write, so it must be quick and must not
// block. It must be safe for concurrent use.
type Addresses interface {
	Address(id nodeid.ID) (address string, ok bool)
}

// Transport puts other connections in the place of plain TCP, such as encrypted
// ones. The network keeps its queues, its limits and its framing. What it does
// not keep is UDP: with a Transport, no datagram is sent or received, since it
// would go round what the Transport is for.
//
// The errors of accepted connections that wrap ErrRefused are taken for
// reported. A Transport serves one network at a time; its methods must be safe
// for concurrent use.
type Transport interface {
	// Listen returns a listener for connections that come in over raw, and owns
	// raw: closing the listener closes it. Accept must not wait for a single
	// connection; what one has to prove is asked in its first Read. The network
	// only reads from accepted connections. If they implement Admitter, they
	// are asked about each packet.
	Listen(raw net.Listener) (net.Listener, error)

	// Dial connects to a peer over connections that dial makes, and ends with
	// ctx, which holds Config.DialTimeout. A Write on what dial returns gives up
	// by itself when the peer takes nothing for Config.StallMax; a Write on
	// what Dial returns must do so as well. One goroutine writes, by
	// WriteFrames if the connection is a FrameWriter. Another one reads, only
	// to learn that the connection has ended. Close must not block.
	Dial(ctx context.Context, peer nodeid.ID, dial func(context.Context) (net.Conn, error)) (net.Conn, error)
}

// FrameWriter is a connection that takes many pieces at once. It writes them in
// their order, does not keep or change them, and returns how many bytes it took.
type FrameWriter interface {
	WriteFrames(pieces [][]byte) (n int, err error)
}

// Admitter is an accepted connection that looks at what it brings. An error
// ends the connection; the packet and all behind it are dropped.
type Admitter interface {
	Admit(packet []byte) error
}

// Protector is a Transport that says what its connections prove. A Transport
// that is none is taken for one that protects and identifies no node.
type Protector interface {
	Transport

	// Protects reports whether only members of the cluster can connect. If not,
	// the network logs a warning when it listens beyond this machine.
	Protects() bool

	// Identifies reports whether Admit refuses packets of a node that come from
	// anything but this node. Their source address is then of no interest. It
	// is asked again and again.
	Identifies(id nodeid.ID) bool
}
