package phxpaxos

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestBuffersAreUsedAgain(t *testing.T) {
	var b buffers
	first := b.take(100 << 10)
	if len(first) != 0 || cap(first) < 100<<10 {
		t.Fatalf("got %d of %d bytes", len(first), cap(first))
	}
	b.give(append(first, 1, 2, 3))
	if small := b.take(5 << 10); unsafe.SliceData(small) == unsafe.SliceData(first) {
		t.Error("a small record sits on a large buffer")
	}
	again := b.take(90 << 10)
	if len(again) != 0 || unsafe.SliceData(again) != unsafe.SliceData(first) {
		t.Error("a buffer that is free was not used")
	}
	if other := b.take(90 << 10); unsafe.SliceData(other) == unsafe.SliceData(first) {
		t.Error("a buffer was given out twice")
	}
}

func TestBuffersAreBounded(t *testing.T) {
	var b buffers
	rnd := rand.New(rand.NewPCG(1, 2))
	held := map[*byte]bool{}
	var out [][]byte
	for range 20000 {
		if len(out) > 0 && rnd.IntN(2) == 0 {
			i := rnd.IntN(len(out))
			buf := out[i]
			out[i] = out[len(out)-1]
			out = out[:len(out)-1]
			delete(held, unsafe.SliceData(buf))
			b.give(buf)
		} else {
			size := rnd.IntN(3 << 20 >> rnd.IntN(12))
			buf := b.take(size)
			if len(buf) != 0 || cap(buf) < size {
				t.Fatalf("asked for %d bytes, got %d of %d", size, len(buf), cap(buf))
			}
			if cap(buf) > 0 && held[unsafe.SliceData(buf)] {
				t.Fatal("a buffer was given out twice")
			}
			if cap(buf) > 0 {
				held[unsafe.SliceData(buf)] = true
				out = append(out, buf)
			}
		}
		total := 0
		for _, f := range b.free {
			total += cap(f)
		}
		if total != b.bytes || total > buffersBytesMax {
			t.Fatalf("%d bytes are kept, counted %d", total, b.bytes)
		}
		if len(out) > 50 {
			out = out[:0]
			clear(held)
		}
	}
}
