package paxos

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrCorrupt: a value that this node holds in memory or on disk is not the one
// whose hash it took when it accepted the value.
var ErrCorrupt = errors.New("a value has changed since this node accepted it")

// HistoryBlock is how many instances one chain of the full history covers: it
// begins anew at every instance that is a multiple of it. So a node that has
// skipped instances by a checkpoint, or that has just switched the history on,
// takes part from the next block on, and no node has to take another node's
// chain over. It also bounds what a comparison has to read.
const HistoryBlock = 256

// historySeed stands for the chain before a block.
const historySeed uint64 = 0x7068787061786f73

// ValueHash is a 64-bit hash over every byte of a packed value. It detects
// accidents; it is no protection against an attacker. It is never 0, which
// stands for a hash that is not known.
func ValueHash(value []byte) uint64 { return max(xxhash.Sum64(value), 1) }

// HistoryChain returns the chain of the full history through an instance, from
// the chain last through the instance before and the ValueHash of the
// instance's value. It is 0, not known, if one of the two is not known, except
// that the first instance of a block does not depend on last.
func HistoryChain(instance, last, sum uint64) uint64 {
	if instance%HistoryBlock == 0 {
		last = historySeed
	}
	if last == 0 || sum == 0 {
		return 0
	}
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], last)
	binary.LittleEndian.PutUint64(b[8:], instance)
	binary.LittleEndian.PutUint64(b[16:], sum)
	return max(xxhash.Sum64(b[:]), 1)
}

// Dispute says that a peer stated another chain of the full history than this
// node has.
type Dispute struct {
	Peer     nodeid.ID
	Instance uint64 // the chains through this instance differ
}

// SetHistory switches the full history on or off. While it is off, nothing of
// it is computed, stated or stored. It may change at any time: a chain that is
// not known is compared with nothing.
func (c *Core) SetHistory(on bool) {
	if c.history == on {
		return
	}
	c.history = on
	if !on {
		c.lastChain, c.dispute = 0, Dispute{}
		c.acceptor.sum, c.proposer.sum = 0, 0
	}
}

// LastChain is the chain of the full history through the instance before, 0 if
// it is not known.
func (c *Core) LastChain() uint64 { return c.lastChain }

// TakeDispute returns the last dispute that came up since the last call; ok is
// false if there was none. The message that raised it had no other effect.
func (c *Core) TakeDispute() (d Dispute, ok bool) {
	d = c.dispute
	c.dispute = Dispute{}
	return d, d.Peer != nodeid.None
}

// sameHistory compares a stated chain with the own one.
func (c *Core) sameHistory(m *Message) bool {
	if !differ(m.Chain, c.lastChain) {
		return true
	}
	c.dispute = Dispute{Peer: m.From, Instance: c.instance - 1}
	return false
}

// sound compares the value that a message of a peer carries with the hash that
// the peer stated. The packet's own checksum does not do: it is computed after
// the value may have changed in the peer's memory or on its disk, and checked
// before the value may change in this node's. Sum is the value's hash then,
// stated or not, so that it is computed once.
func (c *Core) sound(m *Message) bool {
	if !c.history || m.Instance != c.instance {
		return true
	}
	switch m.Kind {
	case Accept, LearnValue:
	case PrepareReply:
		if m.PreAccepted.IsNull() {
			return true
		}
	default:
		return true
	}
	sum := ValueHash(m.Value)
	if differ(sum, m.Sum) {
		c.observe(event.Event{Kind: event.ValueDiffers, Peer: m.From, Instance: m.Instance, Size: len(m.Value)})
		return false
	}
	m.Sum = sum
	return true
}

// differ compares two hashes; one that is not known differs from nothing.
func differ(a, b uint64) bool { return a != 0 && b != 0 && a != b }

// hash is ValueHash while the history is on.
func (c *Core) hash(value []byte) uint64 {
	if !c.history {
		return 0
	}
	return ValueHash(value)
}

// hash returns the hash of the accepted value, which is not known yet if the
// value was accepted while the history was off.
func (a *acceptor) hash() uint64 {
	if a.sum == 0 && !a.accepted.IsNull() {
		a.sum = a.c.hash(a.value)
	}
	return a.sum
}

// intact checks the accepted value before another proposer builds on it.
func (a *acceptor) intact() bool { return a.c.unchanged(a.value, a.sum) }

// intact checks the own value before it is offered again: acceptors drop an
// accept whose value is not the one whose hash it states, in silence.
func (p *proposer) intact() bool { return p.c.unchanged(p.value, p.sum) }

// unchanged stops the core if a value is not what it was when sum was taken:
// what else this node's memory holds is then as doubtful.
func (c *Core) unchanged(value []byte, sum uint64) bool {
	if !differ(c.hash(value), sum) {
		return true
	}
	c.observe(event.Event{Kind: event.ValueDiffers, Instance: c.instance, Size: len(value)})
	c.fail(fmt.Errorf("%w: instance %d has a value of %d bytes with another hash; check this machine's memory before the node starts again",
		ErrCorrupt, c.instance, len(value)))
	return false
}
