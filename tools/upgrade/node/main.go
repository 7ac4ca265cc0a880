// Node is the process of one node in tools/upgrade. The same source is compiled
// with this tree and with an earlier one, so it uses only what both have; what
// they do not share is in levels.go and levels_base.go.
package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// udpMaxSize has small packets take UDP and larger ones TCP.
const udpMaxSize = 4096

// limitTimeout bounds a change of the limit of the level.
const limitTimeout = 30 * time.Second

func main() {
	out := &reporter{out: gob.NewEncoder(os.Stdout)}
	if err := run(gob.NewDecoder(os.Stdin), out); err != nil {
		out.send(protocol.Report{Fault: err.Error()})
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// reporter sends reports. It is safe for concurrent use.
type reporter struct {
	mu  sync.Mutex
	out *gob.Encoder
}

// send sends a report. If the parent is gone, the process ends by the end of
// its input.
func (r *reporter) send(p protocol.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.out.Encode(&p)
}

// counter counts events.
type counter struct{ counts [event.Kinds]atomic.Uint64 }

func (c *counter) observe(e event.Event) { c.counts[e.Kind].Add(1) }

func (c *counter) named() map[string]uint64 {
	named := make(map[string]uint64)
	for i := range c.counts {
		if n := c.counts[i].Load(); n > 0 {
			named[event.Kind(i).String()] = n
		}
	}
	return named
}

// run runs one node until the parent closes the input.
func run(in *gob.Decoder, out *reporter) error {
	var set protocol.Setup
	if err := in.Decode(&set); err != nil {
		return fmt.Errorf("reading the setup: %w", err)
	}
	counts := &counter{}
	machines, o, err := nodeOptions(&set, out, counts)
	if err != nil {
		return err
	}
	node, err := phxpaxos.Run(o)
	if err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	out.send(protocol.Report{Ready: true})
	watchCtx, endWatch := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { watch(watchCtx, node, out) })
	load := startLoad(node, &set, out)
	err = serve(in, out, node, load, &set, counts)
	load.pause()
	endWatch()
	watching.Wait()
	if err := errors.Join(err, node.Close()); err != nil {
		return err
	}
	for _, m := range machines {
		if err := m.save(); err != nil {
			return err
		}
	}
	return nil
}

// serve answers requests until the input ends.
func serve(in *gob.Decoder, out *reporter, node *phxpaxos.Node, load *load, set *protocol.Setup, counts *counter) error {
	for {
		var q protocol.Request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		switch {
		case q.Status:
			out.send(protocol.Report{Status: statusOf(node, set, counts)})
		case q.Pause:
			load.pause()
			out.send(protocol.Report{Paused: true})
		case q.Limit != nil:
			ctx, cancel := context.WithTimeout(context.Background(), limitTimeout)
			answer := protocol.Report{Limited: true}
			if err := limitLevel(ctx, node, q.Limit.Level); err != nil {
				answer.LimitErr = err.Error()
			}
			cancel()
			out.send(answer)
		}
	}
}

func nodeOptions(set *protocol.Setup, out *reporter, counts *counter) ([]*machine, phxpaxos.Options, error) {
	o := phxpaxos.Options{
		LogStoragePath: set.Dir, UDPMaxSize: udpMaxSize, NoPacketCRC: set.NoPacketCRC,
		GroupCount: set.Groups, GroupStateMachines: make(map[int][]sm.StateMachine),
		UseMembership: set.Membership, UseMaster: set.Master, HoldInstances: set.Hold,
		MasterLease: 2 * time.Second,
		Observer:    event.Func(counts.observe),
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
		LogLayout:   phxpaxos.LayoutShared,
	}
	if set.Layout == "original" {
		o.LogLayout = phxpaxos.LayoutOriginal
	}
	for _, s := range set.Nodes {
		id, err := nodeid.Parse(s)
		if err != nil {
			return nil, o, err
		}
		o.Nodes = append(o.Nodes, id)
	}
	o.MyNode = o.Nodes[set.Me]
	var machines []*machine
	for g := range set.Groups {
		m, err := openMachine(set.Dir, g, func(text string) { out.send(protocol.Report{Fault: text}) })
		if err != nil {
			return nil, o, err
		}
		machines = append(machines, m)
		o.GroupStateMachines[g] = []sm.StateMachine{m}
	}
	return machines, o, nil
}

func statusOf(node *phxpaxos.Node, set *protocol.Setup, counts *counter) *protocol.Status {
	s := &protocol.Status{Now: make([]uint64, set.Groups), Level: level(node), Counts: counts.named()}
	for g := range s.Now {
		if now, err := node.NowInstanceID(g); err == nil {
			s.Now[g] = now // a group that has failed stays at 0
		}
	}
	return s
}

// watchEvery is how often the level is looked at: also the precision of the
// times that are reported.
const watchEvery = 10 * time.Millisecond

// watch reports each change of the level until ctx ends.
func watch(ctx context.Context, node *phxpaxos.Node, out *reporter) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last protocol.Level
	for first := true; ; first = false {
		now := level(node)
		if now == nil {
			return
		}
		if first || now.Level != last.Level || now.Limit != last.Limit {
			last = *now
			out.send(protocol.Report{Level: now})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
