package sharedlog

import (
	"encoding/binary"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// The format numbers that this version writes, and the highest that it reads.
// Where a number stands, and the checksum that vouches for it, must stay as
// they are in every later format: an older version reads them to tell a newer
// file from a damaged one.
//
//	store     the last byte of the magic, "phxslog1"; the checksum at 16 covers
//	          the 16 bytes in front
//	N.log     Number of the Begin record plus 1; and the kind of each record
//	N.idx     the last byte of the magic, "phxsidx1"; from format 2 on the
//	          checksum at 44 covers the 44 bytes in front alone
//
// A header stays 32 bytes long, with its checksum, kind, length and Durable
// where they are. A kind that is added needs no other number.
const (
	storeFormat   = 1
	segmentFormat = 1
	indexFormat   = 1
)

// magicFormat returns the format number at the end of a magic: '1' is 1. It is
// 0 if b does not begin with the rest of the magic.
func magicFormat(b []byte, magic string) uint64 {
	last := len(magic) - 1
	if len(b) <= last || string(b[:last]) != magic[:last] || b[last] < '0' {
		return 0
	}
	return uint64(b[last] - '0')
}

// newerIdentity returns the format number of an identity that this version
// does not know, or 0. One copy that is whole suffices.
func newerIdentity(b []byte) uint64 {
	for _, at := range []int{0, identityAgain} {
		if len(b) < at+identityBytes {
			continue
		}
		p := b[at : at+identityBytes]
		format := magicFormat(p, identityMagic)
		if format > storeFormat && binary.LittleEndian.Uint32(p[16:]) == checksum.CRC32C(0, p[:16]) {
			return format
		}
	}
	return 0
}

// newerIndex returns the format number of an index file that this version does
// not know, or 0. b begins with the head.
func newerIndex(b []byte) uint64 {
	if len(b) < indexHead {
		return 0
	}
	format := magicFormat(b, indexMagic)
	if format > indexFormat && binary.LittleEndian.Uint32(b[44:]) == checksum.CRC32C(0, b[:44]) {
		return format
	}
	return 0
}

// newerHeader reports whether a header that decodeHeader refuses was written
// as one all the same: its checksum, which begins with the segment's seed, is
// right. Such a record is of a newer version; it is never a torn one.
func newerHeader(p []byte, seed uint32) bool {
	return len(p) >= headBytes && p[4]&0xf0 == kindMark && binary.LittleEndian.Uint32(p) == checksum.CRC32C(seed, p[4:headBytes])
}

// newerRecord is the error for a header of which newerHeader reports true.
func newerRecord(p []byte, off int64) error {
	kind := p[4] & 0x0f
	if kind == 0 || kind >= byte(kinds) {
		return fmt.Errorf("offset %d: record kind %d, this version supports 1 to %d; install the newer version again: %w",
			off, kind, kinds-1, storage.ErrNewerFormat)
	}
	return fmt.Errorf("offset %d: record of kind %d with contents that this version does not support; install the newer version again: %w",
		off, kind, storage.ErrNewerFormat)
}
