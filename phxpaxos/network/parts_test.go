package network

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

func itemsOf(packets [][]byte) []item {
	var items []item
	for _, p := range packets {
		items = append(items, item{packet: p})
	}
	return items
}

func TestRoundGolden(t *testing.T) {
	var r round
	r.fill([]item{{packet: unhex(t, goldenPacket)}})
	if got := bytes.Join(r.rest, nil); !bytes.Equal(got, unhex(t, goldenLength+goldenPacket)) {
		t.Errorf("frame %x", got)
	}
}

// Rounds one after the other are the stream of all frames, and stay in bounds.
func TestRoundFill(t *testing.T) {
	var sizes []int
	for i := range 3000 {
		sizes = append(sizes, 1+i%100)
	}
	for i := range 1500 {
		sizes = append(sizes, copyBytesMax-700+i)
	}
	sizes = append(sizes, 2*roundBytesMax, 1, roundBytesMax, 1)
	packets := randomPackets(sizes...)
	items := itemsOf(packets)
	var r round
	var stream []byte
	rounds := 0
	for len(items) > 0 {
		r.fill(items)
		if r.count < 1 || r.count > len(items) {
			t.Fatalf("round of %d packets out of %d", r.count, len(items))
		}
		joined := bytes.Join(r.rest, nil)
		if len(joined) != r.bytes {
			t.Fatalf("round says %d bytes, has %d", r.bytes, len(joined))
		}
		if len(r.rest) > roundPartsMax || len(r.small) > roundSmallMax+frameHeaderBytes ||
			r.count > 1 && r.bytes > roundBytesMax+r.count*frameHeaderBytes {
			t.Fatalf("round of %d parts, %d copied bytes, %d bytes", len(r.rest), len(r.small), r.bytes)
		}
		stream = append(stream, joined...)
		items = items[r.count:]
		r.done()
		rounds++
	}
	if !bytes.Equal(stream, frames(packets...)) {
		t.Error("the rounds are not the frames")
	}
	if rounds > 60 {
		t.Errorf("%d rounds for %d bytes", rounds, len(stream))
	}
}

func TestRoundDoesNotAllocate(t *testing.T) {
	items := itemsOf(randomPackets(100, 100, 5000, 100))
	var r round
	if n := testing.AllocsPerRun(100, func() { r.fill(items); r.done() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCutAt(t *testing.T) {
	items := itemsOf(randomPackets(6, 16)) // frames of 10 and 20 bytes
	for _, c := range []struct {
		wrote, whole int
		torn         bool
	}{{0, 0, false}, {1, 0, true}, {9, 0, true}, {10, 1, false}, {11, 1, true}, {29, 1, true}, {30, 2, false}} {
		if whole, torn := cutAt(items, c.wrote); whole != c.whole || torn != c.torn {
			t.Errorf("after %d bytes: %d whole, torn %v, want %d and %v", c.wrote, whole, torn, c.whole, c.torn)
		}
	}
}

// The limits count what the consumer holds, until it releases it.
func TestQueueLimits(t *testing.T) {
	q := newQueue(3, 100)
	push := func(n int, want verdict) {
		t.Helper()
		if got := q.push(item{packet: make([]byte, n)}); got != want {
			t.Fatalf("push of %d bytes: %d, want %d", n, got, want)
		}
	}
	push(101, full)
	push(60, queued)
	push(41, full)
	push(40, queued)
	push(1, full)
	items, open := q.take(nil)
	if !open || len(items) != 2 {
		t.Fatalf("took %d, %v", len(items), open)
	}
	push(1, full) // the consumer still holds 100 bytes
	q.release(1, 60)
	push(1, queued)
	push(1, queued)
	push(1, full) // three packets
	q.shut()
	push(1, gone)
	if _, open := q.take(nil); open {
		t.Error("open after shut")
	}
}

func TestQueueWakes(t *testing.T) {
	q := newQueue(10, 100)
	if items, open := q.take(nil); !open || len(items) != 0 {
		t.Fatal("not empty")
	}
	q.push(item{packet: []byte{1}})
	q.push(item{packet: []byte{2}}) // must not block, there is one token
	<-q.wake
	if items, _ := q.take(nil); len(items) != 2 {
		t.Fatalf("took %d", len(items))
	}
	q.take(nil)
	q.poke()
	<-q.wake
	q.poke() // nobody waits: no token
	q.take(nil)
	if !q.retire() {
		t.Error("an empty queue with a waiting consumer does not retire")
	}
	q = newQueue(10, 100)
	q.take(nil)
	q.push(item{packet: []byte{1}})
	if q.retire() {
		t.Error("retired although a packet came")
	}
	<-q.wake
	q.take(nil)
	q.take(nil)
	q.shut()
	<-q.wake
}

func TestBackoff(t *testing.T) {
	b := backoff{min: 100, max: 1000}
	if b.wait(0) != 0 {
		t.Error("the first attempt waits")
	}
	now := time.Duration(0)
	for _, step := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		b.attempt(now)
		if w := b.wait(now); w < step/2 || w > step {
			t.Errorf("waits %d, want %d..%d", w, step/2, step)
		}
		now += b.wait(now)
	}
	b.lasted(999)
	b.attempt(now)
	if b.wait(now) < 500 {
		t.Error("a short connection ended the back-off")
	}
	b.lasted(1000)
	if b.wait(now) != 0 {
		t.Error("waits after a good connection")
	}
	b.attempt(now)
	if b.wait(now) > 100 {
		t.Error("does not begin anew after a good connection")
	}
}

func TestLimiter(t *testing.T) {
	var l limiter
	for i, want := range []bool{true, false, false, true} {
		now := time.Duration(i) * 400 * time.Millisecond
		suppressed, ok := l.allow(now)
		if ok != want || i == 3 && suppressed != 2 {
			t.Errorf("line %d: %v with %d suppressed", i, ok, suppressed)
		}
	}
}

func TestSlab(t *testing.T) {
	var s slab
	packets := randomPackets(1, 5000, 8000, 9000, largeFrameBytes, 20000, 16000, 3)
	var copies [][]byte
	for _, p := range packets {
		copies = append(copies, s.copyOf(p))
	}
	checkPackets(t, copies, packets)
	for _, c := range copies {
		if len(c) < largeFrameBytes && cap(c) != len(c) {
			t.Error("a copy reaches into its neighbour")
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	me, err := nodeid.Parse("10.1.2.3:8001")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Me: me}.WithDefaults()
	if c.ListenAddr.String() != "10.1.2.3:8001" || c.ListenUDPAddr.String() != "0.0.0.0:8001" {
		t.Errorf("listens at %v and %v", c.ListenAddr, c.ListenUDPAddr)
	}
	if c.PacketBytesMax != 10485760 || c.QueuePacketsMax != 10240 || c.QueueBytesMax != 209715200 || c.QueueAgeMax != 5*time.Second || c.UDPMaxSize != 0 {
		t.Errorf("defaults %+v", c)
	}
	c = Config{Me: me, LargeValues: true}.WithDefaults()
	if c.PacketBytesMax != 52428800 || c.QueuePacketsMax != 1024 || c.QueueAgeMax != 20*time.Second {
		t.Errorf("defaults for large values %+v", c)
	}
	for _, large := range []bool{false, true} {
		if err := (Config{Me: me, LargeValues: large, UDPMaxSize: 65507, Logger: slog.Default()}).Validate(); err != nil {
			t.Errorf("large %v: %v", large, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	me, err := nodeid.Parse("127.0.0.1:8001")
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"Me is 0x0":               func(c *Config) { c.Me = 0 },
		"Me is 0x100007f00011f41": func(c *Config) { c.Me += 65536 },
		"UDPMaxSize is 65508, must be in 0..65507":       func(c *Config) { c.UDPMaxSize = 65508 },
		"UDPMaxSize is -1":                               func(c *Config) { c.UDPMaxSize = -1 },
		"PacketBytesMax is -5":                           func(c *Config) { c.PacketBytesMax = -5 },
		"QueuePacketsMax is -1":                          func(c *Config) { c.QueuePacketsMax = -1 },
		"QueueBytesMax is 10485759, must be in 10485760": func(c *Config) { c.QueueBytesMax = 10485759 },
		"AcceptMax is -1":                                func(c *Config) { c.AcceptMax = -1 },
		"PeerMax is -1":                                  func(c *Config) { c.PeerMax = -1 },
		"ReceiveBytesMax is 1":                           func(c *Config) { c.ReceiveBytesMax = 1 },
		"QueueAgeMax is 1ns":                             func(c *Config) { c.QueueAgeMax = 1 },
		"DialTimeout is -1s":                             func(c *Config) { c.DialTimeout = -time.Second },
		"BackoffMax is 1ms, must be in 50ms":             func(c *Config) { c.BackoffMax = time.Millisecond },
		"StallMax is 2h":                                 func(c *Config) { c.StallMax = 2 * time.Hour },
		"ListenAddr is 127.0.0.1:0":                      func(c *Config) { c.ListenAddr = nodeid.ID(0x0100007F00000000).AddrPort() },
		"ListenUDPAddr is 127.0.0.1:0":                   func(c *Config) { c.ListenUDPAddr = nodeid.ID(0x0100007F00000000).AddrPort() },
	} {
		c := Config{Me: me}
		change(&c)
		n, err := NewTCP(c)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || n != nil {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
