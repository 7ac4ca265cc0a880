package sim

// digest folds what happened into one number; two runs of a seed must end
// with the same one.
type digest uint64

const digestStart digest = 0x9e3779b97f4a7c15

func (d *digest) add(v uint64) {
	x := uint64(*d) ^ v
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 29
	*d = digest(x)
}

// bytesHash is FNV-1a in steps of eight bytes: quick, and good enough to tell
// values apart that nobody chose with malice.
func bytesHash(b []byte) uint64 {
	const prime = 0x100000001b3
	h := uint64(0xcbf29ce484222325) ^ uint64(len(b))
	for len(b) >= 8 {
		v := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		h = (h ^ v) * prime
		h ^= h >> 31
		b = b[8:]
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	return h ^ h>>29
}
