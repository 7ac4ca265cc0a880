package phxkv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// OperationBytesMax is the largest operation, key and value together. It is
// the original's limit on a packet, less what stands around an operation.
const OperationBytesMax = 10<<20 - 1<<10

// ReasonTrailer is the gRPC trailer that says in words why an answer has the
// code -1.
const ReasonTrailer = "phxkv-reason"

// service answers the original's four calls. Failures are codes in the answer,
// with a gRPC status of OK, as the original has it.
type service struct {
	kvpb.UnimplementedPhxKVServerServer
	node    *phxpaxos.Node
	machine stateMachine
	fenced  bool
}

// Put writes a key.
func (s *service) Put(ctx context.Context, op *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	return s.propose(ctx, &kvpb.KVOperator{Key: op.Key, Value: op.Value, Version: op.Version, Operator: operatorWrite})
}

// Delete leaves a tombstone.
func (s *service) Delete(ctx context.Context, op *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	return s.propose(ctx, &kvpb.KVOperator{Key: op.Key, Version: op.Version, Operator: operatorDelete})
}

func (s *service) propose(ctx context.Context, op *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	if size := len(op.Key) + len(op.Value); size > OperationBytesMax {
		return nil, status.Errorf(codes.InvalidArgument, "key and value have %d bytes, at most %d are possible", size, OperationBytesMax)
	}
	group := GroupOf(op.Key)
	if !s.node.IsMaster(group) {
		return s.redirect(group)
	}
	op.Sid = rand.Uint32() // equal operations of two callers are two values
	value, err := proto.Marshal(op)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	result, err := s.node.Propose(ctx, group, MachineID, value)
	if errors.Is(err, phxpaxos.ErrNotMaster) {
		return s.redirect(group) // it lost the mastership meanwhile: nothing was chosen
	}
	if err != nil {
		return s.failed(ctx, err)
	}
	switch output := string(result.Output); output {
	case string(done):
		return &kvpb.KVResponse{}, nil
	case string(conflict):
		return &kvpb.KVResponse{Ret: CodeVersionConflict}, nil
	default:
		return s.failed(ctx, fmt.Errorf("the state machine answered %x", output))
	}
}

// GetGlobal reads what is there when the call begins, or newer.
func (s *service) GetGlobal(ctx context.Context, op *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	group := GroupOf(op.Key)
	if !s.node.IsMaster(group) {
		return s.redirect(group)
	}
	// To be master is not enough: another node may have had something chosen
	// that was not executed here yet.
	var err error
	if s.fenced {
		_, err = s.node.LeaseRead(group)
	} else {
		_, err = s.node.ReadIndex(ctx, group)
	}
	if errors.Is(err, phxpaxos.ErrNotMaster) {
		return s.redirect(group)
	}
	if err != nil {
		return s.failed(ctx, err)
	}
	return s.GetLocal(ctx, op)
}

// GetLocal reads what this node has.
func (s *service) GetLocal(ctx context.Context, op *kvpb.KVOperator) (*kvpb.KVResponse, error) {
	data, err := s.machine.Get(ctx, op.Key)
	switch {
	case err != nil:
		return s.failed(ctx, err)
	case data.Isdeleted || data.Version == 0:
		return &kvpb.KVResponse{Data: &Data{Version: data.Version, Isdeleted: data.Isdeleted}, Ret: CodeNotExist}, nil
	default:
		return &kvpb.KVResponse{Data: data}, nil
	}
}

// redirect names the master, for all that this node knows.
func (s *service) redirect(group int) (*kvpb.KVResponse, error) {
	master, err := s.node.Master(group)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &kvpb.KVResponse{Ret: CodeMasterRedirect, MasterNodeid: uint64(master)}, nil
}

// failed answers -1 and says why. Whether the operation takes effect is
// unknown: the caller may repeat it, since its version lets it happen once.
func (s *service) failed(ctx context.Context, err error) (*kvpb.KVResponse, error) {
	if ctx.Err() != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs(ReasonTrailer, fmt.Sprintf("%+q", err.Error())))
	return &kvpb.KVResponse{Ret: CodeFail}, nil
}
