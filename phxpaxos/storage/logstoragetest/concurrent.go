package logstoragetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

const (
	busyGroups    = 3
	busyInstances = 150
)

// busy is a storage under load.
type busy struct {
	s                storage.LogStorage
	written, trimmed atomic.Int64 // instances below are there, and may be gone
	stop             chan struct{}
	failures         chan error
}

func (b *busy) fail(format string, args ...any) {
	select {
	case b.failures <- fmt.Errorf(format, args...):
	default: // there are enough
	}
}

// loop calls fn with 0, 1, 2 … until the load is over.
func (b *busy) loop(wg *sync.WaitGroup, fn func(n uint64)) {
	wg.Go(func() {
		for n := uint64(0); ; n++ {
			select {
			case <-b.stop:
				return
			default:
				fn(n)
			}
		}
	})
}

// read reads one record; what it finds is always whole.
func (b *busy) read(n uint64, buf []byte) []byte {
	hi := b.written.Load()
	if hi == 0 {
		return buf
	}
	group, i := int(n%busyGroups), n*7919%uint64(hi)
	got, err := b.s.Read(group, i, buf)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if int64(i) >= b.trimmed.Load() {
			b.fail("instance %d of group %d is missing", i, group)
		}
	case err != nil:
		b.fail("Read: %v", err)
	case !bytes.Equal(got, Record(i, 60, i)):
		b.fail("instance %d of group %d is not what was written", i, group)
	default:
		buf = got
	}
	if max, err := b.s.Max(group); err != nil || int64(max) < hi-1 {
		b.fail("Max is %d, %v, at least %d were written", max, err, hi)
	}
	return buf
}

func (b *busy) setVariable(n uint64) {
	group, value := int(n%busyGroups), fmt.Appendf(nil, "value %d", n)
	if err := b.s.SetVariable(group, storage.SystemVariables, value); err != nil {
		b.fail("SetVariable: %v", err)
	}
	if got, err := b.s.Variable(group, storage.SystemVariables); err != nil || !bytes.Equal(got, value) {
		b.fail("Variable: %q, %v", got, err)
	}
}

func (b *busy) write(i uint64) {
	var batch []storage.Put
	for group := range busyGroups {
		batch = append(batch, put(group, i, i))
	}
	if err := b.s.Write(batch); err != nil {
		b.fail("Write: %v", err)
	}
	b.written.Store(int64(i) + 1)
	if i%50 != 49 {
		return
	}
	b.trimmed.Store(int64(i) - 20)
	for group := range busyGroups {
		if err := b.s.Trim(group, i-20); err != nil {
			b.fail("Trim: %v", err)
		}
	}
}

// testConcurrent lets readers run beside a writer that also trims, and
// somebody who sets variables.
func testConcurrent(t *testing.T, f Factory) {
	b := &busy{s: open(t, f, busyGroups), stop: make(chan struct{}), failures: make(chan error, 100)}
	var wg sync.WaitGroup
	for range 4 {
		var buf []byte
		b.loop(&wg, func(n uint64) { buf = b.read(n, buf) })
	}
	b.loop(&wg, b.setVariable)
	for i := range uint64(busyInstances) {
		b.write(i)
	}
	close(b.stop)
	wg.Wait()
	close(b.failures)
	for err := range b.failures {
		t.Error(err)
	}
}

// testCloseWhileBusy closes under load: calls end with success or ErrClosed.
func testCloseWhileBusy(t *testing.T, f Factory) {
	s := open(t, f, 2)
	mustWrite(t, s, put(0, 0, 0))
	var wg sync.WaitGroup
	var busy atomic.Int64
	ready := make(chan struct{})
	loop := func(call func(n uint64) error) {
		wg.Go(func() {
			for n := uint64(1); ; n++ {
				if err := call(n); errors.Is(err, storage.ErrClosed) {
					return
				} else if err != nil {
					t.Errorf("under load: %v", err)
					return
				}
				if busy.Add(1) == 100 {
					close(ready)
				}
			}
		})
	}
	loop(func(n uint64) error { return s.Write([]storage.Put{put(0, n, n), put(1, n, n)}) })
	loop(func(uint64) error { _, err := s.Read(0, 0, nil); return err })
	loop(func(uint64) error { _, err := s.Max(0); return err })
	<-ready
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
}
