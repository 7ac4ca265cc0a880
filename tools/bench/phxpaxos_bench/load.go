package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// drainMax is how long operations that began in the measured time may go on
// behind it. What takes longer counts as unfinished.
const drainMax = 10 * time.Second

// propose brings a value through a group.
type propose func(ctx context.Context, group int, value []byte) error

// callers are the goroutines that propose on one node.
type callers struct {
	load    load
	groups  int
	propose propose
	clock   clock
	rec     *recorder
	ctx     context.Context // ends when nobody waits for operations any more
	cancel  context.CancelFunc
	failed  func(error) // told of the first error
	broken  atomic.Bool
	wg      sync.WaitGroup
}

// startCallers lets a load begin.
func startCallers(l load, groups int, c clock, p propose, failed func(error)) *callers {
	s := &callers{load: l, groups: groups, propose: p, clock: c, rec: newRecorder(), failed: failed}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if l.Rate > 0 {
		s.open()
	} else {
		for i := range l.Callers {
			s.wg.Go(func() { s.closed(i) })
		}
	}
	return s
}

// begin starts the measured time.
func (s *callers) begin() { s.rec.begin.Store(int64(s.clock.Now())) }

// end ends the measured time; no operation is begun any more.
func (s *callers) end() { s.rec.end.Store(int64(s.clock.Now())) }

// drain waits until all operations have ended or are given up.
func (s *callers) drain() (*outcome, error) {
	giveUp := time.AfterFunc(drainMax, s.cancel)
	defer giveUp.Stop()
	s.wg.Wait()
	s.cancel()
	return s.rec.outcome()
}

// closed is a caller that proposes again as soon as it has its answer. Where
// there are enough callers each keeps to one group, as a shard's front end
// does; fewer than there are groups go from one group to the next.
func (s *callers) closed(caller int) {
	value := newValue(s.load.ValueBytes, s.load.Node, caller)
	group, step := caller%s.groups, 0
	if s.load.Callers < s.groups {
		step = 1
	}
	for n := uint64(0); ; n++ {
		due := s.clock.Now()
		if s.rec.over(due) || !s.one(caller, group, due, value, n) {
			return
		}
		group = (group + step) % s.groups
	}
}

// open starts the goroutine that knows the schedule, and the callers that it
// wakes. Their number bounds what is under way at once; an operation that
// waits for a free caller is late by that, and its latency says so.
func (s *callers) open() {
	jobs := make(chan job, s.load.Callers)
	for i := range s.load.Callers {
		s.wg.Go(func() {
			value := newValue(s.load.ValueBytes, s.load.Node, i)
			for j := range jobs {
				if s.ctx.Err() != nil {
					s.rec.givenUp(i, j.due, s.clock.Now())
					continue
				}
				s.one(i, int(j.index%int64(s.groups)), j.due, value, uint64(j.index))
			}
		})
	}
	s.wg.Go(func() {
		runtime.LockOSThread() // it sleeps in the kernel
		defer runtime.UnlockOSThread()
		defer close(jobs)
		plan := schedule{start: s.clock.Now(), rate: s.load.Rate}
		take := func(j job) bool {
			select {
			case jobs <- j:
				return true
			case <-s.ctx.Done():
				return false
			}
		}
		over := func(t time.Duration) bool { return s.broken.Load() || s.rec.over(t) }
		plan.dispatch(s.clock, over, take, func(j job) { s.rec.givenUp(0, j.due, s.clock.Now()) })
	})
}

// one proposes once. It reports false when the caller has to end.
func (s *callers) one(caller, group int, due time.Duration, value []byte, n uint64) bool {
	if len(value) >= 8 {
		binary.LittleEndian.PutUint64(value, n)
	}
	err := s.propose(s.ctx, group, value)
	now := s.clock.Now()
	switch {
	case err == nil:
		s.rec.done(caller, due, now)
		return true
	case errors.Is(err, context.Canceled):
		s.rec.givenUp(caller, due, now)
	case s.broken.CompareAndSwap(false, true):
		s.failed(fmt.Errorf("propose in group %d: %w", group, err))
	}
	return false
}

// newValue makes bytes that do not compress and that no other caller of any
// node has: two nodes that propose the same bytes at the same time get one
// instance for both (spec/protocol.md section 13.4), which would count an
// operation twice. Values of a few bytes have no room for that.
func newValue(size, node, caller int) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(node))
	binary.LittleEndian.PutUint64(seed[8:], uint64(caller))
	value := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(value) // never fails
	return value
}

// machine is a state machine without a state, which has executed what fill wrote.
type machine struct{ instances uint64 }

var _ sm.Checkpointer = machine{}

const machineID sm.ID = 1

func (machine) ID() sm.ID                        { return machineID }
func (machine) Execute(sm.Entry) ([]byte, error) { return nil, nil }

// CheckpointInstance is the last instance that fill wrote: nothing is replayed.
func (m machine) CheckpointInstance(int) uint64 { return m.instances - 1 } // sm.NoCheckpoint of an empty log
