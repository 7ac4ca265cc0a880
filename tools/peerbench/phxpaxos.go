package main

import (
	"context"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// phx is a node of this library with default options. There is no leader to
// wait for: who proposes first saves the prepare round from then on.
type phx struct {
	node   *phxpaxos.Node
	groups int
}

func startPhxpaxos(s setup) (node, error) {
	var ids []nodeid.ID
	for _, a := range s.Addrs {
		id, err := nodeid.Parse(a)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	n, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: ids[s.Me], Nodes: ids, LogStoragePath: s.Dir, GroupCount: s.Groups,
		StateMachines: []sm.StateMachine{nothing{}},
	})
	if err != nil {
		return nil, err
	}
	return &phx{n, s.Groups}, nil
}

func (p *phx) propose(group int, value []byte) error {
	_, err := p.node.Propose(context.Background(), group, 1, value)
	return err
}

func (p *phx) lead() error {
	for g := range p.groups {
		if err := p.propose(g, []byte("first")); err != nil {
			return err
		}
	}
	return nil
}

func (p *phx) close() { p.node.Close() }

// nothing is a state machine without a state, as those of the others here.
type nothing struct{}

func (nothing) ID() sm.ID                        { return 1 }
func (nothing) Execute(sm.Entry) ([]byte, error) { return nil, nil }
