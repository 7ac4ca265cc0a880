package grpcnet

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
)

const (
	// pieceBytesMax is the largest message that a node takes. Smaller ones
	// would cost more calls, larger ones more memory for a stranger.
	pieceBytesMax = 256 << 10
	// pieceBytes is what a node puts into one message: what gRPC takes at once
	// before it waits for the wire.
	pieceBytes = 64 << 10
	// windowBytes is how far a sender may be ahead of its receiver: a round of
	// the default network.
	windowBytes = 1 << 20
	// bufferBytes is what is written or read by one system call.
	bufferBytes = 64 << 10
	// streamsMax bounds the calls on one connection. A node needs one.
	streamsMax = 16
	// headerBytesMax bounds the header of a call. A node sends some hundred.
	headerBytesMax = 16 << 10
	// pingEvery is how often a silent connection is tried, since what lies
	// between may forget it. gRPC allows no less.
	pingEvery = 10 * time.Second
	// idleMax is how long a connection may be without a call.
	idleMax = time.Minute
)

// New returns a network that is not started. guard may be nil: then nothing is
// encrypted and everybody is let in. cfg.Transport must be nil and
// cfg.UDPMaxSize 0. The errors match network.ErrConfig.
func New(cfg network.Config, guard *certs.Guard) (*network.TCP, error) {
	if cfg.Transport != nil {
		return nil, fmt.Errorf("%w: Transport is set, must be nil since gRPC is one", network.ErrConfig)
	}
	full := cfg.WithDefaults()
	cfg.Transport = &transport{
		guard: guard, stallMax: full.StallMax, dialTimeout: full.DialTimeout, acceptMax: full.AcceptMax,
	}
	return network.NewTCP(cfg)
}

// transport implements network.Transport.
type transport struct {
	guard       *certs.Guard // nil for connections in clear
	stallMax    time.Duration
	dialTimeout time.Duration
	acceptMax   int
}

var _ network.Protector = (*transport)(nil)

// ReportTo lets the guard report to the node that runs the network.
func (t *transport) ReportTo(o event.Observer) {
	if t.guard != nil {
		t.guard.ReportTo(o)
	}
}

// Protects implements network.Protector.
func (t *transport) Protects() bool { return t.guard != nil }

// Identifies implements network.Protector.
func (t *transport) Identifies(id nodeid.ID) bool { return t.guard != nil && t.guard.Identifies(id) }
