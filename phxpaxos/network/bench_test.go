package network

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
)

// writeCounter counts writes and the packets in them.
type writeCounter struct {
	writes, packets atomic.Int64
}

func (w *writeCounter) Observe(e event.Event) {
	if e.Kind == event.NetLoop && e.Peer != 0 {
		w.writes.Add(1)
		w.packets.Add(int64(e.Number))
	}
}

// BenchmarkLoopback sends packets between two networks in this process, with a
// bounded number under way. allocs/op covers both of them.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{100, 2048, 102400} {
		for _, window := range []int{1, 100, 2000} {
			b.Run(fmt.Sprintf("size=%d/window=%d", size, window), func(b *testing.B) {
				benchmarkLoopback(b, size, window, nil)
			})
		}
	}
	b.Run("size=100/window=2000/counted", func(b *testing.B) {
		var w writeCounter
		benchmarkLoopback(b, 100, 2000, &w)
		b.ReportMetric(float64(w.packets.Load())/float64(w.writes.Load()), "packets/write")
	})
}

func benchmarkLoopback(b *testing.B, size, window int, observer event.Observer) {
	from, err := NewTCP(Config{Me: freeID(b), Observer: observer})
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	to, err := NewTCP(Config{Me: freeID(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	tokens := make(chan struct{}, window)
	if err := from.Start(func([]byte) {}); err != nil {
		b.Fatal(err)
	}
	if err := to.Start(func([]byte) { <-tokens }); err != nil {
		b.Fatal(err)
	}
	packet := make([]byte, size)
	peer := to.cfg.Me
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		tokens <- struct{}{}
		from.Send(peer, packet, Stream)
	}
	for range window { // until all have arrived
		tokens <- struct{}{}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

// BenchmarkSend is the cost of Send alone: the peer is down, the queue full or
// not.
func BenchmarkSend(b *testing.B) {
	n, err := NewTCP(Config{Me: freeID(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(func([]byte) {}); err != nil {
		b.Fatal(err)
	}
	peer, packet := freeID(b), make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		n.Send(peer, packet, Stream)
	}
}

// BenchmarkPingPong is one packet there and one back: the latency that a
// proposal with one caller sees.
func BenchmarkPingPong(b *testing.B) {
	a, err := NewTCP(Config{Me: freeID(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	z, err := NewTCP(Config{Me: freeID(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	back := make(chan struct{}, 1)
	if err := a.Start(func([]byte) { back <- struct{}{} }); err != nil {
		b.Fatal(err)
	}
	if err := z.Start(func(p []byte) { z.Send(a.cfg.Me, p, Stream) }); err != nil {
		b.Fatal(err)
	}
	packet := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		a.Send(z.cfg.Me, packet, Stream)
		<-back
	}
}
