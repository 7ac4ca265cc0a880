// Package checksum is the original's sampling CRC-32, which packets, records,
// checkpoint blocks and the chain of values share (spec/protocol.md section
// 4.1). It may change between versions.
package checksum

import "hash/crc32"

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
		at := 0
		for i := range buf[:n] {
			buf[i] = data[at]
			at += stride
		}
		crc = crc32.Update(crc, crc32.IEEETable, buf[:n])
		data = data[min(at, len(data)):]
	}
	return crc
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
