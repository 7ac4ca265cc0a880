package checksum

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // read only

// touchBytes is how much of long data is brought near at once.
const touchBytes = 8 << 10

// CRC32C continues crc, 0 at first, over all of data: the checksum that this
// library relies on.
//
// The processor's instructions take data at three places at once, which its
// prefetching does not follow. A megabyte that is not in a near cache takes
// less than half of the time if it is read in order before, a piece at a time.
func CRC32C(crc uint32, data []byte) uint32 {
	for len(data) > touchBytes {
		touch(data[:touchBytes])
		crc = crc32.Update(crc, castagnoli, data[:touchBytes])
		data = data[touchBytes:]
	}
	return crc32.Update(crc, castagnoli, data)
}

// touch reads a byte of each line of the cache. Inlined it would be nothing.
//
//go:noinline
func touch(data []byte) (any byte) {
	const line = 64
	for i := 0; i < len(data); i += line {
		any |= data[i]
	}
	return any
}
