package sim

import "time"

// eventKind says what happens at an event.
type eventKind uint8

const (
	evPacket   eventKind = iota // a packet reaches a node
	evTimer                     // a group's deadline
	evFlush                     // a group gets round to hand out what it has to say
	evDiskDone                  // a node's write is done
	evClient                    // a client acts
	evFault                     // a fault of the plan begins
	evFaultEnd                  // and ends
	evBoot                      // a node is started
	evCancel                    // a client loses patience
	evPhase                     // the run moves on to its next phase
	evProbe                     // a node is asked to get a value chosen
	evJob                       // work with files is due
	eventKinds                  //
)

// event is something that is going to happen. Fields that a kind does not use
// are zero.
type event struct {
	at     time.Duration
	seq    uint64 // breaks ties, in the order of creation
	packet []byte
	op     *operation
	n      uint64
	life   uint32 // of the node; a former life's event is void
	node   int16
	group  int16
	from   int16
	kind   eventKind
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// queue is a 4-ary heap, ordered by time and then by creation, so that the
// order never depends on the heap's shape.
type queue struct {
	heap []event
	seq  uint64
}

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

// pop takes the next event; ok is false when nothing is left.
func (q *queue) pop() (e event, ok bool) {
	n := len(q.heap)
	if n == 0 {
		return event{}, false
	}
	e = q.heap[0]
	last := q.heap[n-1]
	q.heap[n-1] = event{} // let go of the packet
	q.heap = q.heap[:n-1]
	if n > 1 {
		q.sink(last)
	}
	return e, true
}

func (q *queue) sink(last event) {
	n := len(q.heap)
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		for c := child + 1; c < min(child+4, n); c++ {
			if q.heap[c].before(&q.heap[child]) {
				child = c
			}
		}
		if !q.heap[child].before(&last) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = last
}

// next is the time of the next event.
func (q *queue) next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}
