package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

// Latencies are kept between these bounds; what lies outside counts as the
// bound.
const (
	latencyMin = time.Microsecond
	latencyMax = 100 * time.Second
)

// benchOptions are the flags of bench.
type benchOptions struct {
	clients  int
	size     int
	reads    float64
	read     string
	keys     int
	zipf     float64
	prefix   string
	duration time.Duration
	warmup   time.Duration
}

func (o *benchOptions) flags(flags *flag.FlagSet) {
	flags.IntVar(&o.clients, "clients", 10, "how many callers, each with one call at a time, 1..10000")
	flags.IntVar(&o.size, "size", 100, "bytes of each value")
	flags.Float64Var(&o.reads, "reads", 0.5, "share of reads, 0..1; the rest are puts")
	flags.StringVar(&o.read, "read", "getglobal", "how to read: getglobal or getlocal")
	flags.IntVar(&o.keys, "keys", 100, "how many keys each caller has; callers share none, so that no put conflicts")
	flags.Float64Var(&o.zipf, "zipf", 0, "exponent above 1: some keys are used more than others; 0: all alike")
	flags.StringVar(&o.prefix, "prefix", "bench/", "what keys begin with")
	flags.DurationVar(&o.duration, "time", 10*time.Second, "how long to measure")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "how long to run before")
}

func (o *benchOptions) validate() error {
	switch {
	case o.clients < 1 || o.clients > 10000:
		return fmt.Errorf("-clients is %d, must be in 1..10000", o.clients)
	case o.size < 0 || o.size > phxkv.OperationBytesMax-1024:
		return fmt.Errorf("-size is %d, must be in 0..%d", o.size, phxkv.OperationBytesMax-1024)
	case !(o.reads >= 0 && o.reads <= 1):
		return fmt.Errorf("-reads is %v, must be in 0..1", o.reads)
	case o.read != "getglobal" && o.read != "getlocal":
		return fmt.Errorf("-read is %q, must be getglobal or getlocal", o.read)
	case o.keys < 1:
		return fmt.Errorf("-keys is %d, must be 1 or more", o.keys)
	case o.zipf != 0 && !(o.zipf > 1):
		return fmt.Errorf("-zipf is %v, must be 0 or above 1", o.zipf)
	case o.duration <= 0 || o.warmup < 0:
		return fmt.Errorf("-time is %v, -warmup %v; must be above 0, and 0 or more", o.duration, o.warmup)
	}
	return nil
}

// figures are what callers have measured.
type figures struct {
	mu        sync.Mutex
	latencies map[string]*hdrhistogram.Histogram
	conflicts int
	failures  int
	reason    error
}

// bench measures and prints.
func (t *tool) bench(ctx context.Context) int {
	var o benchOptions
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	o.flags(flags)
	if exit, ok := t.parseFlags(flags, 0); !ok {
		return exit
	}
	if err := o.validate(); err != nil {
		t.warn("bench: %v", err)
		return exitUsage
	}
	all := &figures{latencies: map[string]*hdrhistogram.Histogram{}}
	began := time.Now()
	from, to := began.Add(o.warmup), began.Add(o.warmup+o.duration)
	var count atomic.Int64
	var wg sync.WaitGroup
	for i := range o.clients {
		wg.Go(func() { newCaller(t, &o, i, from, to).run(ctx, all, &count) })
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	show := newBar(t.stderr, int64(o.warmup+o.duration))
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-tick.C:
			show.at(int64(time.Since(began)), int(count.Load()))
		}
	}
	show.clear()
	if ctx.Err() != nil {
		t.warn("bench: stopped")
		return exitFail
	}
	return t.printBench(&o, all)
}

func (t *tool) printBench(o *benchOptions, all *figures) int {
	for _, name := range []string{"put", o.read} {
		h := all.latencies[name]
		if h == nil {
			continue
		}
		ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
		fmt.Fprintf(t.stdout, "%-9s %9.0f ops/s, latency ms p50 %.3f p90 %.3f p99 %.3f p99.9 %.3f max %.3f\n",
			name, float64(h.TotalCount())/o.duration.Seconds(), ms(50), ms(90), ms(99), ms(99.9), float64(h.Max())/1e6)
	}
	fmt.Fprintf(t.stdout, "Bench ok, clients %d size %d conflict %d fail %d\n", o.clients, o.size, all.conflicts, all.failures)
	if all.failures > 0 {
		t.warn("bench: %d calls failed, one of them with: %v", all.failures, all.reason)
		return exitFail
	}
	return exitOK
}

// caller makes one call after the other.
type caller struct {
	t        *tool
	o        *benchOptions
	id       int
	from, to time.Time
	rand     *rand.Rand
	zipf     *rand.Zipf
	versions []uint64
	known    []bool
	value    []byte
}

func newCaller(t *tool, o *benchOptions, id int, from, to time.Time) *caller {
	c := &caller{t: t, o: o, id: id, from: from, to: to, rand: rand.New(rand.NewPCG(uint64(id), 1)),
		versions: make([]uint64, o.keys), known: make([]bool, o.keys), value: make([]byte, o.size)}
	if o.zipf > 1 {
		c.zipf = rand.NewZipf(c.rand, o.zipf, 1, uint64(o.keys-1))
	}
	for i := range c.value {
		c.value[i] = byte(c.rand.Uint32())
	}
	return c
}

func (c *caller) run(ctx context.Context, all *figures, count *atomic.Int64) {
	mine := map[string]*hdrhistogram.Histogram{}
	var conflicts, failures int
	var reason error
	for ctx.Err() == nil && time.Now().Before(c.to) {
		name, took, answer := c.call(ctx)
		count.Add(1)
		if time.Now().Add(-took).Before(c.from) {
			continue
		}
		switch answer.Code {
		case phxkv.CodeOK, phxkv.CodeNotExist:
			if mine[name] == nil {
				mine[name] = hdrhistogram.New(int64(latencyMin), int64(latencyMax), 2)
			}
			_ = mine[name].RecordValue(int64(min(max(took, latencyMin), latencyMax))) // it is in range
		case phxkv.CodeVersionConflict:
			conflicts++
		default:
			failures++
			if reason = answer.Err; reason == nil {
				reason = fmt.Errorf("ret %d", answer.Code)
			}
		}
	}
	all.add(mine, conflicts, failures, reason)
}

// call makes one call; the lookup of a version before the first put of a key
// is not measured.
func (c *caller) call(ctx context.Context) (name string, took time.Duration, answer client.Answer) {
	i := c.rand.IntN(c.o.keys)
	if c.zipf != nil {
		i = int(c.zipf.Uint64())
	}
	op := operation{name: c.o.read, key: fmt.Sprintf("%s%d/%d", c.o.prefix, c.id, i), value: c.value}
	write := c.rand.Float64() >= c.o.reads
	if write {
		op.name = "put"
		if !c.known[i] {
			c.look(ctx, i, op.key)
		}
		op.version = c.versions[i]
	}
	call, cancel := c.t.context(ctx)
	defer cancel()
	began := time.Now()
	answer = op.run(call, c.t.client)
	took = time.Since(began)
	if write {
		c.versions[i]++
		c.known[i] = answer.Code == phxkv.CodeOK // or look again
	}
	return op.name, took, answer
}

func (c *caller) look(ctx context.Context, i int, key string) {
	call, cancel := c.t.context(ctx)
	defer cancel()
	answer := c.t.client.GetGlobal(call, key)
	c.versions[i], c.known[i] = answer.Data.Version, true
}

func (f *figures) add(latencies map[string]*hdrhistogram.Histogram, conflicts, failures int, reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, h := range latencies {
		if f.latencies[name] == nil {
			f.latencies[name] = h
		} else {
			f.latencies[name].Merge(h)
		}
	}
	f.conflicts += conflicts
	f.failures += failures
	if reason != nil {
		f.reason = reason
	}
}
