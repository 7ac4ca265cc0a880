package phxkv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

const (
	// MessageBytesMax is what gRPC takes in one message, on both sides. It is
	// more than the largest operation, so that one that is too large gets an
	// answer that says so.
	MessageBytesMax = 16 << 20
	// callsMax is how many calls of one connection run at once; more wait in
	// the client. A group takes 1 024 of them in one instance.
	callsMax = 4096
	// healthEvery is how soon the health service notices a broken group.
	healthEvery = time.Second
	// askMax is how long a state machine in a process of its own may take to
	// say how it is: longer than it takes on a busy machine.
	askMax = 5 * time.Second
)

// Options say what a server is. All fields up to LogPath must be set.
type Options struct {
	Listen  string      // address of the gRPC service; see GRPCAddress
	MyNode  nodeid.ID   // this node
	Nodes   []nodeid.ID // all nodes, this one included
	KVPath  string      // directory of the database, created if missing
	LogPath string      // directory of the paxos log, created if missing

	// LogLayout is how the paxos log lies in its directory. The original's
	// programs open LayoutOriginal only.
	LogLayout phxpaxos.LogLayout
	// StateMachine is the program of the state machine, phxkv_sm; "" means
	// that it is part of this one.
	StateMachine string
	// Network carries what nodes say to each other; nil means the default one.
	// The server closes it.
	Network network.Network
	// Fenced answers GetGlobal by the master's lease, without a message. It
	// has to be equal on all nodes, and none of them may be an original node.
	Fenced bool
	// Hold is how many instances each group's log keeps at least for nodes
	// that were away, 300 or more; 0 means 1 000 000. Nodes that lack more
	// than that get a snapshot.
	Hold int
	// Lease is for how long a master is elected; 0 means 10 s.
	Lease time.Duration
	// Drain bounds how long calls that run may take to end when the server
	// is stopped, and then how long it waits until others are master.
	Drain time.Duration
	// TLS protects the gRPC service; nil means plain text. What nodes say to
	// each other is the Network's affair.
	TLS *tls.Config
	// Logger gets a line for each event that an operator should see; nil
	// means no lines.
	Logger *slog.Logger
	// Monitor shows what the node does; nil means nothing does. The caller
	// closes it.
	Monitor *monitor.Monitor
}

// Serve runs a server until ctx ends. It calls listening when calls are
// answered. At the end it lets running calls come to their end, gives
// masterships up, and writes everything to disk; only what goes wrong is an
// error.
func Serve(ctx context.Context, o Options, listening func()) error {
	s, err := start(o)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- s.grpc.Serve(s.listener) }()
	var watching context.Context
	watching, s.stop = context.WithCancel(context.Background())
	go s.watch(watching)
	listening()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return errors.Join(err, s.close())
}

// stateMachine is the state machine as a server uses it: a Machine, or a program.
type stateMachine interface {
	sm.StateMachine
	sm.Snapshotter
	Get(ctx context.Context, key string) (*Data, error)
	Scan(ctx context.Context, group int, prefix string, pair func(key string, data *Data) (more bool, err error)) error
	Err(ctx context.Context, group int) error
	io.Closer
}

// server is everything that a process runs.
type server struct {
	o        Options
	listener net.Listener
	machine  stateMachine
	node     *phxpaxos.Node
	grpc     *grpc.Server
	health   *health.Server

	stop    func() // ends watch
	stopped chan struct{}
}

// start opens everything; the last thing that could fail is the node.
func start(o Options) (*server, error) {
	s := &server{o: o, stopped: make(chan struct{})}
	var err error
	if s.listener, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("gRPC address: %w", err)
	}
	if o.StateMachine == "" {
		s.machine, err = OpenMachine(o.KVPath, o.LogPath)
	} else {
		s.machine, err = loadProgram(o.StateMachine, &o)
	}
	if err != nil {
		return nil, errors.Join(err, s.listener.Close())
	}
	if s.node, err = s.runNode(); err != nil {
		return nil, errors.Join(err, s.machine.Close(), s.listener.Close())
	}
	s.register()
	return s, nil
}

func (s *server) runNode() (*phxpaxos.Node, error) {
	if err := os.MkdirAll(s.o.LogPath, 0o775); err != nil {
		return nil, err
	}
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: s.o.MyNode, Nodes: s.o.Nodes, LogStoragePath: s.o.LogPath, LogLayout: s.o.LogLayout, Network: s.o.Network,
		GroupCount: Groups, StateMachines: []sm.StateMachine{s.machine},
		UseMaster: true, MasterLease: s.o.Lease, Fence: s.o.Fenced, HoldInstances: s.o.Hold,
		Logger: s.o.Logger, Observer: s.o.Monitor.Observer(),
	})
	if err != nil {
		return nil, err
	}
	if err := s.o.Monitor.Watch(node); err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return node, nil
}

func (s *server) register() {
	options := []grpc.ServerOption{grpc.MaxRecvMsgSize(MessageBytesMax), grpc.MaxConcurrentStreams(callsMax)}
	if s.o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.o.TLS)))
	}
	s.grpc, s.health = grpc.NewServer(options...), health.NewServer()
	kvpb.RegisterPhxKVServerServer(s.grpc, &service{node: s.node, machine: s.machine, fenced: s.o.Fenced})
	kvpb.RegisterPhxKVInspectServer(s.grpc, &inspection{node: s.node, nodes: s.o.Nodes, machine: s.machine})
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
}

// watch keeps the health service up to date: the server is healthy while all
// its groups work. Who is master does not matter.
func (s *server) watch(ctx context.Context) {
	defer close(s.stopped)
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		status := healthpb.HealthCheckResponse_SERVING
		if !s.healthy(ctx) {
			status = healthpb.HealthCheckResponse_NOT_SERVING
		}
		s.health.SetServingStatus("", status)
		s.health.SetServingStatus(kvpb.PhxKVServer_ServiceDesc.ServiceName, status)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *server) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	for group := range Groups {
		if errors.Join(s.node.GroupError(group), s.machine.Err(ctx, group)) != nil {
			return false
		}
	}
	return true
}

// close ends everything in the order in which things depend on each other.
func (s *server) close() error {
	s.stop()
	<-s.stopped
	s.health.Shutdown() // whoever watches it goes elsewhere
	late := time.AfterFunc(s.o.Drain, s.grpc.Stop)
	s.grpc.GracefulStop()
	late.Stop()
	s.handOver()
	return errors.Join(s.node.Close(), s.machine.Close())
}

// handOver gives all masterships up and waits until others have them, which
// takes some round trips. Else a group would be without one until the lease
// ends.
func (s *server) handOver() {
	if len(s.o.Nodes) == 1 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Drain)
	defer cancel()
	var wg sync.WaitGroup
	for group := range Groups {
		if s.node.IsMaster(group) {
			wg.Go(func() {
				// What fails is no worse than a crash: the lease ends by itself.
				if s.node.DropMaster(ctx, group) == nil {
					_, _ = s.node.WaitMaster(ctx, group)
				}
			})
		}
	}
	wg.Wait()
}
