package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
)

// bench measures a cluster whose nodes have the state machine in this program,
// and one whose nodes have it in processes, in turn.
func bench(ctx context.Context, s settings, dir string, out io.Writer) error {
	var inside, outside, ratios []float64
	for pair := range s.pairs {
		var rates [2]float64
		for i := range rates {
			which := (i + pair) % 2 // whoever comes second should not always be the same
			rate, err := measure(ctx, s, filepath.Join(dir, fmt.Sprint(pair, which)), which == 1)
			if err != nil {
				return err
			}
			rates[which] = rate
		}
		inside, outside = append(inside, rates[0]), append(outside, rates[1])
		ratios = append(ratios, rates[1]/rates[0])
		fmt.Fprintf(out, "pair %d of %d: %.0f values/s in this program, %.0f in processes, ratio %.2f\n",
			pair+1, s.pairs, rates[0], rates[1], rates[1]/rates[0])
	}
	fmt.Fprintf(out, "median of %d pairs, %d callers, %d groups: %.0f values/s in this program, %.0f in processes, ratio %.2f\n",
		s.pairs, s.callers, s.groups, median(inside), median(outside), median(ratios))
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measure returns values per second.
func measure(ctx context.Context, s settings, dir string, plugin bool) (rate float64, err error) {
	c, err := newCluster(dir, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close(), os.RemoveAll(dir)) }()
	for i := range c.ids {
		if plugin {
			err = c.startPlugin(i, 0)
		} else {
			err = c.startTwin(i)
		}
		if err != nil {
			return 0, err
		}
	}
	value := make([]byte, 256)
	load, stop := context.WithCancel(ctx)
	defer stop()
	var count atomic.Int64
	var callers sync.WaitGroup
	for i := range s.callers {
		callers.Go(func() {
			for load.Err() == nil {
				// One node proposes for a group, as a master would.
				group := i % s.groups
				if _, err := c.nodes[group%len(c.nodes)].Propose(load, group, ledger.ID, value); err == nil {
					count.Add(1)
				}
			}
		})
	}
	time.Sleep(s.bench / 4) // until it runs evenly
	from, began := count.Load(), time.Now()
	time.Sleep(s.bench)
	rate = float64(count.Load()-from) / time.Since(began).Seconds()
	stop()
	callers.Wait()
	return rate, ctx.Err()
}
