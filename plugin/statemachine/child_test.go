package statemachine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// The test binary is also the program that is loaded: what it does then is in
// its environment.
const (
	childMode = "STATEMACHINE_TEST_MODE"
	childDir  = "STATEMACHINE_TEST_DIR"

	onSocket = "on a socket: " // the mode of a liar that answers Execute there
)

func TestMain(m *testing.M) {
	mode := os.Getenv(childMode)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := child(mode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// checkpointer and snapshotter are parts of a ledger.
type (
	checkpointer interface {
		sm.StateMachine
		sm.Checkpointer
	}
	snapshotter interface {
		sm.StateMachine
		sm.Snapshotter
	}
)

// stamp replaces values before they are proposed.
type stamp struct{}

func (stamp) BeforePropose(group int, value []byte) []byte {
	return fmt.Appendf(nil, "%s, stamped in group %d", value, group)
}

// hang never returns. Without cgo Go ends a program whose only goroutine waits
// for nothing that can come.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// child is the program that is loaded.
func child(mode string) error {
	dir := os.Getenv(childDir)
	if mode == "memory" || mode == "plain" || mode == "changes" {
		dir = ""
	}
	l, err := ledger.Open(dir, 3)
	if err != nil {
		return err
	}
	switch mode {
	case "ledger":
		return statemachine.Serve(&moody{l})
	case "host":
		return host()
	case "memory":
		return statemachine.Serve(struct {
			sm.BatchExecutor
			sm.StateMachine
			statemachine.Querier
		}{l, l, &moody{l}})
	case "answers":
		return statemachine.Serve(&patient{Ledger: l})
	case "plain":
		return statemachine.Serve(struct{ sm.StateMachine }{l})
	case "checkpoints":
		return statemachine.Serve(struct{ checkpointer }{l})
	case "late checkpoints":
		return statemachine.Serve(struct{ checkpointer }{late{l}})
	case "snapshots":
		return statemachine.Serve(struct{ snapshotter }{l})
	case "changes":
		return statemachine.Serve(struct {
			sm.StateMachine
			stamp
		}{l, stamp{}})
	case "checkpoints changes":
		return statemachine.Serve(struct {
			checkpointer
			stamp
		}{l, stamp{}})
	case "snapshots changes":
		return statemachine.Serve(struct {
			snapshotter
			stamp
		}{l, stamp{}})
	case "logs":
		return statemachine.Serve(talker{l})
	case "exits":
		return errors.New("no data, no life")
	case "says nothing":
		hang()
	case "says nonsense":
		fmt.Println("hello there")
		hang()
	case "says too much":
		os.Stdout.Write(bytes.Repeat([]byte("x"), 1<<20))
		hang()
	case "other version":
		fmt.Println("1|99|unix|/nowhere|grpc")
		hang()
	case "nobody listens":
		fmt.Println("1|1|unix|/nowhere/at/all|grpc")
		hang()
	case "reserved id":
		return statemachine.Serve(reserved{l})
	}
	return lie(mode)
}

type reserved struct{ sm.StateMachine }

func (reserved) ID() sm.ID { return sm.Master }

// late writes to disk when nothing is executed: here, when there is a file.
type late struct{ *ledger.Ledger }

func (l late) CheckpointInstance(group int) uint64 {
	if _, err := os.Stat(os.Getenv(childDir) + "/flushed"); err != nil {
		return sm.NoCheckpoint
	}
	return l.Ledger.CheckpointInstance(group)
}

// moody is a ledger that does what a value says.
type moody struct{ *ledger.Ledger }

func (m *moody) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for _, e := range entries {
		switch string(e.Value) {
		case "fail":
			return results, errors.New("disk is full")
		case "fail once":
			name := os.Getenv(childDir) + "/failed"
			if _, err := os.Stat(name); err != nil {
				os.WriteFile(name, nil, 0o600)
				return results, errors.New("disk is full")
			}
		case "slow": // eight are longer than the CallTimeout of their test
			time.Sleep(1500 * time.Millisecond)
		case "die":
			os.Exit(7)
		case "die once":
			name := os.Getenv(childDir) + "/died"
			if _, err := os.Stat(name); err != nil {
				os.WriteFile(name, nil, 0o600)
				os.Exit(7)
			}
		case "panic":
			panic("value that nobody expected")
		}
		r, err := m.Execute(e)
		if err != nil {
			return results, err
		}
		results = append(results, r)
		if string(e.Value) == "answer late" {
			for _, err := os.Stat(os.Getenv(childDir) + "/answer"); err != nil; _, err = os.Stat(os.Getenv(childDir) + "/answer") {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	return results, nil
}

func (m *moody) Query(ctx context.Context, group int, request []byte) ([]byte, error) {
	switch string(request) {
	case "fail":
		return nil, errors.New("no such key")
	case "pid":
		return fmt.Append(nil, os.Getpid()), nil
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.Ledger.Query(ctx, group, request)
}

// talker logs in all ways that there are.
type talker struct{ *ledger.Ledger }

func (t talker) Execute(e sm.Entry) ([]byte, error) {
	statemachine.NewLogger(slog.LevelInfo).Warn("by slog", "instance", e.Instance, "value", string(e.Value))
	fmt.Fprintln(os.Stderr, "by standard error\n{\"@message\": 5}")
	fmt.Println("by standard output")
	return t.Ledger.Execute(e)
}

func (t talker) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for _, e := range entries {
		r, err := t.Execute(e)
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

// liar answers by the protocol, and says what is not true.
type liar struct {
	pb.UnimplementedStateMachineServer
	mode   string
	socket string
}

func (s *liar) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	first := os.Getenv(childDir) + "/first"
	_, err := os.Stat(first)
	os.WriteFile(first, nil, 0o600)
	r := &pb.DescribeResponse{Id: int32(ledger.ID), Checkpoints: true, Queries: true, QueryStream: s.mode == "answers what nobody asked", ExecuteSocket: s.socket}
	switch {
	case s.mode == "snapshots without checkpoints":
		r.Checkpoints, r.Snapshots = false, true
	case s.mode == "changes its id" && err == nil:
		r.Id++
	}
	return r, nil
}

func (s *liar) Query(_ context.Context, r *pb.QueryRequest) (*pb.QueryResponse, error) {
	return &pb.QueryResponse{Response: append([]byte("alone: "), r.Request...)}, nil
}

func (s *liar) Queries(stream grpc.BidiStreamingServer[pb.Questions, pb.Answers]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, q := range r.Questions {
			number := q.Number
			if string(q.Request) == "lie" {
				number++
			}
			if err := stream.Send(&pb.Answers{Answers: []*pb.Answer{{Number: number}}}); err != nil {
				return err
			}
		}
	}
}

func (s *liar) Checkpoints(_ context.Context, r *pb.CheckpointsRequest) (*pb.CheckpointsResponse, error) {
	n := len(r.Groups)
	if s.mode == "forgets a checkpoint" {
		n++
	}
	return &pb.CheckpointsResponse{Checkpoints: make([]*pb.Checkpoint, n)}, nil
}

func (s *liar) Execute(stream grpc.BidiStreamingServer[pb.ExecuteRequest, pb.ExecuteResponse]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		response, err := s.execute(r)
		if err != nil || response == nil {
			return err
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func (s *liar) execute(r *pb.ExecuteRequest) (*pb.ExecuteResponse, error) {
	if string(r.Entries[0].Value) != "lie" {
		return &pb.ExecuteResponse{Results: make([][]byte, len(r.Entries))}, nil
	}
	switch s.mode {
	case "too few results":
		return &pb.ExecuteResponse{Results: make([][]byte, len(r.Entries)-1)}, nil
	case "too many results":
		return &pb.ExecuteResponse{Results: make([][]byte, len(r.Entries)+1)}, nil
	case "all results and a failure":
		return &pb.ExecuteResponse{Results: make([][]byte, len(r.Entries)), Failed: true}, nil
	case "checkpoint of the future":
		return &pb.ExecuteResponse{Results: make([][]byte, len(r.Entries)), Checkpoint: &pb.Checkpoint{Any: true, Instance: r.Instance + 1}}, nil
	case "hangs up":
		return nil, nil
	case "ends within a frame", "is no message":
		return &pb.ExecuteResponse{Results: make([][]byte, len(r.Entries))}, nil
	case "huge answer":
		return &pb.ExecuteResponse{Results: [][]byte{make([]byte, 200<<20)}}, nil
	case "answers late":
		time.Sleep(time.Hour)
	}
	return nil, errors.New("no idea")
}

// takeFrames is Execute on the socket.
func (s *liar) takeFrames(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for s.takeFrame(conn) == nil {
			}
		}()
	}
}

func (s *liar) takeFrame(conn net.Conn) error {
	var size uint32
	if err := binary.Read(conn, binary.LittleEndian, &size); err != nil {
		return err
	}
	data := make([]byte, size)
	r := &pb.ExecuteRequest{}
	if _, err := io.ReadFull(conn, data); err != nil {
		return err
	}
	if err := proto.Unmarshal(data, r); err != nil {
		return err
	}
	response, err := s.execute(r)
	if err != nil || response == nil {
		return errors.New("hang up")
	}
	if data, err = proto.Marshal(response); err != nil {
		return err
	}
	frame := append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
	if string(r.Entries[0].Value) == "lie" {
		switch s.mode {
		case "ends within a frame":
			conn.Write(frame[:len(frame)-1])
			return io.EOF
		case "is no message":
			frame = []byte{1, 0, 0, 0, 7}
		}
	}
	_, err = conn.Write(frame)
	return err
}

// lie serves a liar.
func lie(mode string) error {
	s := &liar{mode: mode}
	if after, ok := strings.CutPrefix(mode, onSocket); ok {
		s.mode, s.socket = after, os.Getenv(goplugin.EnvUnixSocketDir)+"/lies"
		l, err := net.Listen("unix", s.socket)
		if err != nil {
			return err
		}
		go s.takeFrames(l)
	}
	go func() {
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: "PHXPAXOS_STATEMACHINE", MagicCookieValue: "7c1f4d0a9be2"},
		VersionedPlugins: map[int]goplugin.PluginSet{1: {"statemachine": lies{server: s}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer:       func(opts []grpc.ServerOption) *grpc.Server { return grpc.NewServer(opts...) },
	})
	return nil
}

type lies struct {
	goplugin.NetRPCUnsupportedPlugin
	server pb.StateMachineServer
}

func (s lies) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	pb.RegisterStateMachineServer(g, s.server)
	return nil
}

func (s lies) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

// host loads a ledger, prints its process id, and waits.
func host() error {
	m, err := load(os.Getenv(childDir), "ledger", statemachine.Options{})
	if err != nil {
		return err
	}
	pid, err := m.Query(context.Background(), 0, []byte("pid"))
	fmt.Println(strings.TrimSpace(string(pid)))
	if err != nil {
		return err
	}
	select {}
}
