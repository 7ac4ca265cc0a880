package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"
)

// BenchmarkTag is what one packet costs each of its two ends, and what it would
// cost with HMAC-SHA-256.
func BenchmarkTag(b *testing.B) {
	for _, size := range []int{64, 256, 4 << 10, 1 << 20} {
		packet := make([]byte, size)
		out := make([]byte, 0, 64)
		b.Run(fmt.Sprintf("gmac/%d", size), func(b *testing.B) {
			m, err := newMAC(secretA, ends{sender: nodeA, receiver: nodeB})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			counter := uint64(0)
			for b.Loop() {
				counter++
				m.append(out, counter, 1, packet)
			}
		})
		b.Run(fmt.Sprintf("hmac/%d", size), func(b *testing.B) {
			h := hmac.New(sha256.New, secretA)
			b.SetBytes(int64(size))
			for b.Loop() {
				h.Reset()
				h.Write(packet)
				h.Sum(out)
			}
		})
	}
}

// BenchmarkKey is what a frame of an unknown sender or incarnation costs.
func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		if _, err := newMAC(secretA, ends{sender: nodeA, receiver: nodeB}); err != nil {
			b.Fatal(err)
		}
	}
}
