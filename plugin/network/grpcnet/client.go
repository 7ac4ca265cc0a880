package grpcnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/grpcnet/packetpb"
)

// errOnce says that a connection is not made again behind the network's back,
// which counts and spaces its attempts.
var errOnce = errors.New("the connection has ended")

// errOver says that the peer ended the call, or the connection to it broke.
var errOver = errors.New("the call has ended")

// Dial calls a peer and waits until it is let in.
func (t *transport) Dial(ctx context.Context, peer nodeid.ID, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	raw, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	cc, err := grpc.NewClient("passthrough:///"+raw.RemoteAddr().String(),
		grpc.WithContextDialer(func(context.Context, string) (conn net.Conn, err error) {
			err = errOnce
			once.Do(func() { conn, err = raw, nil })
			return conn, err
		}),
		grpc.WithTransportCredentials(t.credentialsFor(peer)),
		grpc.WithNoProxy(), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithDisableHealthCheck(),
		grpc.WithReadBufferSize(4<<10), // nearly nothing is read here
		grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithMaxHeaderListSize(headerBytesMax),
		grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: max(t.stallMax, time.Second), PermitWithoutStream: true}),
	)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("gRPC: %w", err)
	}
	d := &dialled{Conn: raw, cc: cc}
	if err := d.call(ctx); err != nil {
		d.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("waiting to be let in: %w", ctx.Err())
		}
		return nil, err
	}
	d.stall = time.AfterFunc(t.stallMax, d.giveUp)
	d.stall.Stop()
	d.stallMax = t.stallMax
	return d, nil
}

// dialled is the sending end of a call. Its Conn is the bare connection.
type dialled struct {
	net.Conn
	cc      *grpc.ClientConn
	stream  packetpb.Packets_CarryClient
	cancel  context.CancelFunc
	session *certs.Session // nil without TLS

	stallMax time.Duration
	stall    *time.Timer // ends the call when a write takes too long
	piece    packetpb.Piece
	buf      []byte
}

// call starts the call and waits for its header.
func (d *dialled) call(ctx context.Context) error {
	// The call outlives ctx if it comes about.
	callCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	var err error
	if d.stream, err = packetpb.NewPacketsClient(d.cc).Carry(callCtx); err != nil {
		return fmt.Errorf("gRPC: %w", plain(err))
	}
	header, err := d.stream.Header()
	if err == nil && header == nil { // the call ended without one
		err = d.stream.RecvMsg(new(packetpb.Nothing))
	}
	if err != nil {
		return fmt.Errorf("peer does not let this node in: %w", plain(err))
	}
	d.session = sessionOf(d.stream.Context())
	return nil
}

// plain takes the text out of an error of gRPC, or leaves it.
func plain(err error) error {
	if s, ok := status.FromError(err); ok && s.Message() != "" {
		return errors.New(s.Message())
	}
	return err
}

// Read waits for the end of the call; the peer says nothing.
func (d *dialled) Read([]byte) (int, error) {
	if err := d.stream.RecvMsg(new(packetpb.Nothing)); err != nil {
		return 0, plain(err)
	}
	return 0, io.EOF
}

// Write writes b at once.
func (d *dialled) Write(b []byte) (int, error) { return d.WriteFrames([][]byte{b}) }

// WriteFrames implements network.FrameWriter.
func (d *dialled) WriteFrames(frames [][]byte) (wrote int, err error) {
	if d.session != nil {
		if err := d.session.Check(); err != nil {
			return 0, err
		}
	}
	for _, frame := range frames {
		for len(frame) > 0 {
			if len(d.buf) == 0 && len(frame) >= pieceBytes {
				if err := d.send(frame[:pieceBytes]); err != nil {
					return wrote, err
				}
				wrote += pieceBytes
				frame = frame[pieceBytes:]
				continue
			}
			n := min(len(frame), pieceBytes-len(d.buf))
			d.buf = append(d.buf, frame[:n]...)
			frame = frame[n:]
			if len(d.buf) < pieceBytes {
				break
			}
			if err := d.flush(&wrote); err != nil {
				return wrote, err
			}
		}
	}
	if len(d.buf) > 0 {
		err = d.flush(&wrote)
	}
	return wrote, err
}

func (d *dialled) flush(wrote *int) error {
	if err := d.send(d.buf); err != nil {
		return err
	}
	*wrote += len(d.buf)
	d.buf = d.buf[:0]
	return nil
}

// send sends one piece, which gRPC has copied when it returns. It takes long
// only while the peer takes nothing.
func (d *dialled) send(data []byte) error {
	d.stall.Reset(d.stallMax)
	defer d.stall.Stop()
	d.piece.Data = data
	err := d.stream.Send(&d.piece)
	d.piece.Data = nil
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) { // gRPC's way to say that Read hears why
		return errOver
	}
	return fmt.Errorf("gRPC: %w", plain(err))
}

// giveUp ends a connection whose peer takes nothing.
func (d *dialled) giveUp() { d.Conn.Close() }

// Close ends the call and the connection. The bare connection goes first, or
// gRPC would try to say good-bye to a peer that does not listen.
func (d *dialled) Close() error {
	err := d.Conn.Close()
	if d.cancel != nil {
		d.cancel()
	}
	if d.stall != nil {
		d.stall.Stop()
	}
	return errors.Join(err, d.cc.Close())
}
