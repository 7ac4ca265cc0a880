package waitlock_test

import (
	"context"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/waitlock"
)

func BenchmarkUncontended(b *testing.B) {
	for name, o := range map[string]waitlock.Options{
		"plain":    {},
		"measured": {WaitThreshold: time.Second},
	} {
		b.Run(name, func(b *testing.B) {
			g := open(b, o)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Lock(ctx); err != nil {
					b.Fatal(err)
				}
				g.Unlock()
			}
		})
	}
}

func BenchmarkContended(b *testing.B) {
	g := open(b, waitlock.Options{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, err := g.Lock(ctx); err != nil {
				b.Error(err)
				return
			}
			g.Unlock()
		}
	})
}
