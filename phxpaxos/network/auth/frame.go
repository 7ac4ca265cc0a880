package auth

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Command is the command in the header of an authentication frame. It is far
// from the two that nodes know, and one byte long as a varint.
const Command = 77

// PacketsMax is the most packets that one frame covers: its tags then fill half
// of what a receiver reads without memory of its own.
const PacketsMax = 512

const (
	version      = 1
	tagBytes     = 16
	trailerBytes = 4
	fieldsAt     = 14 // where the fields after the packet's header begin
	tagsAt       = fieldsAt + 1 + 2 + 4*8
	emptyBytes   = tagsAt + tagBytes + trailerBytes // a frame without packets
)

// lead begins every frame: group 0, a header of 8 bytes with cluster 0, 0,
// Command and version 1 (spec/protocol.md section 4).
const lead = "\x00\x00\x00\x00\x08\x00\x08\x00\x10\x00\x18\x4d\x20\x01"

// ErrMalformed is matched by the errors for frames that do not parse.
var ErrMalformed = errors.New("authentication frame is malformed")

// Header is what a frame says before its tags.
type Header struct {
	Sender  nodeid.ID
	From    uint64 // the sender's incarnation
	To      uint64 // the receiver's incarnation as the sender last learned it, 0 for unknown
	Counter uint64 // grows from frame to frame of one incarnation
	Packets int    // how many packets follow, each with a tag
}

// Size is the number of bytes of a frame for so many packets.
func Size(packets int) int { return emptyBytes + packets*tagBytes }

// IsFrame reports whether a packet is an authentication frame, well-formed or
// not.
func IsFrame(packet []byte) bool {
	return len(packet) >= len(lead) && string(packet[:len(lead)]) == lead
}

// Parse reads the header of a frame. It does not verify any tag. The errors
// match ErrMalformed.
func Parse(frame []byte) (Header, error) {
	switch {
	case !IsFrame(frame):
		return Header{}, fmt.Errorf("%w: it does not begin as one", ErrMalformed)
	case len(frame) < emptyBytes:
		return Header{}, fmt.Errorf("%w: %d bytes, want at least %d", ErrMalformed, len(frame), emptyBytes)
	case frame[fieldsAt] != version:
		return Header{}, fmt.Errorf("%w: version %d, this node knows version %d", ErrMalformed, frame[fieldsAt], version)
	}
	n := int(binary.LittleEndian.Uint16(frame[fieldsAt+1:]))
	if n > PacketsMax || len(frame) != Size(n) {
		return Header{}, fmt.Errorf("%w: %d bytes for %d packets, want %d and at most %d packets", ErrMalformed, len(frame), n, Size(n), PacketsMax)
	}
	f := frame[fieldsAt+3:]
	return Header{
		Sender:  nodeid.ID(binary.LittleEndian.Uint64(f)),
		From:    binary.LittleEndian.Uint64(f[8:]),
		To:      binary.LittleEndian.Uint64(f[16:]),
		Counter: binary.LittleEndian.Uint64(f[24:]),
		Packets: n,
	}, nil
}

// appendHeader appends everything before the tags.
func appendHeader(dst []byte, h Header) []byte {
	dst = append(dst, lead...)
	dst = append(dst, version)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.Packets))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Sender))
	dst = binary.LittleEndian.AppendUint64(dst, h.From)
	dst = binary.LittleEndian.AppendUint64(dst, h.To)
	return binary.LittleEndian.AppendUint64(dst, h.Counter)
}

// appendTrailer completes the frame that begins at start.
func appendTrailer(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, checksum.Sampled(0, dst[start:], checksum.PacketStride))
}

// signed is the part of a frame that its own tag covers.
func signed(frame []byte) []byte { return frame[:len(frame)-trailerBytes-tagBytes] }

// ownTag is the tag of the frame itself.
func ownTag(frame []byte) []byte {
	return frame[len(frame)-trailerBytes-tagBytes : len(frame)-trailerBytes]
}
