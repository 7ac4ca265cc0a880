package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sim"
)

// crowd is many worlds on all cores, each single-threaded.
type crowd struct {
	a     arguments
	begin time.Time

	mu       sync.Mutex
	next     uint64
	busy     time.Duration // of all workers together
	stats    sim.Stats
	failures []failure
}

type failure struct {
	plan      sim.Plan
	violation *sim.Violation
}

// playMany runs seeds until the budget or the range ends.
func playMany(ctx context.Context, a arguments) (ok bool) {
	c := &crowd{a: a, begin: time.Now(), next: a.first}
	if a.last == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.budget)
		defer cancel()
		fmt.Printf("seeds from %d, for %v, on %d cores\n", a.first, a.budget, a.workers)
	} else {
		fmt.Printf("seeds %d-%d on %d cores\n", a.first, a.last, a.workers)
	}
	done := make(chan struct{})
	progress := startProgress(c, done)
	var workers sync.WaitGroup
	for range a.workers {
		workers.Go(func() { c.work(ctx) })
	}
	workers.Wait()
	close(done)
	<-progress
	c.report()
	return len(c.failures) == 0
}

func (c *crowd) work(ctx context.Context) {
	for ctx.Err() == nil {
		seed, ok := c.take()
		if !ok {
			return
		}
		p := sim.NewPlanOf(c.a.kind, seed, c.a.nodes, c.a.groups)
		p.Skip = c.a.skip
		if err := p.Without(c.a.without...); err != nil {
			fmt.Fprintln(os.Stderr, "sim:", err)
			return
		}
		begin := time.Now()
		res := sim.Run(p, c.a.options())
		c.add(p, &res, time.Since(begin))
	}
}

func (c *crowd) take() (seed uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.a.last != 0 && c.next > c.a.last || len(c.failures) >= c.a.most {
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

func (c *crowd) add(p sim.Plan, res *sim.Result, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy += took
	c.stats.Add(&res.Stats)
	if res.Violation != nil {
		c.failures = append(c.failures, failure{p, res.Violation})
		fmt.Printf("\nVIOLATION with seed %d: %v\n  go run ./tools/sim %s%s -trace\n", p.Seed, res.Violation, p.Arguments(), c.storage())
	}
}

func (c *crowd) storage() string {
	if c.a.storage != sim.AnyStorage {
		return " -storage " + c.a.storage.String()
	}
	return ""
}

// report prints the sums, and looks for shorter runs of what failed.
func (c *crowd) report() {
	fmt.Println()
	used := c.busy
	if cpu := cpuTime(); cpu > 0 {
		used = cpu
	}
	printStats(os.Stdout, &c.stats, used)
	fmt.Printf("%d seeds in %v, %d failed\n", c.stats.Runs, time.Since(c.begin).Round(time.Millisecond), len(c.failures))
	for _, f := range c.failures {
		if c.a.shrink <= 0 {
			break
		}
		until := time.Now().Add(c.a.shrink)
		p, res := sim.Shrink(f.plan, c.a.options(), func() bool { return time.Now().Before(until) })
		if res.Violation == nil {
			fmt.Printf("seed %d does not fail again: the run is not deterministic\n", f.plan.Seed)
			continue
		}
		fmt.Printf("seed %d, shorter: %v\n  go run ./tools/sim %s%s -trace\n", p.Seed, res.Violation, p.Arguments(), c.storage())
	}
}
