package grpcnet_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/addrbook"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/grpcnet"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/grpcnet/packetpb"
)

func Example() {
	ids, release, err := freeaddr.Hold(2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release()
	arrived := make(chan string, 1)
	var nodes []network.Network
	for _, id := range ids {
		node, err := grpcnet.New(network.Config{Me: id}, nil) // nil: in clear
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Close()
		if err := node.Start(func(packet []byte) { arrived <- string(packet) }); err != nil {
			fmt.Println(err)
			return
		}
		nodes = append(nodes, node)
	}
	nodes[0].Send(ids[1], []byte("a packet"), network.Stream)
	fmt.Println(<-arrived)
	// Output: a packet
}

func TestConformance(t *testing.T) {
	g, _, _ := certtest.Guard(t, certtest.For(t), certtest.Named("a.nodes.example"), nil)
	for name, guard := range map[string]*certs.Guard{"clear": nil, "TLS": g} {
		t.Run(name, func(t *testing.T) {
			networktest.Suite{
				New: func(t testing.TB, me nodeid.ID) network.Network {
					n, err := grpcnet.New(network.Config{Me: me}, guard)
					if err != nil {
						t.Fatal(err)
					}
					return n
				},
				Guarded: guard != nil,
			}.Run(t)
		})
	}
}

type node struct {
	*network.TCP
	id  nodeid.ID
	in  chan string
	rec certtest.Events
}

func start(t testing.TB, id nodeid.ID, g *certs.Guard, change func(*network.Config)) *node {
	t.Helper()
	n := &node{id: id, in: make(chan string, 100000)}
	cfg := network.Config{Me: id, Observer: &n.rec, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	tcp, err := grpcnet.New(cfg, g)
	if err != nil {
		t.Fatal(err)
	}
	n.TCP = tcp
	if err := tcp.Start(func(p []byte) { n.in <- string(p) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tcp.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return n
}

// arrives sends until the packet has arrived.
func arrives(t *testing.T, from, to *node, packet string) {
	t.Helper()
	certtest.Eventually(t, packet+" arrives", func() bool {
		from.Send(to.id, []byte(packet), network.Stream)
		select {
		case p := <-to.in:
			return p == packet
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
}

// What is not a node does not get a byte through, whatever it speaks.
func TestStrangers(t *testing.T) {
	ours, foreign := certtest.For(t), certtest.For(t)
	g, rec, _ := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), func(c *certs.Config) { c.HandshakeTimeout = time.Minute })
	a := start(t, certtest.HoldIDs(t, 1)[0], g, nil)
	show := func(a *certtest.Authority, l certtest.Leaf) credentials.TransportCredentials {
		p, err := a.Issue(l)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		return credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &cert, nil
		}})
	}
	leaf := func(name string) certtest.Leaf { return certtest.Leaf{Names: []string{name}} }
	expired := leaf("b.nodes.example")
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		creds  credentials.TransportCredentials
		reason string
	}{
		"no TLS":            {insecure.NewCredentials(), "does not look like a TLS handshake"},
		"no certificate":    {credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}), "didn't provide a certificate"},
		"foreign authority": {show(foreign, leaf("b.nodes.example")), "unknown authority"},
		"expired":           {show(ours, expired), "expired"},
		"not on the list":   {show(ours, leaf("b.other.example")), "no name on the list"},
	} {
		cc, err := grpc.NewClient("passthrough:///"+a.id.String(), grpc.WithTransportCredentials(c.creds))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := packetpb.NewPacketsClient(cc).Carry(t.Context())
		if err == nil {
			stream.Send(&packetpb.Piece{Data: []byte("\x00\x00\x00\x05x")})
			err = stream.RecvMsg(new(packetpb.Nothing))
		}
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: the call ended with %v", name, err)
		}
		cc.Close()
		certtest.Eventually(t, name+" is counted", func() bool { return rec.Count(event.NetRefused, c.reason) > 0 })
	}
	gb, _, _ := certtest.Guard(t, ours, certtest.Named("b.nodes.example"), nil)
	b := start(t, certtest.HoldIDs(t, 1)[0], gb, nil)
	arrives(t, b, a, "a node's")
	if n := a.rec.Count(event.NetTCPIn, ""); n < 1 || a.rec.Count(event.NetAccept, "") != 1 {
		t.Errorf("%d packets over %d connections, want 1 connection", n, a.rec.Count(event.NetAccept, ""))
	}
}

// The list changes under running nodes; who dials a node that is not let in, or
// that does not let it in, hears why.
func TestListChanges(t *testing.T) {
	ours := certtest.For(t)
	ga, recA, _ := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), nil)
	gb, _, _ := certtest.Guard(t, ours, certtest.Named("b.nodes.example"), nil)
	ids := certtest.HoldIDs(t, 2)
	a, b := start(t, ids[0], ga, nil), start(t, ids[1], gb, nil)
	arrives(t, a, b, "there")
	arrives(t, b, a, "back")
	if err := ga.SetAllow([]string{"c.nodes.example"}, nil); err != nil {
		t.Fatal(err)
	}
	certtest.Eventually(t, "both directions are refused", func() bool {
		a.Send(b.id, []byte("x"), network.Stream)
		b.Send(a.id, []byte("x"), network.Stream)
		return a.rec.Count(event.NetError, "no name on the list") > 0 &&
			b.rec.Count(event.NetError, "bad certificate") > 0 && recA.Count(event.NetRefused, "no name on the list") > 0
	})
	if err := ga.SetAllow(nil, map[nodeid.ID]string{b.id: "b.nodes.example"}); err != nil {
		t.Fatal(err)
	}
	arrives(t, b, a, "again")
	arrives(t, a, b, "and there")
	if err := ga.SetAllow(nil, map[nodeid.ID]string{b.id: "c.nodes.example"}); err != nil {
		t.Fatal(err)
	}
	certtest.Eventually(t, "another node's certificate", func() bool {
		a.Send(b.id, []byte("x"), network.Stream)
		return a.rec.Count(event.NetError, "no name on the list") > 1
	})
}

// What a program sends that has the right to call but does not keep to the
// framing ends its call, and harms nobody.
func TestBrokenFrames(t *testing.T) {
	a := start(t, certtest.HoldIDs(t, 1)[0], nil, nil)
	for i, pieces := range [][]string{
		{"\x00\x00\x00\x04"},
		{"\xff", "\xff", "\xff\xff", "x"},
		{"\x00\x00\x00\x06ok", "\x7f\xff\xff\xff"},
		{strings.Repeat("GET / HTTP/1.1\r\n", 1000)},
		{strings.Repeat("x", 300<<10)}, // a piece that is too large
	} {
		cc, err := grpc.NewClient("passthrough:///"+a.id.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := packetpb.NewPacketsClient(cc).Carry(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream.Send(&packetpb.Piece{}) // nothing is no harm
		for _, p := range pieces {
			stream.Send(&packetpb.Piece{Data: []byte(p)})
		}
		if err := stream.RecvMsg(new(packetpb.Nothing)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("case %d: the call ended with %v", i, err)
		}
		cc.Close()
	}
	if got := <-a.in; got != "ok" || len(a.in) != 0 {
		t.Errorf("received %q and %d more, want the one whole frame", got, len(a.in))
	}
	arrives(t, start(t, certtest.HoldIDs(t, 1)[0], nil, nil), a, "still there")
}

// Connections that never call cannot lock peers out.
func TestConnectionsAreBounded(t *testing.T) {
	ids := certtest.HoldIDs(t, 2)
	a := start(t, ids[0], nil, func(c *network.Config) { c.AcceptMax = 5 })
	b := start(t, ids[1], nil, nil)
	arrives(t, b, a, "first")
	var strangers []net.Conn
	for range 20 {
		c, err := net.Dial("tcp4", a.id.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		strangers = append(strangers, c)
	}
	for _, c := range strangers[:15] {
		c.SetReadDeadline(time.Now().Add(await.Limit(t)))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("a surplus connection stays open")
		}
	}
	b.Send(a.id, []byte("second"), network.Stream)
	certtest.Eventually(t, "second arrives over the same connection", func() bool { return len(a.in) > 0 && <-a.in == "second" })
	if n := b.rec.Count(event.NetReconnect, ""); n != 0 {
		t.Errorf("the peer had to dial again %d times", n)
	}
	late := start(t, certtest.HoldIDs(t, 1)[0], nil, nil)
	arrives(t, late, a, "a late peer")
}

// The address book works for gRPC too, with ids that are no addresses.
func TestAddressBook(t *testing.T) {
	at := certtest.HoldIDs(t, 2)
	book, err := addrbook.New(map[nodeid.ID]string{
		1: fmt.Sprintf("localhost:%d", at[0].AddrPort().Port()),
		2: fmt.Sprintf("localhost:%d", at[1].AddrPort().Port()),
	})
	if err != nil {
		t.Fatal(err)
	}
	with := func(i int) func(*network.Config) {
		return func(c *network.Config) { c.Addresses, c.ListenAddr = book, at[i].AddrPort() }
	}
	a, b := start(t, 1, nil, with(0)), start(t, 2, nil, with(1))
	arrives(t, a, b, "by name")
}

func TestConfig(t *testing.T) {
	me := certtest.HoldIDs(t, 1)[0]
	for _, c := range []network.Config{{}, {Me: me, UDPMaxSize: 100}, {Me: me, Transport: odd{}}} {
		if _, err := grpcnet.New(c, nil); !errors.Is(err, network.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

type odd struct{ network.Transport }

// Close leaves no goroutine behind, whatever was going on.
func TestCloseEndsEverything(t *testing.T) {
	settle := func(limit int) bool { return runtime.NumGoroutine() <= limit }
	before := runtime.NumGoroutine()
	g, _, _ := certtest.Guard(t, certtest.For(t), certtest.Named("a.nodes.example"), nil)
	for _, g := range []*certs.Guard{nil, g} {
		ids := certtest.HoldIDs(t, 4)
		a, b := start(t, ids[0], g, nil), start(t, ids[1], g, nil)
		stuck, err := net.Listen("tcp4", ids[2].String())
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			a.Send(ids[2], make([]byte, 1<<20), network.Stream) // takes nothing
			a.Send(ids[3], make([]byte, 1<<20), network.Stream) // is down
			a.Send(b.id, make([]byte, 1<<20), network.Stream)
		}
		arrives(t, b, a, "x")
		silent, err := net.Dial("tcp4", a.id.String())
		if err != nil {
			t.Fatal(err)
		}
		a.Close()
		b.Close()
		silent.Close()
		stuck.Close()
	}
	certtest.Eventually(t, "goroutines end", func() bool { return settle(before) })
}

// BenchmarkBesideTCP sends packets over gRPC and over the default network in
// turns, and reports the median of the ratios of their throughput.
func BenchmarkBesideTCP(b *testing.B) {
	for _, size := range []int{100, 2048, 102400} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			const window, turns = 100, 9
			ids := certtest.HoldIDs(b, 4)
			tokens := make(chan struct{}, window)
			var senders []func(count int) time.Duration
			for i, open := range []func(network.Config) (*network.TCP, error){
				network.NewTCP,
				func(c network.Config) (*network.TCP, error) { return grpcnet.New(c, nil) },
			} {
				from, err := open(network.Config{Me: ids[2*i]})
				if err != nil {
					b.Fatal(err)
				}
				defer from.Close()
				to, err := open(network.Config{Me: ids[2*i+1]})
				if err != nil {
					b.Fatal(err)
				}
				defer to.Close()
				if err := errors.Join(from.Start(func([]byte) {}), to.Start(func([]byte) { <-tokens })); err != nil {
					b.Fatal(err)
				}
				packet := make([]byte, size)
				senders = append(senders, func(count int) time.Duration {
					begin := time.Now()
					for range count {
						tokens <- struct{}{}
						from.Send(ids[2*i+1], packet, network.Stream)
					}
					for range window {
						tokens <- struct{}{}
					}
					for range window {
						<-tokens
					}
					return time.Since(begin)
				})
				senders[i](1)
			}
			var ratios []float64
			b.ResetTimer()
			for range turns {
				n := max(b.N/turns, 1)
				ratios = append(ratios, senders[0](n).Seconds()/senders[1](n).Seconds())
			}
			b.StopTimer()
			slices.Sort(ratios)
			b.ReportMetric(ratios[turns/2], "grpc/tcp")
		})
	}
}
