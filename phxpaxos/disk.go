package phxpaxos

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/crowd"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// disk is the one goroutine of a node that writes records. Group commit is
// the shape of its loop: while a write runs, the saves of all groups gather
// in the queue, and the next write takes them together with one sync.
//
// Invariants, which the groups rely on:
//   - the saves of a group are written in the order in which they came;
//   - after a failure of a group nothing of it is written any more, and the
//     group hears of the first save that failed, and of none behind it as
//     saved.
type disk struct {
	store    storage.LogStorage
	observer *observer
	now      func() time.Duration
	done     chan struct{} // closed when the goroutine has ended

	buffers buffers

	wake chan struct{} // holds a token while there is something to do
	mu   sync.Mutex
	// queue is what waits; spare the emptied one of the last write.
	queue, spare []queuedSave
	closing      bool

	// bytes of the records that are not durable yet, see full.
	bytes atomic.Int64

	// Published for NodeStatus: when the running write began, 0 if none runs,
	// and what the last one took.
	busySince, took atomic.Int64

	// Of the goroutine alone; puts and touched are kept for their memory.
	crowd   crowd.Crowd
	puts    []storage.Put
	touched []*saver
}

// saver is the disk's view of one group.
type saver struct {
	group int
	inbox *inbox

	// Of the disk's goroutine alone.
	first, last uint64 // saves in the running write
	failed      bool   // an earlier write of the group failed
}

type queuedSave struct {
	from *saver
	save group.Save
}

func newDisk(store storage.LogStorage, observer *observer, now func() time.Duration) *disk {
	return &disk{store: store, observer: observer, now: now, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// save queues a record. It is safe for concurrent use and does not block.
func (d *disk) save(from *saver, s group.Save) {
	d.bytes.Add(int64(len(s.Data)))
	d.mu.Lock()
	d.queue = append(d.queue, queuedSave{from, s})
	first := len(d.queue) == 1
	d.mu.Unlock()
	if first {
		d.ring()
	}
}

// full reports whether so much waits that the node should take in nothing
// that asks for more. While its disk stands still others decide, and each
// value that it learns or votes for is another record in memory.
func (d *disk) full() bool { return d.bytes.Load() > unsavedMax }

// close lets the goroutine write what is queued and end.
func (d *disk) close() {
	d.mu.Lock()
	d.closing = true
	d.mu.Unlock()
	d.ring()
}

func (d *disk) ring() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take returns everything that is queued.
func (d *disk) take() (queue []queuedSave, closing bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	queue = d.queue
	d.queue, d.spare = d.spare, nil
	return queue, d.closing
}

// waiting is how many saves are queued.
func (d *disk) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)
}

// recycle keeps the memory of a queue that is done, and of its records: the
// storage is done with them, see storage.Put.
func (d *disk) recycle(queue []queuedSave) {
	bytes := 0
	for i := range queue {
		bytes += len(queue[i].save.Data)
		d.buffers.give(queue[i].save.Data)
	}
	d.bytes.Add(-int64(bytes))
	clear(queue)
	d.mu.Lock()
	d.spare = queue[:0]
	d.mu.Unlock()
}

// run is the goroutine.
func (d *disk) run() {
	defer close(d.done)
	for range d.wake {
		// A sync keeps this thread's processor busy until the runtime notices.
		// So messages of the same turn leave before it, and groups that are
		// about to save share it.
		if d.crowd.Here() {
			crowd.Gather(d.waiting, crowd.Enough)
		} else {
			runtime.Gosched()
		}
		queue, closing := d.take()
		d.crowd.Took(len(queue))
		for rest := queue; len(rest) > 0; {
			n := writeSize(rest)
			d.write(rest[:n])
			rest = rest[n:]
		}
		d.recycle(queue)
		if closing {
			return
		}
	}
}

// writeSize is how many saves go into one write: the first, and what follows
// within writeBytesMax.
func writeSize(queue []queuedSave) int {
	bytes := len(queue[0].save.Data)
	for i := 1; i < len(queue); i++ {
		if bytes += len(queue[i].save.Data); bytes > writeBytesMax {
			return i
		}
	}
	return len(queue)
}

// write makes some saves durable and tells their groups.
func (d *disk) write(batch []queuedSave) {
	bytes := d.collect(batch)
	if len(d.puts) > 0 {
		began := d.now()
		d.busySince.Store(max(int64(began), 1))
		err := d.call(d.puts)
		took := d.now() - began
		d.busySince.Store(0)
		d.took.Store(int64(took))
		if err == nil {
			d.observer.Observe(event.Event{
				Kind: event.SyncDone, Group: -1, Number: uint64(len(d.puts)), Size: bytes, Took: took,
			})
		}
		d.report(err)
	}
	clear(d.puts)
	clear(d.touched)
	d.puts, d.touched = d.puts[:0], d.touched[:0]
}

// collect turns saves into puts and leaves out groups that have failed, which
// were told so and have stopped.
func (d *disk) collect(batch []queuedSave) (bytes int) {
	for _, q := range batch {
		s := q.from
		if s.failed {
			continue
		}
		if s.first == 0 {
			s.first = q.save.Seq
			d.touched = append(d.touched, s)
		}
		s.last = q.save.Seq
		bytes += len(q.save.Data)
		d.puts = append(d.puts, storage.Put{
			Group: s.group, Instance: q.save.Instance, Data: q.save.Data, Sync: q.save.Sync,
		})
	}
	return bytes
}

// call calls the storage; a panic of it is a failure of every group, since
// nobody knows what was written.
func (d *disk) call(puts []storage.Put) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = d.observer.panicked("log storage", r)
		}
	}()
	return d.store.Write(puts)
}

// report tells each group of the last write how it went, once. A WriteError
// that names none of them says nothing about who is safe, so nobody is.
func (d *disk) report(err error) {
	var partial *storage.WriteError
	some := errors.As(err, &partial) && slices.ContainsFunc(d.touched, func(s *saver) bool { return partial.Groups[s.group] != nil })
	for _, s := range d.touched {
		first, last := s.first, s.last
		s.first, s.last = 0, 0
		cause := err
		if some {
			cause = partial.Groups[s.group]
		}
		if cause == nil {
			s.inbox.saved(last)
			continue
		}
		s.failed = true
		s.inbox.saveFailed(first, fmt.Errorf("%w: %w", ErrStorage, cause))
	}
}
