package phxkv

import (
	"bytes"
	"context"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb/util"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// scanPageBytes is the size at which a page is sent: large enough to be
// cheap, small enough to be shown at once.
const scanPageBytes = 64 << 10

// inspection is the service for people who look after a node.
type inspection struct {
	kvpb.UnimplementedPhxKVInspectServer
	node    *phxpaxos.Node
	nodes   []nodeid.ID
	machine stateMachine
}

// Scan sends the keys with a prefix as this node has them.
func (i *inspection) Scan(q *kvpb.ScanRequest, stream grpc.ServerStreamingServer[kvpb.ScanPage]) error {
	left := q.Limit
	if left == 0 {
		left = ^uint64(0)
	}
	page, size := &kvpb.ScanPage{}, 0
	send := func() error {
		err := stream.Send(page)
		page, size = &kvpb.ScanPage{}, 0
		return err
	}
	for group := range Groups {
		err := i.machine.Scan(stream.Context(), group, q.Prefix, func(key string, data *Data) (more bool, err error) {
			if data.Isdeleted {
				return true, nil
			}
			if left == 0 {
				return false, nil
			}
			left--
			page.Pairs = append(page.Pairs, &kvpb.ScanPage_Pair{Key: key, Data: data})
			if size += len(key) + len(data.Value); size < scanPageBytes {
				return true, nil
			}
			return true, send()
		})
		if err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
	}
	if len(page.Pairs) == 0 {
		return nil
	}
	return send()
}

// Scan calls pair for the keys of a group that have a prefix, in order, as
// they are at the time of the call; deleted ones are marked. It ends when pair
// does not want more, or with ctx. It is safe for concurrent use.
func (m *Machine) Scan(ctx context.Context, group int, prefix string, pair func(key string, data *Data) (more bool, err error)) error {
	return m.scan(ctx, group, prefix, prefix, pair)
}

// scan is Scan without the keys before from.
func (m *Machine) scan(ctx context.Context, group int, prefix, from string, pair func(key string, data *Data) (more bool, err error)) error {
	s := m.stores[group]
	if err := s.flush(); err != nil {
		return err
	}
	s.flushing.Lock()
	snapshot, err := s.db.GetSnapshot()
	s.flushing.Unlock()
	if err != nil {
		return err
	}
	defer snapshot.Release()
	rows := snapshot.NewIterator(util.BytesPrefix([]byte(dataPrefix+prefix)), nil)
	defer rows.Release()
	for ok := rows.Seek([]byte(dataPrefix + max(prefix, from))); ok; ok = rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := string(bytes.TrimPrefix(rows.Key(), []byte(dataPrefix)))
		data, err := decodeData(rows.Value())
		if err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		if more, err := pair(key, data); err != nil || !more {
			return err
		}
	}
	return rows.Error()
}

// Status says how far this node is.
func (i *inspection) Status(ctx context.Context, _ *kvpb.StatusRequest) (*kvpb.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	answer := &kvpb.StatusResponse{Nodeid: uint64(i.node.MyNodeID())}
	for _, id := range i.nodes {
		answer.MemberNodeids = append(answer.MemberNodeids, uint64(id))
	}
	for group := range Groups {
		answer.Groups = append(answer.Groups, i.group(ctx, group))
	}
	return answer, nil
}

func (i *inspection) group(ctx context.Context, group int) *kvpb.GroupStatus {
	master, err := i.node.Master(group)
	if err == nil {
		err = i.machine.Err(ctx, group)
	}
	g := &kvpb.GroupStatus{MasterNodeid: uint64(master), Checkpoints: i.machine.CheckpointInstance(group) + 1}
	if err != nil {
		g.Error = err.Error()
		return g
	}
	g.NowInstance, _ = i.node.NowInstanceID(group) // they fail only as Master does
	g.MinInstance, _ = i.node.MinChosenInstanceID(group)
	if p, _ := i.node.Progress(group); p.Phase != phxpaxos.Level {
		g.Progress = p.Phase.String()
	}
	return g
}
