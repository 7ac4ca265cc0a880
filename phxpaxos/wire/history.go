package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// StatesMax is how many state digests a node keeps and states.
const StatesMax = 2

// StateDigest is the digest of a group's state machines after an instance.
type StateDigest struct {
	Instance uint64
	Scheme   uint64 // what was hashed and how; only digests of one scheme can be compared
	Digest   uint64 // 0 if it is not known; the others are then without a meaning
}

// Differs reports whether the states after one instance are known to differ.
func (s StateDigest) Differs(other StateDigest) bool {
	return s.Instance == other.Instance && s.Scheme == other.Scheme &&
		s.Digest != 0 && other.Digest != 0 && s.Digest != other.Digest
}

// History is what a node states of one block of its full history: the value of
// a paxos.HistoryCompare and its reply.
type History struct {
	First  uint64                 // first instance of the block
	Chains []uint64               // through First, First+1, …; 0 where it is not known; at most paxos.HistoryBlock
	States [StatesMax]StateDigest // the last ones of the node
}

// AppendHistory appends h: First, how many chains, the chains, the states.
func AppendHistory(dst []byte, h *History) []byte {
	dst = protowire.AppendVarint(dst, h.First)
	dst = protowire.AppendVarint(dst, uint64(len(h.Chains)))
	for _, c := range h.Chains {
		dst = protowire.AppendFixed64(dst, c)
	}
	for _, s := range h.States {
		dst = appendState(dst, s)
	}
	return dst
}

func appendState(dst []byte, s StateDigest) []byte {
	dst = protowire.AppendVarint(dst, s.Instance)
	return protowire.AppendFixed64(protowire.AppendFixed64(dst, s.Scheme), s.Digest)
}

// DecodeHistory decodes data into h, all of it, and reuses the memory of
// h.Chains. Errors match ErrBody; h is then undefined.
func DecodeHistory(data []byte, h *History) error {
	r := reader{what: "history", data: data}
	h.First = r.varint()
	n := r.varint()
	if r.err == nil && (n > paxos.HistoryBlock || h.First%paxos.HistoryBlock != 0) {
		return fmt.Errorf("%w: history of %d instances from %d on", ErrBody, n, h.First)
	}
	h.Chains = h.Chains[:0]
	for ; n > 0 && r.err == nil; n-- {
		h.Chains = append(h.Chains, r.fixed64())
	}
	for i := range h.States {
		h.States[i] = r.state()
	}
	return r.end()
}

// Standing is where a group of a node is, by its full history.
type Standing struct {
	Group    int
	Instance uint64      // its current instance; not on the wire, where a Digest states it
	Chain    uint64      // through the instance before, 0 if it is not known
	State    StateDigest // the last one
}

// AppendStandings appends s, which is in ascending order of groups.
func AppendStandings(dst []byte, s []Standing) []byte {
	for i := range s {
		dst = protowire.AppendVarint(dst, uint64(s[i].Group))
		dst = protowire.AppendFixed64(dst, s[i].Chain)
		dst = appendState(dst, s[i].State)
	}
	return dst
}

// DecodeStandings appends what data holds of the groups that d states to s,
// with their instances. Errors match ErrBody; what was appended before one was
// found is valid.
func DecodeStandings(data []byte, d *Digest, s []Standing) ([]Standing, error) {
	r := reader{what: "standings", data: data}
	next := uint64(d.First)
	for len(r.data) > 0 {
		group, chain := r.varint(), r.fixed64()
		state := r.state()
		if r.err != nil {
			break
		}
		if group < next || group-uint64(d.First) >= uint64(len(d.Instances)) {
			return s, fmt.Errorf("%w: standings of group %d, want one of %d to %d", ErrBody, group, next, d.First+len(d.Instances))
		}
		s = append(s, Standing{int(group), d.Instances[group-uint64(d.First)], chain, state})
		next = group + 1
	}
	return s, r.end()
}

// reader takes numbers from the front of data; after an error they are 0.
type reader struct {
	what string
	data []byte
	err  error
}

func (r *reader) varint() uint64 { return r.take(protowire.ConsumeVarint) }

func (r *reader) fixed64() uint64 { return r.take(protowire.ConsumeFixed64) }

func (r *reader) state() StateDigest { return StateDigest{r.varint(), r.fixed64(), r.fixed64()} }

func (r *reader) take(consume func([]byte) (uint64, int)) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := consume(r.data)
	if n < 0 {
		r.err = fmt.Errorf("%w: %s: %w", ErrBody, r.what, protowire.ParseError(n))
		return 0
	}
	r.data = r.data[n:]
	return v
}

// end is the first error, also if something is left over.
func (r *reader) end() error {
	if r.err == nil && len(r.data) > 0 {
		return fmt.Errorf("%w: %s: %d bytes are left over", ErrBody, r.what, len(r.data))
	}
	return r.err
}
