package vfile

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
)

// A record in a value file (spec/storage-api.md section 2.4):
//
//	int32 L | uint64 instance | L-8 bytes of data
const (
	lengthBytes = 4
	headBytes   = 12
	keyBytes    = 8
	// sectorBytes is what a disk writes whole or not at all.
	sectorBytes = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// location is where the newest record of an instance lies: the original's
// file id (section 2.3).
type location struct {
	file   int32
	offset int32
	crc    uint32 // sampled, over instance and data
}

const locationBytes = 12

func (l location) encode(b *[locationBytes]byte) []byte {
	binary.LittleEndian.PutUint32(b[0:], uint32(l.file))
	binary.LittleEndian.PutUint32(b[4:], uint32(l.offset))
	binary.LittleEndian.PutUint32(b[8:], l.crc)
	return b[:]
}

// decodeLocation reports false for what cannot be a location.
func decodeLocation(b []byte) (location, bool) {
	if len(b) != locationBytes {
		return location{}, false
	}
	l := location{
		file:   int32(binary.LittleEndian.Uint32(b[0:])),
		offset: int32(binary.LittleEndian.Uint32(b[4:])),
		crc:    binary.LittleEndian.Uint32(b[8:]),
	}
	return l, l.file >= 0 && l.offset >= 0
}

// before reports whether l lies in front of (file, offset).
func (l location) before(file int, offset int64) bool {
	return int(l.file) < file || int(l.file) == file && int64(l.offset) < offset
}

func appendRecord(buf []byte, instance uint64, data []byte) []byte {
	buf = binary.LittleEndian.AppendUint32(buf, uint32(keyBytes+len(data)))
	buf = binary.LittleEndian.AppendUint64(buf, instance)
	return append(buf, data...)
}

// sampledCRC is the original's checksum of a record: CRC-32 over every 8th
// byte of instance and data.
func sampledCRC(instance uint64, data []byte) uint32 {
	crc := crc32.IEEETable[byte(instance)^0xff] ^ 0xffffffff>>8
	return checksum.Sampled(^crc, data, checksum.ValueStride)
}

// fullCRC covers every byte of a record, its length word included.
func fullCRC(instance uint64, data []byte) uint32 {
	crc := ^uint32(0)
	length := uint32(keyBytes + len(data))
	for i := range lengthBytes {
		crc = castagnoli[byte(crc)^byte(length>>(8*i))] ^ crc>>8
	}
	for i := range keyBytes {
		crc = castagnoli[byte(crc)^byte(instance>>(8*i))] ^ crc>>8
	}
	return checksum.CRC32C(^crc, data)
}

// hasZeroSector reports whether the bytes that are to lie at offset hold a
// whole sector of zeros. Only then can a sector that never reached the disk
// go unnoticed: one that is lost reads as zeros.
func hasZeroSector(offset int64, p []byte) bool {
	first := (sectorBytes - offset%sectorBytes) % sectorBytes
	for from := first; from+sectorBytes <= int64(len(p)); from += sectorBytes {
		if allZero(p[from : from+sectorBytes]) {
			return true
		}
	}
	return false
}

func allZero(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != 0 {
			return false
		}
		p = p[8:]
	}
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// The three highest keys of the index are not instances (section 2.2), and
// the next one is left free so that it can be deleted at any time: that is
// how the index is synced.
const (
	keyMinChosen       = ^uint64(0)
	keySystemVariables = keyMinChosen - 1
	keyMasterVariables = keyMinChosen - 2
	keyNever           = keyMinChosen - 3
	instanceMax        = keyNever - 1
)
