package phxpaxos

import (
	"bytes"
	"sync"
)

// inputs is what waits for the goroutine of a group, in the order in which it
// is fed: what the disk reported first, since replies wait for it; control
// calls before the proposals that a caller makes after them; a cancellation
// behind the proposal that it ends.
type inputs struct {
	saved     uint64       // highest save on disk, 0 for no news
	failed    *saveFailure // the first failure, or nil
	calls     []func(machine)
	proposals []*proposal
	cancels   []cancellation
	late      [][]byte // replies of rounds that are decided
	packets   [][]byte
	closing   bool
}

// saveFailure says that the saves of a group from seq on are not on disk.
type saveFailure struct {
	seq uint64
	err error
}

// cancellation ends a proposal that its caller has given up.
type cancellation struct {
	p   *proposal
	err error
}

// reset forgets the inputs and keeps the memory.
func (in *inputs) reset() {
	clear(in.calls)
	clear(in.proposals)
	clear(in.cancels)
	clear(in.packets)
	clear(in.late)
	*in = inputs{calls: in.calls[:0], proposals: in.proposals[:0], cancels: in.cancels[:0], packets: in.packets[:0], late: in.late[:0]}
}

// inbox is the mailbox of a group's goroutine: a mutex around a list that the
// goroutine swaps for an empty one, so that it drains everything in one go.
// With 1 000 callers that is a tenth faster than a buffered channel, and the
// bound can be on packets alone: proposals are bounded by the gate, saves by
// the group, and losing either would leave somebody waiting for ever.
//
// What changes nothing until something else comes does not wake the goroutine:
// late replies, and, while unhurried, what the disk reports.
type inbox struct {
	packetsMax int // packets that may wait
	bytesMax   int // their bytes; a first packet always fits

	// wake holds a token while there is something to take.
	wake chan struct{}

	mu     sync.Mutex
	rung   bool // since the last take; then another input need not
	in     inputs
	spare  inputs // what the goroutine gave back, empty
	bytes  int    // of in.packets
	closed error  // why nothing is accepted any more

	// unhurried: the news that saves are on disk may wait for the next input.
	// It holds from the end of a turn, when nothing changes any more, to the
	// next take.
	unhurried bool
}

// lateMax is how many late replies wait without waking the goroutine.
const lateMax = 8

func (b *inbox) init(packetsMax, bytesMax int) {
	b.packetsMax, b.bytesMax = packetsMax, bytesMax
	b.wake = make(chan struct{}, 1)
}

// ring wakes the goroutine.
func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// unlockAndRing ends putting an input in. Only the first that matters has to
// ring: the token stays until everything is taken.
func (b *inbox) unlockAndRing() {
	first := !b.rung
	b.rung = true
	b.mu.Unlock()
	if first {
		b.ring()
	}
}

// put adds an input unless the mailbox is closed; then it returns why.
func (b *inbox) put(add func(in *inputs)) error {
	b.mu.Lock()
	if b.closed != nil {
		defer b.mu.Unlock()
		return b.closed
	}
	add(&b.in)
	b.unlockAndRing()
	return nil
}

// propose adds a proposal. It is on the hot path, so it does without put.
func (b *inbox) propose(p *proposal) error {
	b.mu.Lock()
	if b.closed != nil {
		defer b.mu.Unlock()
		return b.closed
	}
	b.in.proposals = append(b.in.proposals, p)
	b.unlockAndRing()
	return nil
}

// proposals is how many proposals wait.
func (b *inbox) proposals() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.in.proposals)
}

// packet adds a packet and reports whether there was room.
func (b *inbox) packet(data []byte) bool {
	b.mu.Lock()
	n := len(b.in.packets)
	if b.closed != nil || n >= b.packetsMax || n > 0 && b.bytes+len(data) > b.bytesMax {
		b.mu.Unlock()
		return false
	}
	b.in.packets = append(b.in.packets, data)
	b.bytes += len(data)
	b.unlockAndRing()
	return true
}

// latePacket adds a packet that can wait for the next input. It may wait long,
// so it is copied: data may be part of much more memory.
func (b *inbox) latePacket(data []byte) bool {
	b.mu.Lock()
	if b.closed != nil || len(b.in.late) >= lateMax {
		b.mu.Unlock()
		return b.packet(data)
	}
	b.in.late = append(b.in.late, bytes.Clone(data))
	b.mu.Unlock()
	return true
}

// saved tells that the saves up to seq are on disk.
func (b *inbox) saved(seq uint64) {
	b.mu.Lock()
	if b.closed != nil { // nobody waits for the news
		b.mu.Unlock()
		return
	}
	b.in.saved = max(b.in.saved, seq)
	if b.unhurried {
		b.mu.Unlock()
		return
	}
	b.unlockAndRing()
}

// noHurry says that what the disk reports may wait for the next input. Only the
// goroutine calls it, at the end of a turn.
func (b *inbox) noHurry() {
	b.mu.Lock()
	b.unhurried = true
	b.mu.Unlock()
}

// saveFailed tells that the saves from seq on are not on disk.
func (b *inbox) saveFailed(seq uint64, err error) {
	_ = b.put(func(in *inputs) {
		if in.failed == nil || seq < in.failed.seq {
			in.failed = &saveFailure{seq, err}
		}
	})
}

// cancel gives up a proposal.
func (b *inbox) cancel(p *proposal, err error) {
	_ = b.put(func(in *inputs) { in.cancels = append(in.cancels, cancellation{p, err}) })
}

// close asks the goroutine to end.
func (b *inbox) close() {
	_ = b.put(func(in *inputs) { in.closing = true })
}

// take returns everything that waits; the caller gives it back with recycle.
func (b *inbox) take() inputs {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.in
	b.in, b.spare = b.spare, inputs{}
	b.bytes, b.rung, b.unhurried = 0, false, false
	return in
}

// recycle gives back the memory of what take returned.
func (b *inbox) recycle(in inputs) {
	in.reset()
	b.mu.Lock()
	b.spare = in
	b.mu.Unlock()
}

// shut refuses every further input with err and returns what still waits.
func (b *inbox) shut(err error) inputs {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed == nil {
		b.closed = err
	}
	in := b.in
	b.in, b.bytes = inputs{}, 0
	return in
}
