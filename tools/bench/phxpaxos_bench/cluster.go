package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// How long a node may take.
const (
	startMax  = 10 * time.Minute          // to open its groups, with -log to fill their logs before
	readyMax  = primeMax + 10*time.Second // to decide something; the child gives up first and says why
	answerMax = drainMax + 20*time.Second // to say what it has seen
	finishMax = closeMax + 5*time.Second  // to close
)

// cluster is the node processes of this machine: all of a local cluster, or
// one of a cluster that spans machines.
type cluster struct {
	dir   string
	nodes []*child
	at    []*child      // those that propose
	took  time.Duration // to start

	release func() // gives the ports of a local cluster back
}

// startCluster starts the nodes of o for a number of groups and waits until
// each group works.
func startCluster(ctx context.Context, o *options, groups int) (c *cluster, err error) {
	c = &cluster{release: func() {}}
	defer func() {
		if err != nil {
			c.abort()
			c = nil
		}
	}()
	ids, mine := o.Join, []int{o.Me}
	if len(ids) == 0 {
		if ids, c.release, err = freeaddr.Hold(o.Nodes); err != nil {
			return c, err
		}
		mine = mine[:0]
		for i := range ids {
			mine = append(mine, i)
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "phxpaxos-bench")
	if err != nil {
		return c, err
	}
	if c.dir, err = filepath.Abs(dir); err != nil {
		return c, err
	}
	return c, c.launch(ctx, o, groups, ids, mine)
}

// launch starts processes; those that it has started are in c.nodes, also if
// it fails.
func (c *cluster) launch(ctx context.Context, o *options, groups int, ids []nodeid.ID, mine []int) error {
	began := time.Now()
	for _, i := range mine {
		set := setup{
			Me: i, Nodes: ids, Dir: filepath.Join(c.dir, "node"+strconv.Itoa(i+1)),
			Secret: o.Secret,
			Groups: groups, NoSync: !o.Durable, FullHistory: o.FullHistory, Shared: o.Storage == "shared", BatchCountMax: 1, BatchDelay: o.BatchDelay, LogInstances: o.LogInstances,
		}
		if o.Batch {
			set.BatchCountMax = 0 // the library's default
		}
		proposes := o.At == 0 || o.At == i+1
		if proposes && len(c.at) == 0 && o.AllocProfile != "" {
			set.AllocProfile = o.AllocProfile
		}
		n, err := startChild(set)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
		if proposes {
			c.at = append(c.at, n)
		}
	}
	starting, cancel := context.WithTimeoutCause(ctx, startMax, fmt.Errorf("it does not start within %v", startMax))
	defer cancel()
	for _, n := range c.nodes {
		if _, err := await(starting, n, n.ready); err != nil {
			return err
		}
	}
	c.took = time.Since(began)
	return c.prime(ctx)
}

// prime lets every group decide something once.
func (c *cluster) prime(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyMax, errors.New("its groups do not decide anything"))
	defer cancel()
	for _, n := range c.at {
		if err := n.ask(request{Prime: true}); err != nil {
			return err
		}
		if _, err := await(ctx, n, n.primed); err != nil {
			return err
		}
	}
	return nil
}

// each asks all nodes for the same and returns their counters.
func (c *cluster) each(ctx context.Context, q request) ([]counters, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerMax, errors.New("no answer"))
	defer cancel()
	for _, n := range c.nodes {
		if err := n.ask(q); err != nil {
			return nil, err
		}
	}
	all := make([]counters, len(c.nodes))
	for i, n := range c.nodes {
		answer, err := await(ctx, n, n.counters)
		if err != nil {
			return nil, err
		}
		all[i] = *answer
	}
	return all, nil
}

// load starts the callers, spread over the nodes that propose.
func (c *cluster) load(l load) error {
	shares := share(l.Callers, len(c.at))
	for i, n := range c.at {
		mine := l
		mine.Node = n.number
		mine.Callers = shares[i]
		mine.Rate = l.Rate * float64(shares[i]) / float64(max(1, l.Callers))
		if i > 0 {
			mine.CPUProfile = ""
		}
		if mine.Callers == 0 && l.Callers > 0 {
			continue
		}
		if err := n.ask(request{Load: &mine}); err != nil {
			return err
		}
	}
	return nil
}

// outcomes waits for what the callers of all nodes saw.
func (c *cluster) outcomes(ctx context.Context, callers int) ([]*outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerMax, errors.New("its callers do not end"))
	defer cancel()
	var all []*outcome
	at := c.at
	if callers > 0 {
		at = at[:min(callers, len(at))]
	}
	for _, n := range at {
		o, err := await(ctx, n, n.outcome)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// share splits callers as evenly as can be; the first get one more.
func share(callers, nodes int) []int {
	all := make([]int, nodes)
	for i := range all {
		all[i] = callers / nodes
		if i < callers%nodes {
			all[i]++
		}
	}
	return all
}

// sleep waits, unless a node fails first.
func (c *cluster) sleep(ctx context.Context, d time.Duration) error {
	// A node that ends or complains wakes every waiter through its channels,
	// so one goroutine per node is enough.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.NewTimer(d)
	defer timer.Stop()
	done := make(chan struct{})
	defer close(done)
	for _, n := range c.nodes {
		go func() {
			select {
			case text := <-n.failed:
				cancel(fmt.Errorf("%w %d: %s", errChild, n.number, text))
			case <-n.ended:
				cancel(n.complaint(fmt.Sprintf("ended by itself: %v", n.cmd.ProcessState)))
			case <-done:
			}
		}()
	}
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close lets all nodes end and removes what they wrote.
func (c *cluster) close() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), finishMax, errors.New("closing takes too long"))
	defer cancel()
	var errs []error
	for _, n := range c.nodes {
		n.stdin.Close() // all of them at once
	}
	for _, n := range c.nodes {
		errs = append(errs, n.finish(ctx))
	}
	c.abort()
	return errors.Join(errs...)
}

// abort leaves no process and no file behind, and then no port.
func (c *cluster) abort() {
	for _, n := range c.nodes {
		n.kill()
	}
	os.RemoveAll(c.dir)
	c.release()
}

// profileName makes a file name of its own for each row where there are
// several.
func profileName(name string, r row, several bool) string {
	if name == "" || !several {
		return name
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-g%d-v%d-c%d%s", strings.TrimSuffix(name, ext), r.Groups, r.ValueBytes, r.Callers, ext)
}
