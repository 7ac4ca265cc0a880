package tlsnet_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

func TestConformance(t *testing.T) {
	g, _, _ := certtest.Guard(t, certtest.For(t), certtest.Named("a.nodes.example"), nil)
	networktest.Suite{
		New: func(t testing.TB, me nodeid.ID) network.Network {
			n, err := tlsnet.New(network.Config{Me: me}, g)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Guarded: true,
	}.Run(t)
}

// stranger connects to a node by TLS with whatever it has, and sends it a
// packet. It returns why that failed.
func stranger(t *testing.T, to nodeid.ID, cfg *tls.Config) error {
	t.Helper()
	cfg.InsecureSkipVerify = true
	if cfg.NextProtos == nil {
		cfg.NextProtos = []string{"phxpaxos/1"}
	}
	conn, err := tls.Dial("tcp4", to.String(), cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Write(frame("a stranger's"))
	conn.SetReadDeadline(time.Now().Add(await.Limit(t)))
	_, err = conn.Read(make([]byte, 1))
	if err == nil {
		err = nil
	}
	return err
}

func frame(packet string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(packet)+4)), packet...)
}

// Nobody gets a byte to the node without a good certificate; each attempt is
// counted, and the log has a line for the source.
func TestStrangers(t *testing.T) {
	ours, foreign := certtest.For(t), certtest.For(t)
	g, rec, log := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), func(c *certs.Config) { c.HandshakeTimeout = time.Minute })
	a := start(t, certtest.HoldIDs(t, 1)[0], g)
	pair := func(a *certtest.Authority, l certtest.Leaf) *tls.Config {
		p := certtest.Issue(t, a, l)
		cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		// Not Certificates: a client that is told which authorities are asked
		// for may show none instead.
		return &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}
	}
	overTLS := func(c *tls.Config) func() error { return func() error { return stranger(t, a.id, c) } }
	plain := func(b []byte) func() error {
		return func() error {
			conn, err := net.Dial("tcp4", a.id.String())
			if err != nil {
				return err
			}
			defer conn.Close()
			conn.Write(b)
			conn.SetReadDeadline(time.Now().Add(await.Limit(t)))
			_, err = io.Copy(io.Discard, conn) // until the node closes it
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				err = io.EOF
			}
			return err
		}
	}
	old := pair(ours, certtest.Leaf{Names: []string{"b.nodes.example"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	tls12 := pair(ours, certtest.Named("b.nodes.example"))
	tls12.MaxVersion = tls.VersionTLS12
	otherProtocol := pair(ours, certtest.Named("b.nodes.example"))
	otherProtocol.NextProtos = []string{"h2"}
	noProtocol := pair(ours, certtest.Named("b.nodes.example"))
	noProtocol.NextProtos = []string{}
	cases := []struct {
		name, reason string
		try          func() error
	}{
		{"without a certificate", "didn't provide a certificate", overTLS(&tls.Config{})},
		{"of a foreign authority", "unknown authority", overTLS(pair(foreign, certtest.Named("b.nodes.example")))},
		{"expired", "expired", overTLS(old)},
		{"not yet valid", "not yet valid", overTLS(pair(ours, certtest.Leaf{Names: []string{"b.nodes.example"}, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)}))},
		{"not on the list", "no name on the list: the certificate is for b.other.example", overTLS(pair(ours, certtest.Named("b.other.example")))},
		{"only a common name beside others", "no name on the list", overTLS(pair(ours, certtest.Leaf{Names: []string{"b.other.example"}, CommonName: "b.nodes.example"}))},
		{"a label too many", "no name on the list", overTLS(pair(ours, certtest.Named("x.b.nodes.example")))},
		{"for servers only", "incompatible key usage", overTLS(pair(ours, certtest.Leaf{Names: []string{"b.nodes.example"}, Uses: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}))},
		{"TLS 1.2", "unsupported versions", overTLS(tls12)},
		{"another protocol", "unsupported application protocols", overTLS(otherProtocol)},
		{"no protocol", "does not speak phxpaxos/1", overTLS(noProtocol)},
		{"a frame without TLS", "does not look like a TLS handshake", plain(frame("a stranger's"))},
		{"HTTP", "does not look like a TLS handshake", plain([]byte("GET / HTTP/1.1\r\n\r\n"))},
		{"garbage", "", plain([]byte(strings.Repeat("\x16\x03\x01\xff\xff garbage", 5000)))},
	}
	for i, c := range cases {
		before := rec.Count(event.NetRefused, c.reason)
		if err := c.try(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", c.name, err)
		}
		certtest.Eventually(t, c.name+" is counted", func() bool {
			return rec.Count(event.NetRefused, c.reason) == before+1 && rec.Count(event.NetRefused, "") == i+1
		})
	}
	if n := log.Count("refused who connected"); n != 1 {
		t.Errorf("%d lines for one source in a minute, want 1", n)
	}
	if log.Count("from=127.0.0.1") != 1 {
		t.Error("the line does not say who it was")
	}
	// A node is let in meanwhile, and nothing of all that has arrived.
	other, _, _ := certtest.Guard(t, ours, certtest.Named("b.nodes.example"), nil)
	b := start(t, certtest.HoldIDs(t, 1)[0], other)
	if others := b.sends(t, a, "a node's"); len(others) > 0 {
		t.Errorf("received %q", others)
	}
	for len(a.in) > 0 {
		if got := a.got(t); got != "a node's" {
			t.Errorf("received %q", got)
		}
	}
	udp, err := net.Dial("udp4", a.id.String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	udp.Write([]byte("a datagram"))
	if _, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a.id.AddrPort())); err != nil {
		t.Errorf("the UDP port is taken: %v", err)
	}
}

// Who connects and says nothing is let go.
func TestSilence(t *testing.T) {
	g, rec, _ := certtest.Guard(t, certtest.For(t), certtest.Named("a.nodes.example"), func(c *certs.Config) { c.HandshakeTimeout = 20 * time.Millisecond })
	a := start(t, certtest.HoldIDs(t, 1)[0], g)
	conn, err := net.Dial("tcp4", a.id.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(await.Limit(t)))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection stays open")
	}
	certtest.Eventually(t, "it is counted", func() bool { return rec.Count(event.NetRefused, "did not prove who it is within 20ms") == 1 })
}

// A common name counts where there is no other.
func TestCommonName(t *testing.T) {
	ours := certtest.For(t)
	ga, _, _ := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), func(c *certs.Config) { c.Allow = []string{"Node-B"} })
	gb, _, _ := certtest.Guard(t, ours, certtest.Leaf{CommonName: "node-b"}, nil)
	ids := certtest.HoldIDs(t, 2)
	a, b := start(t, ids[0], ga), start(t, ids[1], gb)
	b.sends(t, a, "hello")
}

// A node that is not the one that was dialled gets no packets, and who dials
// hears why, also when it is refused itself.
func TestDialRefuses(t *testing.T) {
	ours, foreign := certtest.For(t), certtest.For(t)
	ids := certtest.HoldIDs(t, 2)
	for _, c := range []struct {
		name, reason string
		a            func(*certs.Config)
		server       *certtest.Authority
		b            certtest.Leaf
	}{
		{"foreign authority", "unknown authority", nil, foreign, certtest.Named("b.nodes.example")},
		{"not on the list", "no name on the list", nil, ours, certtest.Named("b.other.example")},
		{"another node's certificate", "not the certificate of node", func(c *certs.Config) {
			c.Nodes = map[nodeid.ID]string{ids[1]: "b.nodes.example"}
		}, ours, certtest.Named("c.nodes.example")},
		{"this node is refused", "peer does not let this node in", nil, ours, certtest.Named("b.nodes.example")},
	} {
		t.Run(c.name, func(t *testing.T) {
			ga, _, _ := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), c.a)
			gb, _, _ := certtest.Guard(t, c.server, c.b, func(cfg *certs.Config) {
				if c.reason == "peer does not let this node in" {
					cfg.Allow = []string{"nobody.example"}
				}
			})
			a, b := start(t, ids[0], ga), start(t, ids[1], gb)
			a.Send(b.id, []byte("secret"), network.Stream)
			certtest.Eventually(t, "the refusal is seen", func() bool { return a.rec.Count(event.NetError, c.reason) > 1 })
			if len(b.in) != 0 {
				t.Error("a packet was sent nevertheless")
			}
		})
	}
}

// Who has the certificate of one node cannot speak for another one.
func TestPacketsOfOthers(t *testing.T) {
	ours := certtest.For(t)
	ids := certtest.HoldIDs(t, 3)
	ga, rec, _ := certtest.Guard(t, ours, certtest.Named("a.nodes.example"), func(c *certs.Config) {
		c.Nodes = map[nodeid.ID]string{ids[1]: "b.nodes.example", ids[2]: "c.nodes.example"}
	})
	gb, _, _ := certtest.Guard(t, ours, certtest.Named("b.nodes.example"), nil)
	a, b := start(t, ids[0], ga), start(t, ids[1], gb)
	message := func(from nodeid.ID) []byte {
		return wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 0, CRC: true}, &paxos.Message{Kind: paxos.Prepare, From: from})
	}
	own, nobodys := message(ids[1]), message(nodeid.None)
	b.sends(t, a, string(own))
	for id, forged := range map[nodeid.ID][]byte{ids[2]: message(ids[2]), 12345: message(12345), 0: nobodys} {
		reason := fmt.Sprintf("a packet of node %v came from b.nodes.example", id)
		certtest.Eventually(t, "it is refused", func() bool {
			b.Send(a.id, forged, network.Stream) // again, since it may be lost with the last connection
			return rec.Count(event.NetRefused, reason) > 0
		})
		certtest.Eventually(t, "the own packets go on", func() bool {
			b.Send(a.id, own, network.Stream)
			return len(a.in) > 0
		})
		for len(a.in) > 0 {
			if got := a.got(t); got != string(own) {
				t.Fatalf("received a packet of somebody else")
			}
		}
	}
}
