package paxos

import "hash/crc32"

// Strides of the original's sampling checksums (spec/protocol.md section 2.1).
const (
	PacketStride = 7 // trailer of a packet
	ValueStride  = 8 // value chain, records and checkpoint blocks
)

// SampledCRC continues crc over data[0], data[stride], data[2*stride] …, the
// original's checksum. It misses flips in all other bytes, so it proves
// nothing about whole values; CRC-32C is what this library relies on.
func SampledCRC(crc uint32, data []byte, stride int) uint32 {
	var buf [256]byte
	n := 0
	for i := 0; i < len(data); i += stride {
		buf[n] = data[i]
		if n++; n == len(buf) {
			crc = crc32.Update(crc, crc32.IEEETable, buf[:])
			n = 0
		}
	}
	return crc32.Update(crc, crc32.IEEETable, buf[:n])
}

// ChainChecksum is the checksum of an instance's packed value behind the
// chain last (spec/protocol.md section 8.5). It is 0 while the chain is
// unknown.
func ChainChecksum(instance uint64, last uint32, value []byte) uint32 {
	if instance > 0 && last == 0 || len(value) == 0 {
		return 0
	}
	return SampledCRC(last, value, ValueStride)
}
