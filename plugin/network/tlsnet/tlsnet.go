package tlsnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
)

// protocol is negotiated by TLS, so that something else is not taken for it.
const protocol = "phxpaxos/1"

// letIn is what the accepting node writes when it knows who has dialled.
const letIn = 'k'

// New returns a network that is not started. cfg.Transport must be nil and
// cfg.UDPMaxSize 0. The errors match network.ErrConfig.
func New(cfg network.Config, guard *certs.Guard) (*network.TCP, error) {
	switch {
	case guard == nil:
		return nil, fmt.Errorf("%w: guard is nil, must say who is let in", network.ErrConfig)
	case cfg.Transport != nil:
		return nil, fmt.Errorf("%w: Transport is set, must be nil since TLS is one", network.ErrConfig)
	}
	cfg.Transport = transport{guard}
	return network.NewTCP(cfg)
}

// transport implements network.Transport.
type transport struct{ guard *certs.Guard }

var _ network.Protector = transport{}

// ReportTo lets the guard report to the node that runs the network.
func (t transport) ReportTo(o event.Observer) { t.guard.ReportTo(o) }

// Protects implements network.Protector.
func (transport) Protects() bool { return true }

// Identifies implements network.Protector.
func (t transport) Identifies(id nodeid.ID) bool { return t.guard.Identifies(id) }

// Listen returns a listener whose connections prove who they are in their first
// Read.
func (t transport) Listen(raw net.Listener) (net.Listener, error) {
	return listener{raw, t.guard}, nil
}

type listener struct {
	net.Listener
	guard *certs.Guard
}

func (l listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &accepted{Conn: raw, guard: l.guard}, nil
}

// accepted is the receiving end of a connection. Its Conn is the bare one:
// closing it does not wait for the other end.
type accepted struct {
	net.Conn
	guard   *certs.Guard
	tls     *tls.Conn // nil until the other end has proven who it is
	session *certs.Session
}

// Read returns nothing of a stranger.
func (a *accepted) Read(b []byte) (int, error) {
	if a.tls == nil {
		conn, session, err := a.guard.Accept(a.Conn, protocol)
		if err != nil {
			return 0, err
		}
		// One byte into an empty buffer does not block.
		if _, err := conn.Write([]byte{letIn}); err != nil {
			return 0, err
		}
		a.tls, a.session = conn, session
	}
	n, err := a.tls.Read(b)
	if n > 0 {
		if err := a.session.Check(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// Admit implements network.Admitter.
func (a *accepted) Admit(packet []byte) error { return a.session.Admit(packet) }

// Dial connects to a peer and waits until it lets this node in.
func (t transport) Dial(ctx context.Context, peer nodeid.ID, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	raw, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	d := &dialled{Conn: raw, records: records{Conn: raw}}
	if d.tls, d.session, err = t.guard.Connect(ctx, &d.records, peer, protocol); err != nil {
		raw.Close()
		return nil, err
	}
	// The read below has no context of its own.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	err = waitLetIn(d.tls)
	switch {
	case !stop() && ctx.Err() != nil:
		return nil, fmt.Errorf("waiting to be let in: %w", ctx.Err())
	case err != nil:
		raw.Close()
		return nil, err
	}
	return d, nil
}

func waitLetIn(conn *tls.Conn) error {
	var b [1]byte
	switch _, err := conn.Read(b[:]); {
	case err != nil:
		return fmt.Errorf("peer does not let this node in: %w", err)
	case b[0] != letIn:
		return errors.New("peer speaks another version")
	}
	return nil
}

// dialled is the sending end of a connection. Its Conn is the bare one.
type dialled struct {
	net.Conn
	records records
	tls     *tls.Conn
	session *certs.Session
}

// Read is for the end of the connection; the peer says nothing.
func (d *dialled) Read(b []byte) (int, error) { return d.tls.Read(b) }

// Write writes b at once.
func (d *dialled) Write(b []byte) (int, error) { return d.WriteFrames([][]byte{b}) }

// WriteFrames implements network.FrameWriter: the records of all pieces go
// out together.
func (d *dialled) WriteFrames(pieces [][]byte) (wrote int, err error) {
	if err := d.session.Check(); err != nil {
		return 0, err
	}
	d.records.hold()
	for _, piece := range pieces {
		n, err := d.tls.Write(piece)
		wrote += n
		if err != nil {
			return wrote, err
		}
	}
	return wrote, d.records.release()
}
