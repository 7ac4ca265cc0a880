package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// childEnv is set in the children.
const childEnv = "PHXPAXOS_BENCH_CHILD"

const (
	// closeMax is how long a child may take to close once its parent is done
	// or gone. Nothing in the log is worth more time.
	closeMax = 10 * time.Second

	// primeMax is how long the first proposal of every group may take: the
	// other nodes may be started by hand.
	primeMax = 2 * time.Minute

	// primers is how many groups get their first proposal at once.
	primers = 32
)

// childMain is the program inside a child process. It runs one node until the
// parent closes its input, or is gone.
func childMain() int {
	pipe := os.NewFile(3, "reports")
	if pipe == nil {
		fmt.Fprintln(os.Stderr, "phxpaxos_bench: descriptor 3 is missing; "+childEnv+" is not for use by hand")
		return 2
	}
	out := &reports{encoder: gob.NewEncoder(pipe)}
	requests := gob.NewDecoder(os.Stdin)
	var set setup
	if err := requests.Decode(&set); err != nil {
		out.send(report{Failed: "reading the setup: " + err.Error()})
		return 1
	}
	// Also when the parent was killed nothing stays behind: the last child
	// finds the directory of the cluster empty.
	defer os.Remove(filepath.Dir(set.Dir))
	defer os.RemoveAll(set.Dir)
	if err := serve(set, requests, out); err != nil {
		out.send(report{Failed: err.Error()})
		return 1
	}
	return 0
}

// reports is the way to the parent, for several goroutines.
type reports struct {
	mu      sync.Mutex
	encoder *gob.Encoder
}

// send ignores errors: without a parent, stdin ends as well.
func (r *reports) send(report report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.encoder.Encode(report)
}

func (r *reports) failed(err error) { r.send(report{Failed: err.Error()}) }

// wireCounts is what left through sockets.
type wireCounts struct{ writes, packets, bytes atomic.Uint64 }

// Observe is called for every event, so it does little for most.
func (w *wireCounts) Observe(e event.Event) {
	switch {
	case e.Kind == event.NetLoop && e.Peer != nodeid.None: // one write of a peer's connection
		w.writes.Add(1)
		w.packets.Add(e.Number)
		w.bytes.Add(uint64(e.Size))
	case e.Kind == event.NetUDPOut:
		w.writes.Add(1)
		w.packets.Add(1)
		w.bytes.Add(uint64(e.Size))
	}
}

// benchNode is the node of a child and what it does for the parent.
type benchNode struct {
	set     setup
	node    *phxpaxos.Node
	disk    diskCounts
	stall   stall
	wire    wireCounts
	clock   clock
	out     *reports
	callers *callers // nil while nobody proposes
	profile *os.File // nil while there is none
}

// serve runs the node and does what the parent asks for.
func serve(set setup, requests *gob.Decoder, out *reports) error {
	b := &benchNode{set: set, out: out, clock: realClock{time.Now()}}
	store, err := openLog(set, countingFS{osfs.FS{}, &b.disk})
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	if err := fill(store, set.Groups, set.LogInstances, set.Nodes, logValueBytes); err != nil {
		return errors.Join(err, store.Close())
	}
	if err := b.start(store); err != nil {
		return errors.Join(err, store.Close())
	}
	out.send(report{Ready: true})
	for {
		var q request
		if err := requests.Decode(&q); err != nil {
			return b.close(store)
		}
		b.handle(q)
	}
}

func openLog(set setup, fsys storage.FS) (storage.LogStorage, error) {
	if set.Shared {
		return sharedlog.Open(set.Dir, set.Groups, sharedlog.Options{FS: fsys})
	}
	return vfile.Open(set.Dir, set.Groups, vfile.Options{FS: fsys})
}

func (b *benchNode) start(store storage.LogStorage) error {
	secret, err := b.set.Secret.Secret()
	if err != nil {
		return err
	}
	b.node, err = phxpaxos.Run(phxpaxos.Options{
		MyNode:        b.set.Nodes[b.set.Me],
		Nodes:         b.set.Nodes,
		LogStorage:    stallingLog{store, &b.stall},
		NoSync:        b.set.NoSync,
		FullHistory:   b.set.FullHistory,
		GroupCount:    b.set.Groups,
		StateMachines: []sm.StateMachine{machine{uint64(b.set.LogInstances)}},
		NoCleaning:    true,
		Batch:         phxpaxos.Batch{CountMax: b.set.BatchCountMax, Delay: b.set.BatchDelay},
		Observer:      &b.wire,
		ClusterSecret: secret,
	})
	if err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	return nil
}

// close ends the node, and the process if the node does not end.
func (b *benchNode) close(store storage.LogStorage) error {
	watchdog := time.AfterFunc(closeMax, func() {
		os.RemoveAll(b.set.Dir)
		os.Exit(1)
	})
	defer watchdog.Stop()
	if b.callers != nil {
		b.callers.end()
		b.callers.cancel()
	}
	return errors.Join(b.node.Close(), store.Close(), b.writeAllocProfile())
}

func (b *benchNode) writeAllocProfile() error {
	if b.set.AllocProfile == "" {
		return nil
	}
	f, err := os.Create(b.set.AllocProfile)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

// handle answers a request. What takes long is done aside, so that the end of
// the input is noticed at once.
func (b *benchNode) handle(q request) {
	switch {
	case q.Prime:
		go b.prime()
	case q.Load != nil:
		b.callers = startCallers(*q.Load, b.set.Groups, b.clock, b.propose, b.out.failed)
	case q.Begin:
		b.begin()
	case q.Stall > 0:
		b.stall.begin(q.Stall)
	case q.End:
		b.end()
	}
}

func (b *benchNode) propose(ctx context.Context, group int, value []byte) error {
	_, err := b.node.Propose(ctx, group, machineID, value)
	return err
}

// prime proposes once in every group: after that each has a proposer that
// needs no prepare round, and its files exist.
func (b *benchNode) prime() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), primeMax,
		fmt.Errorf("no majority of the nodes has answered for %v", primeMax))
	defer cancel()
	groups := make(chan int)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range min(primers, b.set.Groups) {
		wg.Go(func() {
			for g := range groups {
				if err := b.propose(ctx, g, []byte{0}); err != nil {
					err = fmt.Errorf("first proposal in group %d: %w", g, err)
					failed.CompareAndSwap(nil, &err)
					cancel()
				}
			}
		})
	}
	for g := range b.set.Groups {
		groups <- g
	}
	close(groups)
	wg.Wait()
	if err := failed.Load(); err != nil {
		b.out.failed(*err)
		return
	}
	b.out.send(report{Primed: true})
}

func (b *benchNode) begin() {
	resetPeak()
	if b.callers != nil && b.callers.load.CPUProfile != "" {
		if err := b.startProfile(b.callers.load.CPUProfile); err != nil {
			b.out.failed(err)
			return
		}
	}
	b.sendCounters()
	if b.callers != nil {
		b.callers.begin()
	}
}

func (b *benchNode) end() {
	callers := b.callers
	b.callers = nil
	if callers != nil {
		callers.end()
	}
	b.sendCounters()
	if err := b.stopProfile(); err != nil {
		b.out.failed(err)
	}
	if callers == nil {
		return
	}
	go func() {
		o, err := callers.drain()
		if err != nil {
			b.out.failed(err)
			return
		}
		b.out.send(report{Outcome: o})
	}()
}

func (b *benchNode) startProfile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	b.profile = f
	return pprof.StartCPUProfile(f)
}

func (b *benchNode) stopProfile() error {
	if b.profile == nil {
		return nil
	}
	pprof.StopCPUProfile()
	err := b.profile.Close()
	b.profile = nil
	return err
}

// sendCounters reports what was used up so far.
func (b *benchNode) sendCounters() {
	c := counters{
		DataSyncs: b.disk.dataSyncs.Load(), FullSyncs: b.disk.fullSyncs.Load(), DirSyncs: b.disk.dirSyncs.Load(),
		DataTime:  time.Duration(b.disk.dataTime.Load()),
		LogWrites: b.disk.writes.Load(), LogBytes: b.disk.bytes.Load(),
		SocketWrites: b.wire.writes.Load(), Packets: b.wire.packets.Load(), WireBytes: b.wire.bytes.Load(),
	}
	for g := range b.set.Groups {
		now, err := b.node.NowInstanceID(g)
		if err != nil {
			b.out.failed(err)
			return
		}
		c.Instances += now
	}
	if err := c.readProcess(); err != nil {
		b.out.failed(err)
		return
	}
	b.out.send(report{Counters: &c})
}
