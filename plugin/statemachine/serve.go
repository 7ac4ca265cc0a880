package statemachine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// ErrNoHost is returned by Serve if the program was not started by Load.
var ErrNoHost = errors.New("this program is a state machine of phxpaxos: it is started by the program that uses it (statemachine.Load), not by hand")

// Querier is implemented by a state machine that can be read beside the log.
// Query is called by many goroutines, while Execute runs. An error is handed
// to who asked, as text. It must not change the state.
type Querier interface {
	Query(ctx context.Context, group int, request []byte) ([]byte, error)
}

// Serve makes m the state machine of this program, for the host that started
// it. It blocks until the host ends it, or has ended itself, and no call of m
// is under way; the program should then end at once. Standard input and
// standard output belong to Serve. Use it in main:
//
//	if err := statemachine.Serve(m); err != nil { … }
//
// What m implements of sm.BatchExecutor, sm.Checkpointer, sm.Snapshotter,
// sm.BeforeProposer and Querier is offered to the host; sm.CheckpointExecutor
// cannot be. What m logs to NewLogger, or writes to standard error, goes to
// the host's log. A panic of m ends the process; the host starts another one.
//
// A durable state machine should lock its data, so that it cannot be used by
// two processes, and must find its own checkpoint in it again.
func Serve(m sm.StateMachine) error {
	if os.Getenv(cookieName) != cookieValue {
		return ErrNoHost
	}
	s, err := newServer(m)
	if err != nil {
		return err
	}
	socket, err := s.listen()
	if err != nil {
		return err
	}
	go socket.accept()
	defer socket.stop()
	stopped := make(chan *grpc.Server, 1)
	go func() {
		g := <-stopped
		io.Copy(io.Discard, os.Stdin) // it ends with the host
		socket.stop()                 // wait for the calls that run
		g.Stop()
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{protocolVersion: {pluginName: &service{server: s}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			g := grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(messageBytesMax), grpc.MaxSendMsgSize(messageBytesMax),
				grpc.StaticStreamWindowSize(streamWindow), grpc.StaticConnWindowSize(connWindow), grpc.WaitForHandlers(true))...)
			stopped <- g
			return g
		},
	})
	return nil
}

// NewLogger returns a logger whose lines appear in the host's log with their
// level and fields. Call it before Serve.
func NewLogger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

func newServer(m sm.StateMachine) (*server, error) {
	if m == nil {
		return nil, errors.New("statemachine: Serve was given no state machine")
	}
	if m.ID().Reserved() {
		return nil, fmt.Errorf("statemachine: the id of the state machine is %d, which is reserved", m.ID())
	}
	if _, ok := m.(sm.CheckpointExecutor); ok {
		return nil, errors.New("statemachine: a state machine in a process of its own cannot be an sm.CheckpointExecutor; it can write its checkpoint in Execute")
	}
	s := &server{machine: m, groups: map[int32]*served{}, snapshots: map[uint64]func(){}}
	s.batch, _ = m.(sm.BatchExecutor)
	s.checkpointer, _ = m.(sm.Checkpointer)
	s.snapshotter, _ = m.(sm.Snapshotter)
	s.proposer, _ = m.(sm.BeforeProposer)
	s.querier, _ = m.(Querier)
	return s, nil
}
