package timer

import (
	"slices"
	"time"
)

// Queue holds armed timers. The zero Queue is empty and ready for use.
//
// Add, Remove and Pop take time logarithmic in the number of armed timers,
// Next and Wait constant time. The queue keeps the memory that its largest
// filling needed, and allocates only while it grows beyond that.
//
// A Queue is not safe for concurrent use and never blocks.
type Queue struct {
	last uint64  // the id given out last
	heap []entry // a binary heap: heap[0] is due first
	// Invariant: index maps the id of heap[i] to i, for every i, and holds
	// nothing else.
	index index
}

// entry is one armed timer.
type entry struct {
	at   time.Duration
	id   uint64
	kind int
}

// before is the order in which timers are due. Ids are unique, so it is total
// and what Pop returns does not depend on the shape of the heap.
func (e entry) before(o entry) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	return e.id < o.id
}

// Len returns how many timers are armed.
func (q *Queue) Len() int { return len(q.heap) }

// Add arms a timer that is due at the given time and returns its id. Ids are
// 1, 2, 3 … and never used again. The kind means nothing to the queue; Pop
// returns it.
func (q *Queue) Add(at time.Duration, kind int) (id uint64) {
	q.last++
	q.heap = append(q.heap, entry{at: at, id: q.last, kind: kind})
	q.index.reserve(len(q.heap))
	q.index.set(q.last, len(q.heap)-1)
	q.up(len(q.heap) - 1)
	return q.last
}

// Remove disarms a timer and reports whether it was armed: a timer that was
// popped or removed before, or that never was, is not.
func (q *Queue) Remove(id uint64) bool {
	i, ok := q.index.get(id)
	if !ok {
		return false
	}
	q.delete(i)
	return true
}

// Pop disarms and returns the timer that is due first, if it is due at now or
// before; else ok is false. Whoever wants all that is due calls it until then.
func (q *Queue) Pop(now time.Duration) (id uint64, kind int, ok bool) {
	if len(q.heap) == 0 || q.heap[0].at > now {
		return 0, 0, false
	}
	first := q.heap[0]
	q.delete(0)
	return first.id, first.kind, true
}

// Next returns when the earliest timer is due; ok is false if none is armed.
func (q *Queue) Next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// Wait returns how long after now the earliest timer is due: 0 if it is due
// already, -1 if none is armed.
func (q *Queue) Wait(now time.Duration) time.Duration {
	if len(q.heap) == 0 {
		return -1
	}
	return max(0, q.heap[0].at-now)
}

// Clear disarms every timer. Ids go on where they were.
func (q *Queue) Clear() {
	q.heap = q.heap[:0]
	q.index.clear()
}

// delete takes the entry at heap[i] out and lets the last one fill the gap.
func (q *Queue) delete(i int) {
	q.index.remove(q.heap[i].id)
	last := len(q.heap) - 1
	moved := q.heap[last]
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	q.put(i, moved)
	// The entry comes from another branch, so it may belong above or below.
	if !q.up(i) {
		q.down(i)
	}
}

// put writes an entry and keeps the index true.
func (q *Queue) put(i int, e entry) {
	q.heap[i] = e
	q.index.set(e.id, i)
}

// up moves heap[i] towards the root and reports whether it moved.
func (q *Queue) up(i int) bool {
	e, start := q.heap[i], i
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(q.heap[parent]) {
			break
		}
		q.put(i, q.heap[parent])
		i = parent
	}
	if i == start {
		return false
	}
	q.put(i, e)
	return true
}

// down moves heap[i] away from the root.
func (q *Queue) down(i int) {
	e, start := q.heap[i], i
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if right := child + 1; right < len(q.heap) && q.heap[right].before(q.heap[child]) {
			child = right
		}
		if !q.heap[child].before(e) {
			break
		}
		q.put(i, q.heap[child])
		i = child
	}
	if i != start {
		q.put(i, e)
	}
}

// Timers returns what is armed, in no particular order, appended to buf[:0].
// It is for inspection and tests.
func (q *Queue) Timers(buf []Timer) []Timer {
	buf = slices.Grow(buf[:0], len(q.heap))
	for _, e := range q.heap {
		buf = append(buf, Timer{ID: e.id, At: e.at, Kind: e.kind})
	}
	return buf
}

// Timer is what Timers tells of one armed timer.
type Timer struct {
	ID   uint64
	At   time.Duration
	Kind int
}
