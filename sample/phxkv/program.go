package phxkv

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/kvpb"
)

// partBytes is the size at which a part of a scan is handed over: most scans
// are one part, and a part with one more value stays far below the 128 MiB
// that a message may have.
const partBytes = 4 << 20

// ErrStateMachine is matched by errors about the program of a state machine
// that cannot be used.
var ErrStateMachine = errors.New("state machine in a program of its own")

// program is the state machine as a process of its own: phxkv_sm, which serves
// a Machine. Reading waits while there is no process, or one that has not yet
// been given everything again.
type program struct{ loaded }

// loaded is what the program has to be.
type loaded interface {
	statemachine.Machine
	sm.Snapshotter
}

// loadProgram starts the program at path, which opens what a Machine opens.
func loadProgram(path string, o *Options) (*program, error) {
	m, err := statemachine.Load(path, statemachine.Options{Args: []string{o.KVPath, o.LogPath}, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStateMachine, err)
	}
	p, err := newProgram(m)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", ErrStateMachine, path, err), m.Close())
	}
	return p, nil
}

func newProgram(m statemachine.Machine) (*program, error) {
	if l, ok := m.(loaded); ok && m.ID() == MachineID {
		return &program{l}, nil
	}
	return nil, fmt.Errorf("is another state machine, with the id %d", m.ID())
}

// Get is Machine.Get.
func (p *program) Get(ctx context.Context, key string) (*Data, error) {
	data := &Data{}
	err := p.ask(ctx, GroupOf(key), &kvpb.Query{Ask: &kvpb.Query_Get{Get: key}}, data)
	return data, err
}

// Err is Machine.Err, and it is an error if the process does not answer before
// ctx ends.
func (p *program) Err(ctx context.Context, group int) error {
	health := &kvpb.Health{}
	if err := p.ask(ctx, group, &kvpb.Query{Ask: &kvpb.Query_Health{Health: true}}, health); err != nil {
		return fmt.Errorf("the state machine does not answer: %w", err)
	}
	if health.Error != "" {
		return errors.New(health.Error)
	}
	return nil
}

// Scan is Machine.Scan, but what is not in the first part is as it is when it
// is read.
func (p *program) Scan(ctx context.Context, group int, prefix string, pair func(string, *Data) (bool, error)) error {
	for from := prefix; ; {
		part := &kvpb.Part{}
		if err := p.ask(ctx, group, &kvpb.Query{Ask: &kvpb.Query_Part{Part: &kvpb.PartRequest{Prefix: prefix, From: from}}}, part); err != nil {
			return err
		}
		for _, got := range part.Pairs {
			if more, err := pair(got.Key, got.Data); err != nil || !more {
				return err
			}
			from = got.Key + "\x00" // the next possible key
		}
		if !part.More || len(part.Pairs) == 0 {
			return nil
		}
	}
}

func (p *program) ask(ctx context.Context, group int, q *kvpb.Query, answer proto.Message) error {
	request, err := proto.Marshal(q)
	if err != nil {
		return err
	}
	response, err := p.Query(ctx, group, request)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(response, answer); err != nil {
		return fmt.Errorf("answer of the state machine: %w", err)
	}
	return nil
}

// Query answers what a program asks, in the process of the state machine
// (statemachine.Querier). It is safe for concurrent use.
func (m *Machine) Query(ctx context.Context, group int, request []byte) ([]byte, error) {
	var q kvpb.Query
	if err := proto.Unmarshal(request, &q); err != nil {
		return nil, fmt.Errorf("not a query: %w", err)
	}
	if group < 0 || group >= Groups {
		return nil, fmt.Errorf("there is no group %d, only 0..%d", group, Groups-1)
	}
	var answer proto.Message
	var err error
	switch ask := q.Ask.(type) {
	case *kvpb.Query_Get:
		answer, err = m.Get(ctx, ask.Get)
	case *kvpb.Query_Part:
		answer, err = m.part(ctx, group, ask.Part)
	case *kvpb.Query_Health:
		health := &kvpb.Health{}
		if err := m.Err(ctx, group); err != nil {
			health.Error = err.Error()
		}
		answer = health
	default:
		err = errors.New("a query that asks for nothing known; use the programs of one version")
	}
	if err != nil {
		return nil, err
	}
	return proto.Marshal(answer)
}

// part reads keys until they are enough for one answer.
func (m *Machine) part(ctx context.Context, group int, r *kvpb.PartRequest) (*kvpb.Part, error) {
	part, size := &kvpb.Part{}, 0
	err := m.scan(ctx, group, r.Prefix, r.From, func(key string, data *Data) (bool, error) {
		if part.More = size >= partBytes; part.More {
			return false, nil
		}
		part.Pairs = append(part.Pairs, &kvpb.ScanPage_Pair{Key: key, Data: data})
		size += len(key) + len(data.Value)
		return true, nil
	})
	return part, err
}
