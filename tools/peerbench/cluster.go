package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
)

// figure is what one load came to on one system in one round.
type figure struct {
	OpsPerSec      float64
	P50, P99, P999 time.Duration
	CPUPer10k      float64 // seconds, over all processes
	Peak           uint64  // bytes, of the largest process since it started
}

// cluster is three processes of a system.
type cluster struct {
	dir     string
	nodes   []*child
	release func() // gives their ports back
}

const nodes = 3

func startCluster(v variant, dir string, groups int) (c *cluster, err error) {
	ids, release, err := freeaddr.Hold(nodes)
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, id := range ids {
		addrs = append(addrs, id.String())
	}
	c = &cluster{release: release}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.dir, err = os.MkdirTemp(dir, "peerbench"); err != nil {
		return nil, err
	}
	for i := range addrs {
		mine := filepath.Join(c.dir, fmt.Sprint(i))
		if err := os.Mkdir(mine, 0o755); err != nil {
			return c, err
		}
		n, err := startChild(v.procs, setup{System: v.name, Me: i, Addrs: addrs, Dir: mine, Groups: groups})
		if err != nil {
			return c, err
		}
		c.nodes = append(c.nodes, n)
	}
	for i, n := range c.nodes {
		if _, err := n.receive(); err != nil {
			return c, fmt.Errorf("start process %d: %w", i, err)
		}
	}
	_, err = c.nodes[0].ask(request{Lead: true})
	return c, err
}

// play measures one load.
func (c *cluster) play(ctx context.Context, l load, warmup, measured time.Duration) (f figure, err error) {
	if _, err := c.nodes[0].ask(request{Load: &l}); err != nil {
		return f, err
	}
	sleep(ctx, warmup)
	before, err := c.mark()
	if err != nil {
		return f, err
	}
	sleep(ctx, measured)
	after, err := c.mark()
	if err != nil {
		return f, err
	}
	end, err := c.nodes[0].ask(request{End: true})
	if err != nil {
		return f, err
	}
	ops := float64(after[0].Ops - before[0].Ops)
	f.OpsPerSec = ops / (after[0].At - before[0].At).Seconds()
	f.P50, f.P99, f.P999 = end.P50, end.P99, end.P999
	var cpu time.Duration
	for i := range after {
		cpu += after[i].CPU - before[i].CPU
		f.Peak = max(f.Peak, after[i].Peak)
	}
	if ops > 0 {
		f.CPUPer10k = cpu.Seconds() / ops * 10000
	}
	return f, ctx.Err()
}

func (c *cluster) mark() (all []answer, err error) {
	for _, n := range c.nodes {
		if err := n.send(request{Mark: true}); err != nil {
			return nil, err
		}
	}
	for _, n := range c.nodes {
		a, err := n.receive()
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// close ends the processes, removes what they wrote and gives their ports back.
func (c *cluster) close() {
	for _, n := range c.nodes {
		n.stdin.Close() // all at once
	}
	for _, n := range c.nodes {
		n.finish()
	}
	os.RemoveAll(c.dir)
	c.release()
}
