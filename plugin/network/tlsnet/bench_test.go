package tlsnet_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

// pair is two networks with a bounded number of packets under way from the
// first to the second.
type pair struct {
	from, to network.Network
	send     func([]byte)
	tokens   chan struct{}
}

func newPair(b *testing.B, window int, g *certs.Guard) *pair {
	ids := certtest.HoldIDs(b, 2)
	open := func(i int) network.Network {
		cfg := network.Config{Me: ids[i]}
		var n network.Network
		var err error
		if g == nil {
			n, err = network.NewTCP(cfg)
		} else {
			n, err = tlsnet.New(cfg, g)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { n.Close() })
		return n
	}
	p := &pair{from: open(0), to: open(1), tokens: make(chan struct{}, window)}
	p.send = func(packet []byte) { p.from.Send(ids[1], packet, network.Stream) }
	if err := p.from.Start(func([]byte) {}); err != nil {
		b.Fatal(err)
	}
	if err := p.to.Start(func([]byte) { <-p.tokens }); err != nil {
		b.Fatal(err)
	}
	return p
}

// run sends count packets and waits until all have arrived.
func (p *pair) run(packet []byte, count int) time.Duration {
	begin := time.Now()
	for range count {
		p.tokens <- struct{}{}
		p.send(packet)
	}
	for range cap(p.tokens) {
		p.tokens <- struct{}{}
	}
	took := time.Since(begin)
	for range cap(p.tokens) {
		<-p.tokens
	}
	return took
}

// BenchmarkBesidePlain sends the same packets over TLS and over plain TCP, in
// turns, and reports the median of the ratios: packets per second over TLS for
// each one over plain TCP. An operation is one packet over each.
func BenchmarkBesidePlain(b *testing.B) {
	g, _, _ := certtest.Guard(b, certtest.For(b), certtest.Named("a.nodes.example"), nil)
	for _, c := range []struct{ size, window int }{{100, 1}, {100, 2000}, {2048, 100}, {102400, 100}} {
		b.Run(fmt.Sprintf("size=%d/window=%d", c.size, c.window), func(b *testing.B) {
			plain, encrypted := newPair(b, c.window, nil), newPair(b, c.window, g)
			packet := make([]byte, c.size)
			plain.run(packet, 1)
			encrypted.run(packet, 1)
			const turns = 9
			var ratios []float64
			var took time.Duration
			b.ResetTimer()
			for range turns {
				n := max(b.N/turns, 1)
				without, with := plain.run(packet, n), encrypted.run(packet, n)
				ratios = append(ratios, without.Seconds()/with.Seconds())
				took += with
			}
			b.StopTimer()
			slices.Sort(ratios)
			b.ReportMetric(ratios[turns/2], "tls/plain")
			b.ReportMetric(float64(turns*max(b.N/turns, 1))/took.Seconds(), "packets/s")
		})
	}
}
