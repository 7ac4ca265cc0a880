package network

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// In these tests a packet begins with its sender's id, 8 bytes.
func packetOf(id nodeid.ID, text string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(id)), text...)
}

func senderOf(packet []byte) (nodeid.ID, bool) {
	if len(packet) < 8 {
		return nodeid.None, false
	}
	return nodeid.ID(binary.LittleEndian.Uint64(packet)), true
}

func identify(n *TCP) { n.IdentifyBy(senderOf) }

// startKnowing starts a network that knows the senders of packets.
func startKnowing(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	return startWith(t, change, identify)
}

// at is the id with the same port at another address of loopback.
func at(t testing.TB, address string, id nodeid.ID) nodeid.ID {
	t.Helper()
	moved, err := nodeid.FromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), id.AddrPort().Port()))
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

// writeFrom sends packets to a node from an address of loopback, by TCP or UDP.
func writeFrom(t testing.TB, network, address string, to nodeid.ID, packets ...[]byte) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	if network == "udp4" {
		dialer.LocalAddr = &net.UDPAddr{IP: net.ParseIP(address)}
	}
	c, err := dialer.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, p := range packets {
		if network == "tcp4" {
			p = frames(p)
		}
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

// A packet that comes from another address than its sender's is counted, or
// dropped and counted, or of no interest; all others pass.
func TestSourceCheck(t *testing.T) {
	for _, network := range []string{"tcp4", "udp4"} {
		for check, want := range map[SourceCheck]struct {
			delivered bool
			counted   int
		}{SourceCount: {true, 2}, SourceRefuse: {false, 2}, SourceOff: {true, 0}} {
			t.Run(fmt.Sprint(network, check), func(t *testing.T) {
				var log bytes.Buffer
				a := startKnowing(t, func(c *Config) {
					c.SourceCheck, c.Logger = check, slog.New(slog.NewTextHandler(&log, nil))
				})
				forged := packetOf(at(t, "127.0.0.3", a.cfg.Me), "forged")
				own := packetOf(a.cfg.Me, "in this node's own name")
				good := packetOf(at(t, "127.0.0.2", a.cfg.Me), "good")
				nobody := packetOf(nodeid.None, "of nobody")
				ignored := []byte("ignored")
				writeFrom(t, network, "127.0.0.2", a.cfg.Me, forged, own, good, nobody, ignored)
				expected := [][]byte{good, nobody, ignored}
				if want.delivered {
					expected = [][]byte{forged, own, good, nobody, ignored}
				}
				for _, p := range expected {
					if got := a.got(t); !bytes.Equal(got, p) {
						t.Fatalf("received %q, want %q", got, p)
					}
				}
				n := a.rec.count(event.NetSourceDiffers, func(e event.Event) bool {
					return errors.Is(e.Err, ErrRefused) == !want.delivered && e.Peer != nodeid.None
				})
				if n != want.counted || a.rec.count(event.NetSourceDiffers, nil) != n {
					t.Errorf("%d are counted, want %d", n, want.counted)
				}
				a.Close()
				if lines := strings.Count(log.String(), "reason="); lines != min(want.counted, 1) {
					t.Errorf("%d lines for one source:\n%s", lines, log.String())
				}
			})
		}
	}
}

// Nodes at several addresses of one machine come from their own: nothing that
// they send each other is refused.
func TestNodesComeFromTheirOwnAddress(t *testing.T) {
	refuse := func(c *Config) { c.SourceCheck, c.UDPMaxSize = SourceRefuse, 100 }
	a := startKnowing(t, refuse)
	b := startKnowing(t, func(c *Config) { refuse(c); c.Me = at(t, "127.0.0.2", c.Me) })
	for _, class := range []Class{Stream, Datagram} {
		for _, pair := range [][2]*fixture{{a, b}, {b, a}} {
			p := packetOf(pair[0].cfg.Me, "hello")
			await.True(t, "a packet arrives", func() bool { // datagrams may be lost
				pair[0].Send(pair[1].cfg.Me, p, class)
				return pair[1].rec.count(event.NetTCPIn, nil)+pair[1].rec.count(event.NetUDPIn, nil) > int(class)
			})
			if got := pair[1].got(t); !bytes.Equal(got, p) {
				t.Errorf("received %q", got)
			}
			if n := pair[1].rec.count(event.NetSourceDiffers, nil); n != 0 {
				t.Errorf("%d packets of class %d were refused", n, class)
			}
		}
	}
}

// A node whose id's address is not this machine's, as behind an address
// translation, and one whose address has gone, send from where they can.
func TestAddressThatIsNotHere(t *testing.T) {
	b := startTCP(t, nil)
	translated := startTCP(t, func(c *Config) {
		c.ListenAddr = c.Me.AddrPort()
		c.Me = at(t, "192.0.2.1", c.Me)
	})
	gone := startTCP(t, nil)
	gone.source = netip.MustParseAddr("192.0.2.1")
	for _, f := range []*fixture{translated, gone} {
		f.Send(b.cfg.Me, []byte("hello"), Stream)
		if got := b.got(t); string(got) != "hello" {
			t.Errorf("received %q", got)
		}
	}
}

// A node that strangers can reach says so once, and no other one does.
func TestClearTextIsAWarning(t *testing.T) {
	everywhere := func(c *Config) { c.ListenAddr = netip.AddrPortFrom(netip.IPv4Unspecified(), c.Me.AddrPort().Port()) }
	for _, c := range []struct {
		name  string
		cfg   func(*Config)
		warns int
	}{
		{"on loopback", func(*Config) {}, 0},
		{"everywhere", everywhere, 1},
		{"datagrams everywhere", func(c *Config) {
			c.ListenUDPAddr = netip.AddrPortFrom(netip.IPv4Unspecified(), c.Me.AddrPort().Port())
		}, 1},
		{"with a secret that need not be", func(c *Config) { everywhere(c); c.Secret = Secret{Key: someKey, Mode: SecretSend} }, 1},
		{"with a secret", func(c *Config) { everywhere(c); c.Secret = Secret{Key: someKey, Mode: SecretRequire} }, 0},
		{"with TLS", func(c *Config) { everywhere(c); c.Transport = protector{protects: true} }, 0},
		{"over another transport in clear", func(c *Config) { everywhere(c); c.Transport = protector{} }, 1},
	} {
		var log bytes.Buffer
		startTCP(t, func(cfg *Config) { c.cfg(cfg); cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) }).Close()
		if n := strings.Count(log.String(), "clear text"); n != c.warns {
			t.Errorf("%s: %d warnings, want %d\n%s", c.name, n, c.warns, log.String())
		}
	}
}

// protector is plain TCP as a Transport.
type protector struct {
	plainTransport
	protects bool
	knows    nodeid.ID
}

func (p protector) Protects() bool               { return p.protects }
func (p protector) Identifies(id nodeid.ID) bool { return id == p.knows }

// Where a Transport knows the sender, its address is of no interest.
func TestTransportThatIdentifies(t *testing.T) {
	known, unknown := at(t, "127.0.0.3", freeID(t)), at(t, "127.0.0.4", freeID(t))
	a := startKnowing(t, func(c *Config) {
		c.SourceCheck, c.Transport = SourceRefuse, protector{protects: true, knows: known}
	})
	writeFrom(t, "tcp4", "127.0.0.2", a.cfg.Me, packetOf(unknown, "unknown"), packetOf(known, "known"))
	if got := a.got(t); !bytes.Equal(got, packetOf(known, "known")) {
		t.Errorf("received %q", got)
	}
	if n := a.rec.count(event.NetSourceDiffers, nil); n != 1 {
		t.Errorf("%d are counted, want 1", n)
	}
}

var someKey = SecretKey("0123456789abcdef-some")

func TestTrustIsValidated(t *testing.T) {
	me := freeID(t)
	other := SecretKey("another secret key")
	for _, c := range []struct {
		cfg  Config
		says string // "" for a good one
	}{
		{Config{Secret: Secret{Key: someKey, Mode: SecretSend}}, ""},
		{Config{Secret: Secret{Key: someKey, Also: other, Mode: SecretRequire}, PacketBytesMax: 128}, ""},
		{Config{Secret: Secret{Key: someKey}}, "Secret.Mode is unset"},
		{Config{Secret: Secret{Key: someKey, Mode: 7}}, "Secret.Mode is SecretMode(7)"},
		{Config{Secret: Secret{Mode: SecretSend}}, "Secret.Key has 0 bytes, must have at least 16"},
		{Config{Secret: Secret{Key: someKey[:15], Mode: SecretSend}}, "Secret.Key has 15 bytes"},
		{Config{Secret: Secret{Key: someKey, Also: other[:1], Mode: SecretSend}}, "Secret.Also has 1 bytes"},
		{Config{Secret: Secret{Key: someKey, Also: someKey, Mode: SecretSend}}, "Secret.Also is equal"},
		{Config{Secret: Secret{Key: someKey, Mode: SecretSend}, UDPMaxSize: 1}, "UDPMaxSize is 1, must be 0 with a Secret"},
		{Config{Secret: Secret{Key: someKey, Mode: SecretSend}, PacketBytesMax: 127}, "PacketBytesMax is 127"},
		{Config{SourceCheck: 3}, "SourceCheck is SourceCheck(3)"},
		{Config{SourceCheck: SourceRefuse, Addresses: noBook{}}, "SourceCheck is refuse"},
	} {
		c.cfg.Me = me
		err := c.cfg.Validate()
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v, want %q", err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), string(someKey[:15])) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

type noBook struct{}

func (noBook) Address(nodeid.ID) (string, bool) { return "", false }

// However a configuration is printed, its secret is not.
func TestSecretIsNotPrinted(t *testing.T) {
	cfg := Config{Secret: Secret{Key: someKey, Also: someKey, Mode: SecretSend}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b"} {
		fmt.Fprintf(&out, verb+verb+verb, cfg, cfg.Secret, cfg.Secret.Key)
	}
	text, err := json.Marshal(cfg.Secret)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("secret", "all", cfg.Secret, "key", cfg.Secret.Key)
	}
	hex := fmt.Sprintf("%x", []byte(someKey[:4]))
	for _, trace := range []string{string(someKey[:4]), hex, strings.ToUpper(hex), "48 49 50", "0x30, 0x31", "00110000", "MDEy"} {
		if strings.Contains(out.String(), trace) {
			t.Errorf("found %q in\n%s", trace, out.String())
		}
	}
}

func TestReadSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct{ text, key, also, says string }{
		{"0123456789abcdef", "0123456789abcdef", "", ""},
		{"0123456789abcdef\n", "0123456789abcdef", "", ""},
		{"  0123456789abcdef\r\nfedcba9876543210\n", "0123456789abcdef", "fedcba9876543210", ""},
		{"", "", "", "line 1 has 0 bytes"},
		{"0123456789abcde\n", "", "", "line 1 has 15 bytes"},
		{"0123456789abcdef\nshort\n", "", "", "line 2 has 5 bytes"},
		{"0123456789abcdef\n0123456789abcdef\n0123456789abcdef\n", "", "", "has 3 lines"},
		{strings.Repeat("x", secretFileBytesMax+1), "", "", "more than"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ReadSecretFile(path)
		if string(s.Key) != c.key || string(s.Also) != c.also || (err == nil) != (c.says == "") {
			t.Errorf("%.40q: %q, %q, %v", c.text, string(s.Key), string(s.Also), err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path)) {
			t.Errorf("error %v, want %q and the path", err, c.says)
		}
	}
	if _, err := ReadSecretFile(path + "?"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, m := range []SecretMode{SecretSend, SecretRequire} {
		if got, err := ParseSecretMode(m.String()); got != m || err != nil {
			t.Errorf("%v is read as %v, %v", m, got, err)
		}
	}
	for _, bad := range []string{"", "unset", "Send"} {
		if _, err := ParseSecretMode(bad); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A flood of doubtful packets from one source costs no memory after its line.
func TestDoubtWithoutLineAllocatesNothing(t *testing.T) {
	n := &TCP{log: slog.New(slog.DiscardHandler)}
	for _, source := range []string{"10.0.0.1", "2001:db8::1"} {
		from := netip.MustParseAddr(source)
		doubt := func() { n.suspect(suspectSource, nodeid.None, from, 10, true) }
		doubt() // writes the line
		if allocs := testing.AllocsPerRun(1000, doubt); allocs != 0 {
			t.Errorf("%v allocations for a packet from %v", allocs, from)
		}
	}
}
