package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// A call without an answer for callTimeout is given up. After an error a
// client waits for failureRest.
const (
	callTimeout = 5 * time.Second
	failureRest = 20 * time.Millisecond
)

// load is the clients of one node.
type load struct {
	node   *phxpaxos.Node
	set    *protocol.Setup
	out    *reporter
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func startLoad(node *phxpaxos.Node, set *protocol.Setup, out *reporter) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{node: node, set: set, out: out, cancel: cancel}
	for i := range set.Clients {
		l.wg.Go(func() { l.client(ctx, i) })
	}
	return l
}

// pause has each client finish its call, and returns when all have.
func (l *load) pause() {
	l.cancel()
	l.wg.Wait()
}

// client proposes one numbered value after the other until ctx ends.
func (l *load) client(ctx context.Context, number int) {
	group := number % l.set.Groups
	for seq := uint32(0); ctx.Err() == nil; seq++ {
		k := protocol.Key{Node: uint16(l.set.Me), Client: uint16(number), Life: l.set.Life, Seq: seq}
		call, cancel := context.WithTimeout(context.Background(), callTimeout)
		result, err := l.node.Propose(call, group, machineID, k.Value())
		cancel()
		rest := l.set.Rest
		if err == nil {
			l.out.send(protocol.Report{Ack: &protocol.Ack{
				Group: group, Instance: result.Instance, Index: uint32(result.Index), Key: k, At: time.Now(),
			}})
		} else {
			rest = failureRest
			l.failed(err)
			if errors.Is(err, phxpaxos.ErrClosed) || errors.Is(err, phxpaxos.ErrGroupFailed) {
				return
			}
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
	}
}

func (l *load) failed(err error) {
	if errors.Is(err, phxpaxos.ErrGroupFailed) {
		l.out.send(protocol.Report{Fault: err.Error()})
		return
	}
	l.out.send(protocol.Report{Unknown: err.Error()})
}
