package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
)

// A call that a lost majority holds up is given up, and its outcome is unknown
// then. One call in hastyOneIn gives up soon, so that this happens in every
// round that takes the majority away.
const (
	callTimeout  = 3 * time.Second
	hastyTimeout = 100 * time.Millisecond
	hastyOneIn   = 4
)

// clients is the load on one node: goroutines that each propose one value
// after the other.
type clients struct {
	node   *phxpaxos.Node
	set    setup
	report *reporter
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func startClients(node *phxpaxos.Node, set setup, r *reporter) *clients {
	ctx, cancel := context.WithCancel(context.Background())
	c := &clients{node: node, set: set, report: r, cancel: cancel}
	for i := range set.Clients {
		c.wg.Go(func() { c.run(ctx, i) })
	}
	return c
}

// pause lets every client end its call and returns when all have.
func (c *clients) pause() {
	c.cancel()
	c.wg.Wait()
}

// run proposes until ctx ends. A call under way is finished first.
func (c *clients) run(ctx context.Context, client int) {
	group, name := client%c.set.Groups, uint16(client)
	if client < c.set.Large {
		name += largeClients
	}
	for seq := uint32(0); ctx.Err() == nil; seq++ {
		k := key{Node: uint16(c.set.Me), Client: name, Life: c.set.Life, Seq: seq}
		timeout := callTimeout
		if seq%hastyOneIn == 0 {
			timeout = hastyTimeout
		}
		call, cancel := context.WithTimeout(context.Background(), timeout)
		result, err := c.node.Propose(call, group, machineID, k.value())
		cancel()
		c.ended(k, position{group, result.Instance, result.Index}, err)
		if errors.Is(err, phxpaxos.ErrClosed) || errors.Is(err, phxpaxos.ErrGroupFailed) {
			return
		}
	}
}

// ended reports a call with what its error promises about the value.
func (c *clients) ended(k key, at position, err error) {
	c.report.add(func(r *report) {
		switch {
		case err == nil:
			r.Acks = append(r.Acks, ack{k, at})
		case errors.Is(err, phxpaxos.ErrConflict), errors.Is(err, phxpaxos.ErrBusy):
			r.Refused = append(r.Refused, k)
		case errors.Is(err, phxpaxos.ErrGroupFailed):
			r.Failed = err.Error()
		default:
			r.Unknown++
		}
	})
}
