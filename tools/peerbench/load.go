package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is a closed loop: each caller proposes again when it has its answer.
type load struct {
	Groups     int
	ValueBytes int
	Callers    int
}

// caller is one of them. What it counts is its own, so that counting costs the
// same for every system.
type caller struct {
	ops  atomic.Uint64
	took []time.Duration // of operations that ended while it was recorded
	_    [64]byte        // no two callers on a cache line
}

// callers plays one load.
type callers struct {
	all       []caller
	recording atomic.Bool
	stopping  atomic.Bool
	failed    atomic.Pointer[error]
	wg        sync.WaitGroup
}

func startCallers(n node, l load) *callers {
	c := &callers{all: make([]caller, l.Callers)}
	for i := range c.all {
		c.wg.Go(func() { c.run(n, l, i) })
	}
	return c
}

// run keeps to one group where there are enough callers, and goes from group
// to group where not.
func (c *callers) run(n node, l load, i int) {
	me := &c.all[i]
	value := make([]byte, l.ValueBytes)
	_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(value) // never fails
	group, step := i%l.Groups, 0
	if l.Callers < l.Groups {
		step = 1
	}
	for count := uint64(1); !c.stopping.Load(); count++ {
		for k := 0; k < 8 && k < len(value); k++ {
			value[k] = byte(count >> (8 * k))
		}
		began := time.Now()
		if err := n.propose(group, value); err != nil {
			c.failed.CompareAndSwap(nil, &err)
			return
		}
		me.ops.Add(1)
		if c.recording.Load() {
			me.took = append(me.took, time.Since(began))
		}
		group = (group + step) % l.Groups
	}
}

func (c *callers) ops() (n uint64) {
	for i := range c.all {
		n += c.all[i].ops.Load()
	}
	return n
}

// end waits for the callers and returns the latencies in order.
func (c *callers) end() ([]time.Duration, error) {
	c.stopping.Store(true)
	c.wg.Wait()
	if err := c.failed.Load(); err != nil {
		return nil, *err
	}
	var all []time.Duration
	for i := range c.all {
		all = append(all, c.all[i].took...)
	}
	slices.Sort(all)
	return all, nil
}

// quantile of values in order.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return all[min(len(all)-1, int(q*float64(len(all))))]
}
