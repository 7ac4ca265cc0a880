package sharedlog

import (
	"encoding/binary"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
)

// Kind says what a record of the log does.
type Kind uint8

const (
	Begin    Kind = 1 + iota // the first record of every segment
	Record                   // a Put
	Copy                     // a record that the cleaner moved to the front
	Variable                 // a variable; Instance says which
	Clear                    // every record of the group in front of it is void, and MinChosen
	Drop                     // the records of one instance in front of it are void
	Newest                   // every record of the group in front of it is void; Instance was the newest
	Oldest                   // segments below Instance are not needed any more
	Close                    // an orderly end
	kinds
)

func (k Kind) ofGroup() bool { return k >= Record && k <= Newest }

const (
	headBytes = 32
	alignment = 8
	kindMark  = 0xa0 // in the upper half of the kind's byte

	beginBytes = 16
	dropBytes  = 17
)

// Header is what stands in front of every payload: 32 bytes, little-endian.
//
//	 0  uint32 CRC-32C of the 28 bytes behind, begun with the segment's seed
//	 4  uint32 0xa0 | kind, then the group << 8
//	 8  uint32 how many records of the group were written, this one included
//	12  uint32 length of the payload; it is filled with zeros to a multiple of 8
//	16  uint64 instance
//	24  uint32 so many times 8 bytes of this segment were durable before
//	28  uint32 CRC-32C of the payload with its filling
type Header struct {
	Kind     Kind
	Group    uint32
	Number   uint32
	Length   uint32
	Instance uint64
	Durable  uint32
	Sum      uint32
}

// size is how many bytes a record takes.
func (h *Header) size() int64 { return headBytes + padded(int64(h.Length)) }

func padded(n int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }

var padding [alignment]byte

// payloadSum is the checksum of a payload and its filling.
func payloadSum(data []byte) uint32 {
	sum := checksum.CRC32C(0, data)
	return checksum.CRC32C(sum, padding[:padded(int64(len(data)))-int64(len(data))])
}

func (h *Header) append(b []byte, seed uint32) []byte {
	at := len(b)
	b = append(b, make([]byte, headBytes)...)
	p := b[at:]
	binary.LittleEndian.PutUint32(p[4:], h.Group<<8|kindMark|uint32(h.Kind))
	binary.LittleEndian.PutUint32(p[8:], h.Number)
	binary.LittleEndian.PutUint32(p[12:], h.Length)
	binary.LittleEndian.PutUint64(p[16:], h.Instance)
	binary.LittleEndian.PutUint32(p[24:], h.Durable)
	binary.LittleEndian.PutUint32(p[28:], h.Sum)
	binary.LittleEndian.PutUint32(p, checksum.CRC32C(seed, p[4:headBytes]))
	return b
}

// decodeHeader reads a header; ok is false for anything that was not written
// as one in the segment with this seed.
func decodeHeader(p []byte, seed uint32) (h Header, ok bool) {
	if len(p) < headBytes || p[4]&0xf0 != kindMark {
		return h, false
	}
	word := binary.LittleEndian.Uint32(p[4:])
	h = Header{
		Kind:     Kind(word & 0x0f),
		Group:    word >> 8,
		Number:   binary.LittleEndian.Uint32(p[8:]),
		Length:   binary.LittleEndian.Uint32(p[12:]),
		Instance: binary.LittleEndian.Uint64(p[16:]),
		Durable:  binary.LittleEndian.Uint32(p[24:]),
		Sum:      binary.LittleEndian.Uint32(p[28:]),
	}
	if h.Kind < Begin || h.Kind >= kinds || h.Length > recordBytesMax || h.Group >= groupsMax {
		return h, false
	}
	switch {
	case h.Kind == Begin && h.Length != beginBytes,
		h.Kind == Drop && h.Length != dropBytes,
		h.Kind == Variable && h.Instance >= variables,
		(h.Kind == Record || h.Kind == Copy) && (h.Length == 0 || h.Instance > instanceMax):
		return h, false
	}
	return h, binary.LittleEndian.Uint32(p) == checksum.CRC32C(seed, p[4:headBytes])
}

// beginning is the payload of a Begin record.
type beginning struct {
	previous uint64 // where the segment in front ends
	oldest   uint64 // the oldest segment that is needed
}

func (b beginning) encode() []byte {
	out := binary.LittleEndian.AppendUint64(nil, b.previous)
	return binary.LittleEndian.AppendUint64(out, b.oldest)
}

func decodeBeginning(p []byte) beginning {
	return beginning{binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])}
}

// dropped is the payload of a Drop record: what is the highest instance then,
// and what is the newest.
type dropped struct {
	max, newest       uint64
	hasMax, hasNewest bool
}

func (d dropped) encode() []byte {
	out := binary.LittleEndian.AppendUint64(nil, d.max)
	out = binary.LittleEndian.AppendUint64(out, d.newest)
	flags := byte(0)
	if d.hasMax {
		flags |= 1
	}
	if d.hasNewest {
		flags |= 2
	}
	return append(out, flags)
}

func decodeDropped(p []byte) dropped {
	return dropped{
		max: binary.LittleEndian.Uint64(p), newest: binary.LittleEndian.Uint64(p[8:]),
		hasMax: p[16]&1 != 0, hasNewest: p[16]&2 != 0,
	}
}
