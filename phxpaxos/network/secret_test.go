package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/auth"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// plainTransport is plain TCP as a Transport.
type plainTransport struct{}

func (plainTransport) Listen(raw net.Listener) (net.Listener, error) { return raw, nil }

func (plainTransport) Dial(ctx context.Context, _ nodeid.ID, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	return dial(ctx)
}

func with(mode SecretMode, more ...func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Secret = Secret{Key: someKey, Mode: mode}
		for _, m := range more {
			m(c)
		}
	}
}

var macKinds = []event.Kind{
	event.NetMACMissing, event.NetMACWrong, event.NetMACReplay, event.NetMACStale, event.NetMACMalformed, event.NetMACSender,
}

// doubts counts the doubtful packets of each kind, which must be refused ones or
// not.
func (f *fixture) doubts(t testing.TB, refused bool) map[event.Kind]int {
	t.Helper()
	counts := map[event.Kind]int{}
	for _, k := range append(macKinds, event.NetSourceDiffers) {
		if n := f.rec.count(k, nil); n > 0 {
			counts[k] = n
		}
		if n := f.rec.count(k, func(e event.Event) bool { return errors.Is(e.Err, ErrRefused) != refused }); n > 0 {
			t.Errorf("%d events %v with refused = %v", n, k, !refused)
		}
	}
	return counts
}

func wantDoubts(t testing.TB, f *fixture, refused bool, want map[event.Kind]int) {
	t.Helper()
	got := f.doubts(t, refused)
	for _, k := range append(macKinds, event.NetSourceDiffers) {
		if got[k] != want[k] {
			t.Errorf("%d events %v, want %d", got[k], k, want[k])
		}
	}
}

// Nodes with the same secret exchange packets of all sizes, in each mode and
// over other transports, and doubt none of them.
func TestNodesWithASecret(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"send":             with(SecretSend),
		"require":          with(SecretRequire),
		"over a transport": with(SecretRequire, func(c *Config) { c.Transport = plainTransport{} }),
		"small packets":    with(SecretRequire, func(c *Config) { c.PacketBytesMax = 128 }),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := startKnowing(t, change), startKnowing(t, change)
			sizes := []int{1, 60, 100, 128}
			if a.cfg.PacketBytesMax > 128 {
				sizes = append(sizes, copyBytesMax, copyBytesMax+1, 70000, 3<<20)
			}
			for range 50 {
				for _, n := range sizes[:4] {
					p := packetOf(a.cfg.Me, string(make([]byte, max(n-8, 0))))
					a.Send(b.cfg.Me, p, Stream)
					if got := b.got(t); !bytes.Equal(got, p) {
						t.Fatalf("received %d bytes, want %d", len(got), len(p))
					}
				}
			}
			var packets [][]byte // many under way at once
			for i := range 160 {
				packets = append(packets, packetOf(b.cfg.Me, string(make([]byte, sizes[i%len(sizes)]-1)))[:sizes[i%len(sizes)]])
			}
			go func() {
				for _, p := range packets {
					b.Send(a.cfg.Me, p, Stream)
				}
			}()
			for _, p := range packets {
				if got := a.got(t); !bytes.Equal(got, p) {
					t.Fatalf("received %d bytes, want %d", len(got), len(p))
				}
			}
			wantDoubts(t, a, true, nil)
			wantDoubts(t, b, true, nil)
		})
	}
}

// In mode send a node without the secret gets the packets as they are, and its
// own are accepted and counted; in mode require they are dropped before anything
// looks into them.
func TestNodeWithoutTheSecret(t *testing.T) {
	plain := startTCP(t, nil)
	for _, mode := range []SecretMode{SecretSend, SecretRequire} {
		looked := 0
		a := startWith(t, with(mode), func(n *TCP) {
			n.IdentifyBy(func(p []byte) (nodeid.ID, bool) { looked++; return senderOf(p) })
		})
		p := packetOf(a.cfg.Me, "to a node without the secret")
		a.Send(plain.cfg.Me, p, Stream)
		if got := plain.got(t); !bytes.Equal(got, p) {
			t.Fatalf("received %q", got)
		}
		p = packetOf(plain.cfg.Me, "from a node without the secret")
		plain.Send(a.cfg.Me, p, Stream)
		await.True(t, "it is counted", func() bool { return a.rec.count(event.NetMACMissing, nil) == 1 })
		wantDoubts(t, a, mode == SecretRequire, map[event.Kind]int{event.NetMACMissing: 1})
		if mode == SecretSend {
			if n := a.rec.count(event.NetMACMissing, func(e event.Event) bool { return e.Peer == plain.cfg.Me }); n != 1 {
				t.Error("the event does not name the node without the secret")
			}
			if got := a.got(t); !bytes.Equal(got, p) {
				t.Errorf("received %q", got)
			}
			continue
		}
		a.Close()
		if len(a.in) != 0 || looked != 0 {
			t.Errorf("%d packets without a MAC arrived, %d were looked into", len(a.in), looked)
		}
		if a.udpIn != nil {
			t.Error("listens for datagrams, which carry no MAC")
		}
	}
}

// In mode send a datagram is accepted and counted.
func TestDatagramWithASecret(t *testing.T) {
	a := startTCP(t, with(SecretSend))
	seal := a.sealing.newSeal(freeID(t))
	frame, err := seal.sealer.AppendFrame(nil, 0, 1, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	writeFrom(t, "udp4", "127.0.0.1", a.cfg.Me, frame, []byte("a datagram"))
	if got := a.got(t); string(got) != "a datagram" {
		t.Errorf("received %q", got)
	}
	wantDoubts(t, a, false, map[event.Kind]int{event.NetMACMissing: 1})
}

// recordSession lets a node send packets to a listener that stands in for to,
// and returns the bytes of the connection.
func recordSession(t testing.TB, from *fixture, to nodeid.ID, packets ...[]byte) []byte {
	t.Helper()
	l := listenRaw(t, to)
	defer l.Close()
	for _, p := range packets {
		from.Send(to, p, Stream)
	}
	c := acceptRaw(t, l)
	defer c.Close()
	var all []byte
	for got := 0; got < len(packets); {
		header := readFull(t, c, 4)
		frame := readFull(t, c, int(header[3])+int(header[2])<<8-4)
		all = append(append(all, header...), frame...)
		if !auth.IsFrame(frame) {
			got++
		}
	}
	return all
}

// What was recorded on the way is good once, and for one receiver.
func TestRecordedSession(t *testing.T) {
	a := startKnowing(t, with(SecretRequire))
	id := freeID(t)
	p := packetOf(a.cfg.Me, "once")
	session := recordSession(t, a, id, p)
	write := func(to nodeid.ID, session []byte) {
		t.Helper()
		if _, err := dialRaw(t, to).Write(session); err != nil {
			t.Fatal(err)
		}
	}
	b := startKnowing(t, with(SecretRequire, func(c *Config) { c.Me = id }))
	write(id, session)
	if got := b.got(t); !bytes.Equal(got, p) {
		t.Fatalf("received %q", got)
	}
	write(id, session)
	await.True(t, "the replay is counted", func() bool { return b.rec.count(event.NetMACReplay, nil) == 1 })

	other := startKnowing(t, with(SecretRequire))
	write(other.cfg.Me, session)
	write(a.cfg.Me, session)
	for _, f := range []*fixture{a, other} {
		await.True(t, "the wrong receiver counts it", func() bool { return f.rec.count(event.NetMACWrong, nil) == 1 })
	}
	altered := bytes.Clone(session)
	altered[len(altered)-1] ^= 1
	write(other.cfg.Me, altered[:40])                                // torn within the authentication frame
	write(other.cfg.Me, frames(session[4:4+20], []byte("whatever"))) // and a short one
	await.True(t, "the short frame is counted", func() bool {
		return other.rec.count(event.NetMACMalformed, nil) == 1 && other.rec.count(event.NetMACMissing, nil) == 1
	})
	if len(a.in)+len(b.in)+len(other.in) != 0 {
		t.Error("a replayed packet arrived")
	}
	b.doubts(t, true)
}

// A sender learns that its peer was started again although the peer has nothing
// to send: the peer's greeting says so.
func TestReceiverStartsAgain(t *testing.T) {
	id := freeID(t)
	me := func(c *Config) { c.Me = id }
	a, b := startKnowing(t, with(SecretRequire)), startKnowing(t, with(SecretRequire, me))
	arrives := func(what string, to *fixture) {
		t.Helper()
		await.True(t, what, func() bool {
			a.Send(id, packetOf(a.cfg.Me, what), Stream)
			select {
			case <-to.in:
				return true
			case <-time.After(10 * time.Millisecond):
				return false
			}
		})
	}
	arrives("the first life hears", b)
	await.True(t, "a learns the first life", func() bool { return a.sealing.verifier.Learned(id) == b.sealing.incarnation })
	a.Send(id, packetOf(a.cfg.Me, "addressed to the first life"), Stream)
	b.got(t)
	b.Close()
	again := startKnowing(t, with(SecretRequire, me))
	arrives("the second life hears", again)
	await.True(t, "a learns the second life", func() bool { return a.sealing.verifier.Learned(id) == again.sealing.incarnation })
	if again.rec.count(event.NetMACStale, nil) == 0 {
		t.Error("no packet for the first life was refused by the second")
	}
	wantDoubts(t, a, true, nil)
}

// A node that holds the secret and speaks for another one is found out, also
// where its address would fit.
func TestMACOfAnotherSender(t *testing.T) {
	a, b := startKnowing(t, with(SecretRequire)), startKnowing(t, with(SecretRequire))
	a.Send(b.cfg.Me, packetOf(freeID(t), "in another name"), Stream)
	a.Send(b.cfg.Me, packetOf(a.cfg.Me, "in its own"), Stream)
	if got := b.got(t); !bytes.Equal(got, packetOf(a.cfg.Me, "in its own")) {
		t.Errorf("received %q", got)
	}
	wantDoubts(t, b, true, map[event.Kind]int{event.NetMACSender: 1})
}

// While a secret is replaced the nodes of both steps understand each other; a
// node that missed the second step does not count any more.
func TestSecretIsReplaced(t *testing.T) {
	other := SecretKey("another secret key")
	secret := func(s Secret) func(*Config) { return func(c *Config) { s.Mode = SecretRequire; c.Secret = s } }
	first := startKnowing(t, secret(Secret{Key: someKey, Also: other}))
	second := startKnowing(t, secret(Secret{Key: other, Also: someKey}))
	last := startKnowing(t, secret(Secret{Key: other}))
	exchange := func(a, b *fixture) {
		t.Helper()
		p := packetOf(a.cfg.Me, "hello")
		a.Send(b.cfg.Me, p, Stream)
		if got := b.got(t); !bytes.Equal(got, p) {
			t.Errorf("received %q", got)
		}
	}
	exchange(first, second)
	exchange(second, first)
	exchange(second, last)
	exchange(last, second)
	for _, f := range []*fixture{first, second, last} {
		wantDoubts(t, f, true, nil)
	}
	first.Send(last.cfg.Me, packetOf(first.cfg.Me, "with the old one"), Stream)
	await.True(t, "it is counted", func() bool { return last.rec.count(event.NetMACWrong, nil) == 1 })
}

// A Transport is not asked about packets without a MAC, and still asked about
// the others.
func TestMACsComeBeforeTheTransport(t *testing.T) {
	transport := &askingTransport{asked: make(chan []byte, 10)}
	a := startTCP(t, with(SecretRequire, func(c *Config) { c.Transport = transport }))
	b := startTCP(t, with(SecretRequire, func(c *Config) { c.Transport = plainTransport{} }))
	writeFrom(t, "tcp4", "127.0.0.1", a.cfg.Me, []byte("forged"))
	await.True(t, "it is counted", func() bool { return a.rec.count(event.NetMACMissing, nil) == 1 })
	b.Send(a.cfg.Me, []byte("good"), Stream)
	if got := <-transport.asked; string(got) != "good" {
		t.Errorf("the transport was asked about %q", got)
	}
	a.got(t)
}

type askingTransport struct {
	plainTransport
	asked chan []byte
}

func (a *askingTransport) Listen(raw net.Listener) (net.Listener, error) {
	return askingListener{raw, a}, nil
}

type askingListener struct {
	net.Listener
	a *askingTransport
}

func (l askingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return askingConn{c, l.a}, err
}

type askingConn struct {
	net.Conn
	a *askingTransport
}

func (c askingConn) Admit(packet []byte) error { c.a.asked <- packet; return nil }

// cutConn takes so many bytes, then fails.
type cutConn struct {
	net.Conn
	left int
	took []byte
}

func (c *cutConn) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.took = append(c.took, b[:n]...)
	if c.left -= n; n < len(b) {
		return n, io.ErrClosedPipe
	}
	return n, nil
}

func (*cutConn) Close() error { return nil }

// Wherever a connection breaks, the packets that it did not take come again
// with MACs of their own, and all that arrive whole are valid.
func TestTornSealedRounds(t *testing.T) {
	a, peerID := startTCP(t, with(SecretSend)), freeID(t)
	packets := randomPackets(100, 3000, 1, 5000, 60)
	verifier := auth.NewVerifier(peerID, 7, 10, someKey)
	p := &peer{t: a.TCP, id: peerID, queue: newQueue(10, 10), round: round{seal: a.sealing.newSeal(peerID)}}
	for cut := 0; ; cut += 7 {
		p.pending, p.head = append([]item{{to: peerID}}, itemsOf(packets)...), 0 // a greeting first
		first, second := &cutConn{left: cut}, &cutConn{left: 1 << 30}
		p.link = &link{conn: first}
		p.write()
		if p.link != nil { // all went
			return
		}
		p.link = &link{conn: second}
		if p.head < len(p.pending) {
			p.write()
		}
		arrived := append(verified(t, verifier, first.took), verified(t, verifier, second.took)...)
		tornMax := 0
		if cut > p.round.seal.bytes(len(packets)) {
			tornMax = 1
		}
		if n := len(packets) - len(arrived); n < 0 || n > tornMax {
			t.Fatalf("cut at %d: %d of %d packets arrived", cut, len(arrived), len(packets))
		}
	}
}

// verified returns the packets of a connection whose MACs are valid; all must.
func verified(t testing.TB, v *auth.Verifier, stream []byte) (packets [][]byte) {
	t.Helper()
	session := v.NewSession()
	result := readFrames(bytes.NewReader(stream), 1<<20)
	if result.err != io.EOF && result.err != io.ErrUnexpectedEOF {
		t.Fatal(result.err)
	}
	for _, p := range result.packets {
		if auth.IsFrame(p) {
			if _, _, err := session.Frame(p, 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := session.Packet(p); err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
	return packets
}

func TestSealedRoundDoesNotAllocate(t *testing.T) {
	cfg := Config{Me: freeID(t), Secret: Secret{Key: someKey, Mode: SecretSend}}.WithDefaults()
	sealing, err := newSealing(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := round{seal: sealing.newSeal(freeID(t))}
	items := itemsOf(randomPackets(100, 100, 5000, 100))
	if n := testing.AllocsPerRun(100, func() { r.fill(items); r.done() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
