package tutorial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Service is the bank on several machines: one Service on each.
type Service struct {
	node    *phxpaxos.Node
	machine *Machine
}

// Open runs this machine's part. All parts have the same list of nodes, and
// each a directory of its own.
func Open(me nodeid.ID, nodes []nodeid.ID, dir string) (*Service, error) {
	logs := filepath.Join(dir, "log")
	if err := os.MkdirAll(logs, 0o775); err != nil {
		return nil, err
	}
	machine, err := OpenMachine(dir)
	if err != nil {
		return nil, err
	}
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode:         me,
		Nodes:          nodes,
		LogStoragePath: logs,
		StateMachines:  []sm.StateMachine{machine},
	})
	if err != nil {
		return nil, err
	}
	return &Service{node, machine}, nil
}

// Close ends this machine's part; the others go on.
func (s *Service) Close() error { return s.node.Close() }

// ErrRefused is matched by errors that say why the bank refuses an operation.
var ErrRefused = errors.New("refused")

// Do carries out an operation. Unless the error matches ErrRefused, it may
// have happened or not; then Do may be called again with the same ID.
func (s *Service) Do(ctx context.Context, op Operation) error {
	value, err := json.Marshal(op)
	if err != nil {
		return err
	}
	result, err := s.node.Propose(ctx, 0, MachineID, value)
	if err != nil {
		return err
	}
	if text := string(result.Output); text != "ok" {
		return fmt.Errorf("%w: %s", ErrRefused, text)
	}
	return nil
}

// Balance is what an account has: everything counts that was acknowledged
// before the call, on any machine.
func (s *Service) Balance(ctx context.Context, account string) (int, error) {
	if _, err := s.node.ReadIndex(ctx, 0); err != nil {
		return 0, err
	}
	return s.machine.Balance(account), nil
}

// BalanceSoon is faster, and maybe outdated.
func (s *Service) BalanceSoon(account string) int { return s.machine.Balance(account) }
