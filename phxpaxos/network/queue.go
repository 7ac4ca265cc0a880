package network

import (
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// item is one packet that waits to be sent.
type item struct {
	packet []byte // nil for a greeting, which is an authentication frame alone
	to     nodeid.ID
	at     time.Duration // when it was queued, on the network's clock
}

// verdict is what became of a packet given to a queue.
type verdict uint8

const (
	queued verdict = iota
	full           // dropped, a limit was reached
	gone           // the queue has no consumer any more
)

// queue is a bounded mailbox with many producers and one consumer. The
// consumer takes everything at once, so that one lock and one wake-up serve
// all the packets that came while it was writing.
//
// Invariant: packets and bytes count what was pushed and not yet released, so
// the limits bound what is in memory, that in the consumer's hands included.
type queue struct {
	packetsMax, bytesMax int
	wake                 chan struct{} // holds at most one token, sent when waiting falls

	mu             sync.Mutex
	items          []item
	packets, bytes int
	waiting        bool // the consumer found nothing and will receive from wake
	gone           bool
}

func newQueue(packetsMax, bytesMax int) queue {
	return queue{packetsMax: packetsMax, bytesMax: bytesMax, wake: make(chan struct{}, 1)}
}

// push adds a packet and never blocks.
func (q *queue) push(it item) verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return gone
	}
	if q.packets >= q.packetsMax || q.bytes+len(it.packet) > q.bytesMax {
		return full
	}
	q.items = append(q.items, it)
	q.packets++
	q.bytes += len(it.packet)
	q.signal()
	return queued
}

// signal wakes the consumer if it waits. The caller holds mu.
func (q *queue) signal() {
	if q.waiting {
		q.waiting = false
		q.wake <- struct{}{} // has room: waiting was set after the last token was received
	}
}

// take swaps everything queued for the empty slice spare. If there is nothing,
// the consumer must then receive from wake, or call retire. It returns false
// when the queue has ended.
func (q *queue) take(spare []item) ([]item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return spare, false
	}
	if len(q.items) == 0 {
		q.waiting = true
		return spare, true
	}
	items := q.items
	q.items = spare
	return items, true
}

// length is how many packets wait to be taken.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// release gives back the room of packets that the consumer is done with.
func (q *queue) release(packets, bytes int) {
	q.mu.Lock()
	q.packets -= packets
	q.bytes -= bytes
	q.mu.Unlock()
}

// poke wakes a waiting consumer without a packet.
func (q *queue) poke() {
	q.mu.Lock()
	q.signal()
	q.mu.Unlock()
}

// retire ends the queue if its consumer waits and nothing came meanwhile. If
// it returns false, a token is in wake.
func (q *queue) retire() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.waiting {
		return false
	}
	q.waiting = false
	q.gone = true
	return true
}

// shut ends the queue and drops what is in it.
func (q *queue) shut() {
	q.mu.Lock()
	q.gone = true
	q.items = nil
	q.signal()
	q.mu.Unlock()
}
