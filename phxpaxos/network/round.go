package network

import (
	"net"
	"slices"
)

const (
	// copyBytesMax is the largest packet that is copied next to its header. A
	// copy of that size costs less than two more entries in a writev.
	copyBytesMax = 2 << 10
	// roundSmallMax bounds the copied part of a round.
	roundSmallMax = 64 << 10
	// roundBytesMax bounds a round, but for its first packet: what waits behind
	// it can still become stale while a slow peer takes it.
	roundBytesMax = 1 << 20
	// roundPartsMax is what one writev takes.
	roundPartsMax = 1024
)

// round is what goes to a peer in one writev: the frames of many packets.
// Small packets are copied into one run of bytes with their headers, large ones
// stay where they are.
type round struct {
	small []byte
	parts [][]byte    // kept for its memory; rest consumes a copy of it
	rest  net.Buffers // what is not written yet
	count int         // packets
	bytes int         // with headers
	seal  *seal       // makes the authentication frame before the packets, nil without a secret
	lead  int         // bytes of that frame
}

// fill builds the round from the first of items, at least one. It fails if
// their MACs cannot be made; then it was not called.
func (r *round) fill(items []item) error {
	count, small := r.plan(items)
	r.lead = r.seal.bytes(count)
	r.small = slices.Grow(r.small[:0], r.lead+small) // never moves below: parts point into it
	if r.seal != nil {
		sealed, err := r.seal.append(r.small, items[:count])
		if err != nil {
			return err
		}
		r.small, r.lead = sealed, len(sealed)
	}
	r.count, r.bytes = count, r.lead
	r.parts = r.parts[:0]
	begin := 0
	for _, it := range items[:count] {
		if it.packet == nil { // a greeting: the frame is all of it
			continue
		}
		r.bytes += frameHeaderBytes + len(it.packet)
		r.small = appendFrameHeader(r.small, len(it.packet))
		if len(it.packet) <= copyBytesMax {
			r.small = append(r.small, it.packet...)
			continue
		}
		r.parts = append(r.parts, r.small[begin:], it.packet)
		begin = len(r.small)
	}
	if begin < len(r.small) {
		r.parts = append(r.parts, r.small[begin:])
	}
	r.rest = r.parts
	return nil
}

// plan returns how many of items fit into a round, and the length of its
// copied part.
func (r *round) plan(items []item) (count, small int) {
	parts, total := 0, 0
	if r.seal != nil {
		items = items[:min(len(items), r.seal.packetsMax)]
	}
	for i, it := range items {
		n := len(it.packet)
		copied, added := frameHeaderBytes+n, 1
		if n > copyBytesMax {
			copied, added = frameHeaderBytes, 2
		}
		if i > 0 && (total+n > roundBytesMax || small+copied > roundSmallMax || parts+added+1 > roundPartsMax) {
			return i, small
		}
		if n > copyBytesMax {
			parts += added
		}
		small += copied
		total += n + frameHeaderBytes
	}
	return len(items), small
}

// done lets go of the packets.
func (r *round) done() {
	clear(r.parts)
	r.rest = nil
}

// cutAt tells how a connection that took wrote bytes of the packets of a round
// left it: this many went whole, and the next one went in part. A negative
// number means that not even the authentication frame went whole.
func cutAt(items []item, wrote int) (whole int, torn bool) {
	for _, it := range items {
		n := frameHeaderBytes + len(it.packet)
		if it.packet == nil {
			n = 0
		}
		if wrote < n {
			return whole, wrote > 0
		}
		wrote -= n
		whole++
	}
	return whole, false
}
