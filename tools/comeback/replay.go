package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// memorial is a state machine without a checkpoint: it gets everything again.
type memorial struct{ count atomic.Uint64 }

func (m *memorial) ID() sm.ID { return machineID }

func (m *memorial) Execute(sm.Entry) ([]byte, error) {
	m.count.Add(1)
	return nil, nil
}

// replay fills the log of a cluster of one with instances of 100 bytes and
// starts it again.
func replay(o options, dir string, w io.Writer) error {
	ids, release, err := freeaddr.Hold(1)
	if err != nil {
		return err
	}
	defer release()
	logDir := filepath.Join(dir, "log")
	if err := ensure(logDir); err != nil {
		return err
	}
	open := func(m *memorial) (*phxpaxos.Node, error) {
		return phxpaxos.Run(phxpaxos.Options{
			MyNode: ids[0], Nodes: []nodeid.ID{ids[0]}, LogStoragePath: logDir, StateMachines: []sm.StateMachine{m},
			NoCleaning: true, NoSync: true, FirstStart: true, Batch: phxpaxos.Batch{CountMax: 1},
		})
	}
	node, err := open(&memorial{})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := fill(node, o.replay); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d instances written in %v\n", o.replay, time.Since(began).Round(time.Millisecond))
	if err := node.Close(); err != nil {
		return err
	}
	before := heap()
	m := &memorial{}
	began = time.Now()
	if node, err = open(m); err != nil {
		return err
	}
	took := time.Since(began)
	n := float64(o.replay)
	used := diskUse(logDir)
	fmt.Fprintf(w, "start with %d instances: %v, %.0f instances/s; disk %.0f bytes each (%d MiB); heap %.1f bytes each (%d KiB); resident %d MiB\n",
		m.count.Load(), took.Round(time.Millisecond), n/took.Seconds(), float64(used)/n, used>>20,
		float64(heap()-before)/n, (heap()-before)>>10, resident()>>20)
	return node.Close()
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

func fill(node *phxpaxos.Node, n int) error {
	var wg sync.WaitGroup
	var left atomic.Int64
	var failed atomic.Pointer[error]
	left.Store(int64(n))
	for range 32 {
		wg.Go(func() {
			value := make([]byte, 100)
			for left.Add(-1) >= 0 {
				if _, err := node.Propose(context.Background(), 0, machineID, value); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
