package statemachine

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	pb "github.com/phxpaxos/phxpaxos-go/plugin/statemachine/statemachinepb"
)

// server answers the host's calls in the child.
type server struct {
	pb.UnimplementedStateMachineServer

	machine      sm.StateMachine
	batch        sm.BatchExecutor
	checkpointer sm.Checkpointer
	snapshotter  sm.Snapshotter
	proposer     sm.BeforeProposer
	querier      Querier
	socket       string // where Execute is taken without gRPC, "" if nowhere

	mu        sync.Mutex
	groups    map[int32]*served
	snapshots map[uint64]func() // what is held, by handle
	handle    uint64
}

// served is a group in the child. Its lock is held by who executes.
type served struct {
	mu      sync.Mutex
	at      position
	began   bool
	failed  bool     // the state machine failed
	again   position // and where; it has to be given that entry next
	entries []sm.Entry
}

func (s *server) group(index int32) *served {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[index]
	if g == nil {
		g = &served{}
		s.groups[index] = g
	}
	return g
}

// Describe says what the state machine can do.
func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Id: int32(s.machine.ID()), Checkpoints: s.checkpointer != nil, Snapshots: s.snapshotter != nil,
		BeforePropose: s.proposer != nil, Queries: s.querier != nil, QueryStream: s.querier != nil, ExecuteSocket: s.socket}, nil
}

// Checkpoints tells where the durable states end.
func (s *server) Checkpoints(_ context.Context, r *pb.CheckpointsRequest) (*pb.CheckpointsResponse, error) {
	response := &pb.CheckpointsResponse{}
	for _, g := range r.Groups {
		response.Checkpoints = append(response.Checkpoints, s.checkpoint(g))
	}
	return response, nil
}

func (s *server) checkpoint(group int32) *pb.Checkpoint {
	if s.checkpointer == nil {
		return nil
	}
	at := s.checkpointer.CheckpointInstance(int(group))
	if at == sm.NoCheckpoint {
		return &pb.Checkpoint{}
	}
	return &pb.Checkpoint{Any: true, Instance: at}
}

// Execute applies entries, request for request.
func (s *server) Execute(stream grpc.BidiStreamingServer[pb.ExecuteRequest, pb.ExecuteResponse]) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response, err := s.execute(r)
		if err != nil {
			return err
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func (s *server) execute(r *pb.ExecuteRequest) (*pb.ExecuteResponse, error) {
	g := s.group(r.Group)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := s.take(g, r); err != nil {
		return nil, err
	}
	results, err := s.run(g)
	response := &pb.ExecuteResponse{Results: results}
	if n := len(results); n > 0 && n <= len(g.entries) {
		g.at = behind(g.entries[n-1])
	}
	if g.failed = err != nil; g.failed {
		response.Failed, response.Error = true, err.Error()
		if n := len(results); n < len(g.entries) {
			g.again = position{g.entries[n].Instance, g.entries[n].Index}
		}
	}
	clear(g.entries)
	response.Checkpoint = s.checkpoint(r.Group)
	return response, nil
}

// take checks the order of the entries: what was executed is never executed
// again, and what failed is not left out, whoever is wrong.
func (s *server) take(g *served, r *pb.ExecuteRequest) error {
	if !g.began {
		g.began = true
		if s.checkpointer != nil {
			g.at = position{s.checkpointer.CheckpointInstance(int(r.Group)) + 1, 0}
		}
	}
	if len(r.Entries) == 0 || r.Instance == sm.NoCheckpoint {
		return status.Errorf(codes.InvalidArgument, "%d entries of instance %d", len(r.Entries), r.Instance)
	}
	if first := (position{r.Instance, int(r.Entries[0].Index)}); g.failed && first != g.again {
		return status.Errorf(codes.FailedPrecondition, "group %d: entry %d of instance %d failed, and entry %d of instance %d comes next",
			r.Group, g.again.index, g.again.instance, first.index, first.instance)
	}
	g.entries = g.entries[:0]
	at := g.at
	for i, e := range r.Entries {
		this := position{r.Instance, int(e.Index)}
		if this.before(at) {
			return status.Errorf(codes.FailedPrecondition, "group %d: entry %d of instance %d comes behind entry %d of instance %d",
				r.Group, this.index, this.instance, at.index-1, at.instance)
		}
		at = position{r.Instance, int(e.Index) + 1}
		g.entries = append(g.entries, sm.Entry{Group: int(r.Group), Instance: r.Instance, Index: int(e.Index),
			Last: r.Last && i == len(r.Entries)-1, Replay: r.Replay, Value: e.Value})
	}
	return nil
}

func (s *server) run(g *served) ([][]byte, error) {
	results := make([][]byte, 0, len(g.entries))
	if s.batch != nil {
		return s.batch.ExecuteBatch(g.entries, results)
	}
	for _, e := range g.entries {
		result, err := s.machine.Execute(e)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

// BeforePropose lets the state machine replace a value.
func (s *server) BeforePropose(_ context.Context, r *pb.BeforeProposeRequest) (*pb.BeforeProposeResponse, error) {
	if s.proposer == nil {
		return nil, status.Error(codes.Unimplemented, "the state machine is no sm.BeforeProposer")
	}
	return &pb.BeforeProposeResponse{Value: s.proposer.BeforePropose(int(r.Group), r.Value)}, nil
}

// TakeSnapshot freezes the durable state.
func (s *server) TakeSnapshot(_ context.Context, r *pb.TakeSnapshotRequest) (*pb.TakeSnapshotResponse, error) {
	if s.snapshotter == nil {
		return nil, status.Error(codes.Unimplemented, "the state machine is no sm.Snapshotter")
	}
	snapshot, err := s.snapshotter.Snapshot(int(r.Group))
	if err != nil {
		return &pb.TakeSnapshotResponse{Failed: true, Error: err.Error()}, nil
	}
	dir, err := filepath.Abs(snapshot.Dir)
	if err != nil {
		if snapshot.Release != nil {
			snapshot.Release()
		}
		return &pb.TakeSnapshotResponse{Failed: true, Error: err.Error()}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle++
	s.snapshots[s.handle] = snapshot.Release
	return &pb.TakeSnapshotResponse{Instance: snapshot.Instance, Dir: dir, Files: snapshot.Files, Handle: s.handle}, nil
}

// ReleaseSnapshot ends a snapshot; one that is not held is no error.
func (s *server) ReleaseSnapshot(_ context.Context, r *pb.ReleaseSnapshotRequest) (*pb.ReleaseSnapshotResponse, error) {
	s.mu.Lock()
	release := s.snapshots[r.Handle]
	delete(s.snapshots, r.Handle)
	s.mu.Unlock()
	if release != nil {
		release()
	}
	return &pb.ReleaseSnapshotResponse{}, nil
}

// LoadSnapshot replaces the durable state.
func (s *server) LoadSnapshot(_ context.Context, r *pb.LoadSnapshotRequest) (*pb.LoadSnapshotResponse, error) {
	if s.snapshotter == nil {
		return nil, status.Error(codes.Unimplemented, "the state machine is no sm.Snapshotter")
	}
	g := s.group(r.Group)
	g.mu.Lock()
	defer g.mu.Unlock()
	err := s.snapshotter.LoadSnapshot(int(r.Group), sm.Snapshot{Instance: r.Instance, Dir: r.Dir, Files: r.Files})
	if err != nil {
		return &pb.LoadSnapshotResponse{Failed: true, Error: err.Error()}, nil
	}
	g.began, g.at, g.failed = true, position{r.Instance + 1, 0}, false
	return &pb.LoadSnapshotResponse{}, nil
}

// Query reads the state.
func (s *server) Query(ctx context.Context, r *pb.QueryRequest) (*pb.QueryResponse, error) {
	if s.querier == nil {
		return nil, status.Error(codes.Unimplemented, "the state machine is no statemachine.Querier")
	}
	answer, err := s.querier.Query(ctx, int(r.Group), r.Request)
	if err != nil {
		return &pb.QueryResponse{Failed: true, Error: err.Error()}, nil
	}
	return &pb.QueryResponse{Response: answer}, nil
}
