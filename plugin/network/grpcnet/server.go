package grpcnet

import (
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/grpcnet/packetpb"
)

// Listen serves calls on raw. Each is one connection of the listener that it
// returns.
func (t *transport) Listen(raw net.Listener) (net.Listener, error) {
	bounded := newBounded(raw, t.acceptMax)
	l := &listener{
		bounded: bounded,
		calls:   make(chan *accepted),
		done:    make(chan struct{}),
		server: grpc.NewServer(
			grpc.Creds(t.credentialsFor(0)),
			grpc.MaxRecvMsgSize(pieceBytesMax+64), // and what is around the bytes
			grpc.MaxConcurrentStreams(streamsMax),
			grpc.MaxHeaderListSize(headerBytesMax),
			grpc.StaticStreamWindowSize(windowBytes),
			grpc.StaticConnWindowSize(windowBytes),
			grpc.ReadBufferSize(bufferBytes),
			grpc.WriteBufferSize(4<<10), // nearly nothing is written here
			grpc.ConnectionTimeout(2*t.dialTimeout),
			grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleMax, Time: 3 * pingEvery, Timeout: pingEvery}),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery / 2, PermitWithoutStream: true}),
			grpc.WaitForHandlers(true),
		),
	}
	packetpb.RegisterPacketsServer(l.server, l)
	l.serving.Go(func() {
		_ = l.server.Serve(bounded) // ends with Close; until then it tries again by itself
	})
	return l, nil
}

// listener turns calls into connections.
type listener struct {
	packetpb.UnimplementedPacketsServer
	bounded *bounded
	server  *grpc.Server
	serving sync.WaitGroup
	calls   chan *accepted
	done    chan struct{}
	closing sync.Once
}

// Accept returns the next call.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.calls:
		return a, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends all calls and waits for that.
func (l *listener) Close() error {
	l.closing.Do(func() {
		close(l.done)
		l.bounded.closeAll()
		l.server.Stop()
		l.serving.Wait()
	})
	return nil
}

// Addr returns where the server listens.
func (l *listener) Addr() net.Addr { return l.bounded.Addr() }

// Carry is one call of a peer. It lasts until either side ends it.
func (l *listener) Carry(stream packetpb.Packets_CarryServer) error {
	ctx := stream.Context()
	from, ok := peer.FromContext(ctx)
	if !ok {
		return status.Error(codes.Internal, "the call comes from nowhere")
	}
	a := &accepted{stream: stream, local: l.Addr(), remote: from.Addr, closed: make(chan struct{})}
	if w, ok := from.AuthInfo.(who); ok {
		a.session = w.session
	}
	l.bounded.busy(from.Addr, +1)
	defer l.bounded.busy(from.Addr, -1)
	select {
	case l.calls <- a:
	case <-l.done:
		return status.Error(codes.Unavailable, "the node is closing")
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := stream.SendHeader(nil); err != nil { // the caller is let in
		return err
	}
	select {
	case <-a.closed:
		return status.Error(codes.Aborted, "the node has closed the connection")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accepted is the receiving end of a call.
type accepted struct {
	stream        packetpb.Packets_CarryServer
	session       *certs.Session // nil without TLS
	local, remote net.Addr
	rest          []byte // of the last piece

	closing sync.Once
	closed  chan struct{}
}

// Read returns what comes next. The call's end, for whatever reason, is io.EOF:
// the frames tell whether something is missing.
func (a *accepted) Read(b []byte) (int, error) {
	for len(a.rest) == 0 {
		piece, err := a.stream.Recv()
		if err != nil {
			return 0, io.EOF
		}
		a.rest = piece.GetData()
	}
	if a.session != nil {
		if err := a.session.Check(); err != nil {
			return 0, err
		}
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Admit implements network.Admitter.
func (a *accepted) Admit(packet []byte) error {
	if a.session == nil {
		return nil
	}
	return a.session.Admit(packet)
}

// Close ends the call.
func (a *accepted) Close() error {
	a.closing.Do(func() { close(a.closed) })
	return nil
}

func (a *accepted) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (a *accepted) LocalAddr() net.Addr              { return a.local }
func (a *accepted) RemoteAddr() net.Addr             { return a.remote }
func (a *accepted) SetDeadline(time.Time) error      { return nil }
func (a *accepted) SetReadDeadline(time.Time) error  { return nil }
func (a *accepted) SetWriteDeadline(time.Time) error { return nil }
