package waitlock

import "time"

// waiter is one caller's place in the queue. The Gate's mutex guards it; the
// caller may read it once done is closed, since nothing writes to it after.
type waiter struct {
	done       chan struct{} // closed when the wait has ended
	since      time.Time
	waited     time.Duration
	err        error // nil: the caller has a slot
	ended      bool
	prev, next *waiter
}

// queue is a doubly linked list, so that a caller that gives up leaves at once
// wherever it stands.
type queue struct {
	first, last *waiter
	len         int
}

// push puts w at the end.
func (q *queue) push(w *waiter) {
	w.prev = q.last
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	q.len++
}

// pop takes the first out; it returns nil if the queue is empty.
func (q *queue) pop() *waiter {
	w := q.first
	if w != nil {
		q.remove(w)
	}
	return w
}

// remove takes out w, which must be in the queue.
func (q *queue) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.prev, w.next = nil, nil
	q.len--
}
