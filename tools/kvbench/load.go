package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// target is a store.
type target interface {
	name() string
	caller(id int) caller
	close()
}

// caller makes one call at a time.
type caller interface {
	prepare(ctx context.Context, keys []string) error
	put(ctx context.Context, key, value string) error
	get(ctx context.Context, key string, local bool) error
}

// kind is a kind of call.
type kind struct {
	name string
	call func(ctx context.Context, c caller, key, value string) error
}

var kinds = []kind{
	{"put", func(ctx context.Context, c caller, key, value string) error { return c.put(ctx, key, value) }},
	{"linearizable get", func(ctx context.Context, c caller, key, _ string) error { return c.get(ctx, key, false) }},
	{"local get", func(ctx context.Context, c caller, key, _ string) error { return c.get(ctx, key, true) }},
}

// keysEach is how many keys a caller has.
const keysEach = 10

// result is one measurement.
type result struct {
	perSecond float64
	p50, p99  time.Duration
}

// measure lets callers work for a while.
func measure(ctx context.Context, t target, k kind, callers, size int, warmup, while time.Duration) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	value := strings.Repeat("v", size)
	all := hdrhistogram.New(int64(time.Microsecond), int64(100*time.Second), 3)
	var mu sync.Mutex
	var ready, wg sync.WaitGroup
	begin := make(chan struct{})
	var from, to time.Time
	ready.Add(callers)
	for id := range callers {
		wg.Go(func() {
			c := t.caller(id)
			keys := make([]string, keysEach)
			for n := range keys {
				keys[n] = fmt.Sprintf("bench/%d/%d", id, n)
			}
			err := c.prepare(ctx, keys)
			ready.Done()
			if err != nil {
				cancel(err)
				return
			}
			<-begin
			mine := hdrhistogram.New(int64(time.Microsecond), int64(100*time.Second), 3)
			for ctx.Err() == nil {
				began := time.Now()
				if !began.Before(to) {
					break
				}
				if err := k.call(ctx, c, keys[rand.IntN(keysEach)], value); err != nil {
					cancel(err)
					return
				}
				if ended := time.Now(); !began.Before(from) && ended.Before(to) {
					_ = mine.RecordValue(int64(max(ended.Sub(began), time.Microsecond))) // the callers end long before 100 s
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all.Merge(mine)
		})
	}
	ready.Wait()
	from = time.Now().Add(warmup)
	to = from.Add(while)
	close(begin)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return result{}, fmt.Errorf("%s, %s: %w", t.name(), k.name, err)
	}
	return result{
		perSecond: float64(all.TotalCount()) / while.Seconds(),
		p50:       time.Duration(all.ValueAtQuantile(50)), p99: time.Duration(all.ValueAtQuantile(99)),
	}, nil
}
