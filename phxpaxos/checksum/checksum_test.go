package checksum_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
)

// Computed by an original node (spec/protocol.md section 4.1, spec/storage-api.md
// section 1).
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		seed   uint32
		data   string
		stride int
		want   uint32
	}{
		{0, "123456789", 1, 0xCBF43926}, {0, "123456789", 7, 0xAF86ADD3}, {0, "123456789", 8, 0xD8819D45},
		{0, "hello paxos", 1, 4208781684}, {0, "hello paxos", 8, 2988640862}, {0, "hello paxos", 7, 3595084446},
		{1234567, "hello paxos", 8, 2840687393}, {0, "", 8, 0}, {99, "", 7, 99},
	} {
		if got := checksum.Sampled(v.seed, []byte(v.data), v.stride); got != v.want {
			t.Errorf("%q seed %d stride %d: %d, want %d", v.data, v.seed, v.stride, got, v.want)
		}
	}
}

// The fast way agrees with gathering the bytes first, at every length.
func TestAgreesWithGathering(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 40<<10)
	for i := range data {
		data[i] = byte(d.Uint32())
	}
	lengths := make([]int, 0, 1000) // and those at which a buffer is used, or a second one
	for n := range 700 {
		lengths = append(lengths, n)
	}
	for _, at := range []int{2 << 10, 7 * 2 << 10, 8 * 2 << 10, 14 * 2 << 10, 16 * 2 << 10} {
		for n := at - 9; n < at+9; n++ {
			lengths = append(lengths, n)
		}
	}
	for _, stride := range []int{1, 7, 8} {
		for _, n := range lengths {
			var sampled []byte
			for i := 0; i < n; i += stride {
				sampled = append(sampled, data[i])
			}
			want := crc32.Update(5, crc32.IEEETable, sampled)
			if got := checksum.Sampled(5, data[:n], stride); got != want {
				t.Fatalf("stride %d, %d bytes: %08x, want %08x", stride, n, got, want)
			}
		}
	}
}

// CRC32C in pieces is the CRC of the whole, at every length around a piece.
func TestCRC32C(t *testing.T) {
	d := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, 40<<10)
	for i := range data {
		data[i] = byte(d.Uint32())
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, at := range []int{9, 8 << 10, 16 << 10, 24 << 10, 40<<10 - 9} {
		for n := at - 9; n <= at+9; n++ {
			if got, want := checksum.CRC32C(uint32(n), data[:n]), crc32.Update(uint32(n), table, data[:n]); got != want {
				t.Fatalf("%d bytes: %08x, want %08x", n, got, want)
			}
		}
	}
	if got := checksum.CRC32C(0, []byte("123456789")); got != 0xE3069283 {
		t.Errorf("%08x, want e3069283", got) // the check value that RFC 3720's polynomial is known by
	}
}

func Example() {
	fmt.Printf("%08x\n", checksum.Sampled(0, []byte("123456789"), checksum.PacketStride))
	// Output: af86add3
}

// BenchmarkCRC32C is what a megabyte costs that is in no near cache.
func BenchmarkCRC32C(b *testing.B) {
	far := make([][]byte, 64)
	for i := range far {
		far[i] = make([]byte, 1<<20)
		far[i][i] = 1 // or all would be the same page of zeros
	}
	b.SetBytes(int64(len(far[0])))
	for i := 0; b.Loop(); i++ {
		checksum.CRC32C(1, far[i%len(far)])
	}
}

// BenchmarkSampled is what a megabyte costs.
func BenchmarkSampled(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		checksum.Sampled(1, data, checksum.ValueStride)
	}
}
