package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

// runner plays the epochs.
type runner struct {
	*faults
	clients []*chaosClient
	show    *progress.Printer
	began   time.Time
	total   counts
	verdict verdict
	epochs  int
}

func newRunner(c *cluster, seed uint64, show *progress.Printer) *runner {
	r := &runner{
		faults: &faults{cluster: c, rand: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}},
		show:   show,
		began:  time.Now(),
	}
	for id := range c.o.clients {
		r.clients = append(r.clients, newChaosClient(id, c.o, c.grpc, seed))
	}
	return r
}

// run plays until the time is over. Whatever it returns, the caller closes
// the cluster.
func (r *runner) run(ctx context.Context) error {
	defer func() {
		for _, c := range r.clients {
			c.close()
		}
	}()
	for i := range r.o.nodes {
		if err := r.start(ctx, i); err != nil {
			return err
		}
	}
	end := time.Now().Add(r.o.time)
	for time.Now().Before(end) {
		if err := r.epoch(ctx, min(r.o.epoch, time.Until(end))); err != nil {
			return err
		}
	}
	for i := range r.o.nodes {
		if err := r.finish(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// epoch lets clients work on some keys while things happen, and judges.
func (r *runner) epoch(ctx context.Context, while time.Duration) error {
	r.epochs++
	prefix := fmt.Sprintf("e%d/", r.epochs)
	var keys []string
	for n := range r.o.keys {
		keys = append(keys, fmt.Sprintf("%s%d", prefix, n))
	}
	h := newHistory()
	load, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, c := range r.clients {
		wg.Go(func() { c.run(load, keys, h) })
	}
	err := r.disturb(ctx, while, h)
	if err == nil {
		err = r.goesOn(ctx, h)
	}
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	r.total.add(h.snapshot())
	final, err := r.settle(ctx, prefix)
	if err != nil {
		return err
	}
	return r.verdict.judge(h, final, r.dir)
}

func (r *runner) disturb(ctx context.Context, while time.Duration, h *history) error {
	for end := time.Now().Add(while); time.Now().Before(end); {
		if err := r.strike(ctx); err != nil {
			return err
		}
		if err := pass(ctx, r.between(100*time.Millisecond, 2*time.Second)); err != nil {
			return err
		}
		sum := r.total
		sum.add(h.snapshot())
		r.show.At(float64(time.Since(r.began))/float64(r.o.time),
			fmt.Sprintf("epoch %d, %d calls answered, servers started %d times", r.epochs, sum.done(), r.lives))
	}
	return nil
}

// goesOn waits until writes are acknowledged with all servers whole.
func (r *runner) goesOn(ctx context.Context, h *history) error {
	before := h.snapshot()
	return until(ctx, "no write is acknowledged any more", func() bool {
		now := h.snapshot()
		return now.Puts > before.Puts+10 && now.Reads > before.Reads+10
	})
}

// until waits for something that healthy servers do.
func until(ctx context.Context, otherwise string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New(otherwise))
	defer cancel()
	for !done() {
		if err := pass(ctx, 20*time.Millisecond); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// settle waits until all servers hold the same, and returns that.
func (r *runner) settle(ctx context.Context, prefix string) (map[string]content, error) {
	var all []map[string]content
	err := until(ctx, "the servers do not become equal", func() bool {
		all = all[:0]
		for i := range r.o.nodes {
			state, err := r.scan(ctx, i, prefix)
			if err != nil {
				return false
			}
			all = append(all, state)
		}
		for _, state := range all {
			if !maps.Equal(state, all[0]) {
				return false
			}
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", err, all)
	}
	r.verdict.scans++
	return r.tombstones(ctx, prefix, all[0])
}

// scan reads all keys of an epoch that a server has.
func (r *runner) scan(ctx context.Context, i int, prefix string) (map[string]content, error) {
	k := client.New(r.grpc[i], client.Options{})
	defer k.Close()
	state := map[string]content{}
	err := k.Scan(ctx, prefix, 0, func(key string, data *phxkv.Data) error {
		state[key] = content{version: data.Version, value: string(data.Value), exists: true}
		return nil
	})
	return state, err
}

// tombstones adds the versions of deleted keys, and checks by a linearizable
// read that nothing came behind the scans.
func (r *runner) tombstones(ctx context.Context, prefix string, state map[string]content) (map[string]content, error) {
	k := client.New(r.grpc[0], client.Options{})
	defer k.Close()
	for n := range r.o.keys {
		key := fmt.Sprintf("%s%d", prefix, n)
		var answer client.Answer
		err := until(ctx, "a key cannot be read any more", func() bool {
			call, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			answer = k.GetGlobal(call, key)
			return answer.Code == phxkv.CodeOK || answer.Code == phxkv.CodeNotExist
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		// A write whose client has given up may still come in the meantime:
		// what counts is what is read last.
		state[key] = content{version: answer.Data.Version, value: string(answer.Data.Value), exists: answer.Code == phxkv.CodeOK}
	}
	return state, nil
}
