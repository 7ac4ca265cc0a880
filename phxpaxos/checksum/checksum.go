// Package checksum has the original's sampling CRC-32, which packets, records,
// checkpoint blocks and the chain of values share (spec/protocol.md section
// 4.1), and the CRC-32C over every byte that this library adds. It may change
// between versions.
package checksum

import (
	"encoding/binary"
	"hash/crc32"
)

// Strides of the original (spec/protocol.md section 2.1).
const (
	PacketStride = 7 // trailer of a packet
	ValueStride  = 8 // chain of values, records and checkpoint blocks
)

// slicing[k][b] is the CRC-32 of the byte b followed by k zero bytes; with it
// eight bytes are taken at once. Read only.
var slicing = func() (t [8][256]uint32) {
	t[0] = *crc32.IEEETable
	for k := 1; k < len(t); k++ {
		for i, v := range t[k-1] {
			t[k][i] = t[0][byte(v)] ^ v>>8
		}
	}
	return t
}()

// gatherFrom is how many sampled bytes are worth a buffer for them.
const gatherFrom = 2 << 10

// gathered is Sampled for long data. The processor's own instructions for the
// CRC are so much quicker that copying the bytes pays.
func gathered(crc uint32, data []byte, stride int) uint32 {
	buf := make([]byte, gatherFrom)
	for len(data) > 0 {
		n := min(len(buf), (len(data)+stride-1)/stride)
		at := gather(buf[:n], data, stride)
		crc = crc32.Update(crc, crc32.IEEETable, buf[:n])
		data = data[min(at, len(data)):]
	}
	return crc
}

// gather fills buf and returns where the next byte would come from.
func gather(buf, data []byte, stride int) (at int) {
	rest := buf
	switch stride {
	case PacketStride:
		rest = gather7(buf, data)
	case ValueStride:
		rest = gather8(buf, data)
	}
	at = (len(buf) - len(rest)) * stride
	for i := range rest {
		rest[i] = data[at]
		at += stride
	}
	return at
}

// gather7 and gather8 fill buf eight bytes at a time and return what is left
// of it. With constant offsets they take a third of the time of a loop.
func gather7(buf, data []byte) []byte {
	for ; len(buf) >= 8 && len(data) >= 7*8; buf, data = buf[8:], data[7*8:] {
		d := data[:7*8]
		binary.LittleEndian.PutUint64(buf, uint64(d[0])|uint64(d[7])<<8|uint64(d[14])<<16|uint64(d[21])<<24|
			uint64(d[28])<<32|uint64(d[35])<<40|uint64(d[42])<<48|uint64(d[49])<<56)
	}
	return buf
}

func gather8(buf, data []byte) []byte {
	for ; len(buf) >= 8 && len(data) >= 8*8; buf, data = buf[8:], data[8*8:] {
		d := data[:8*8]
		binary.LittleEndian.PutUint64(buf, uint64(d[0])|uint64(d[8])<<8|uint64(d[16])<<16|uint64(d[24])<<24|
			uint64(d[32])<<32|uint64(d[40])<<40|uint64(d[48])<<48|uint64(d[56])<<56)
	}
	return buf
}

// Sampled continues crc over data[0], data[stride], data[2*stride] …, the
// original's checksum. It misses flips in all other bytes, so it proves
// nothing about whole values; CRC-32C is what this library relies on.
//
// Short data is not gathered, since a buffer would cost more than it gains.
func Sampled(crc uint32, data []byte, stride int) uint32 {
	if len(data) >= gatherFrom*stride {
		return gathered(crc, data, stride)
	}
	s, t := stride, &slicing
	crc = ^crc
	for len(data) >= 8*s {
		d := data[:8*s]
		crc ^= uint32(d[0]) | uint32(d[s])<<8 | uint32(d[2*s])<<16 | uint32(d[3*s])<<24
		crc = t[7][byte(crc)] ^ t[6][byte(crc>>8)] ^ t[5][byte(crc>>16)] ^ t[4][crc>>24] ^
			t[3][d[4*s]] ^ t[2][d[5*s]] ^ t[1][d[6*s]] ^ t[0][d[7*s]]
		data = data[8*s:]
	}
	for i := 0; i < len(data); i += s {
		crc = t[0][byte(crc)^data[i]] ^ crc>>8
	}
	return ^crc
}
