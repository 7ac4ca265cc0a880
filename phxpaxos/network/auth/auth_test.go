package auth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

var (
	secretA = []byte("the first secret of a test")
	secretB = []byte("the second secret of a test")
)

const (
	nodeA, nodeB, nodeC = nodeid.ID(0xa0000000001), nodeid.ID(0xb0000000001), nodeid.ID(0xc0000000001)
	lifeA, lifeB        = uint64(0xaaaa), uint64(0xbbbb)
)

// batch is a frame and the packets that it covers.
type batch struct {
	frame   []byte
	packets [][]byte
}

// sealed makes a batch from a node to another one.
func sealed(t testing.TB, s *Sealer, to, counter uint64, packets ...[]byte) batch {
	t.Helper()
	frame, err := s.AppendFrame(nil, to, counter, len(packets), func(i int) []byte { return packets[i] })
	if err != nil {
		t.Fatal(err)
	}
	return batch{bytes.Clone(frame), packets}
}

// take gives a batch to a session, and returns the first error.
func take(s *Session, b batch) error {
	_, _, err := s.Frame(b.frame, 0)
	for _, p := range b.packets {
		if _, packetErr := s.Packet(p); err == nil {
			err = packetErr
		}
	}
	return err
}

func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

var somePackets = [][]byte{[]byte("one"), []byte("two, which is longer"), make([]byte, 70000)}

// For every other node a frame is a packet with an unknown command, whole and
// with the right checksum; wire.Sender finds no sender in it.
func TestFrameIsAPacketThatNobodyKnows(t *testing.T) {
	s := NewSealer(secretA, nodeA, nodeB, lifeA)
	for _, packets := range [][][]byte{nil, somePackets} {
		b := sealed(t, s, lifeB, 1, packets...)
		p, err := wire.Open(b.frame)
		if err != nil || p.Command != Command || p.Group != 0 || p.Cluster != 0 || p.HasCRC {
			t.Errorf("the frame opens as %+v, %v", p, err)
		}
		if id, ok := wire.Sender(b.frame); ok {
			t.Errorf("a frame has the sender %v", id)
		}
		if len(b.frame) != Size(len(packets)) {
			t.Errorf("%d bytes, Size says %d", len(b.frame), Size(len(packets)))
		}
	}
}

func TestValidPacketsPass(t *testing.T) {
	v := NewVerifier(nodeB, lifeB, 10, secretA)
	session, s := v.NewSession(), NewSealer(secretA, nodeA, nodeB, lifeA)
	for counter := uint64(1); counter < 5; counter++ {
		for _, to := range []uint64{0, lifeB} {
			b := sealed(t, s, to, 2*counter+to&1, somePackets...)
			h, _, err := session.Frame(b.frame, 0)
			if err != nil || h.Sender != nodeA || h.From != lifeA || h.To != to || h.Packets != len(somePackets) {
				t.Fatalf("frame %+v: %v", h, err)
			}
			for _, p := range b.packets {
				if id, err := session.Packet(p); id != nodeA || err != nil {
					t.Fatalf("packet of %v: %v", id, err)
				}
			}
			_, err = session.Packet(somePackets[0])
			wantError(t, "one packet more than the frame covers", err, ErrMissing)
		}
	}
	if got := v.Learned(nodeA); got != lifeA {
		t.Errorf("learned incarnation %x, want %x", got, lifeA)
	}
}

// Each row is what an attacker who has read everything can try without knowing
// the secret. The receiver has seen the first batch before.
func TestForgeries(t *testing.T) {
	s := NewSealer(secretA, nodeA, nodeB, lifeA)
	packet := []byte("a packet")
	seen := sealed(t, s, lifeB, 5, packet)
	next := sealed(t, s, lifeB, 6, packet, []byte("and another"))
	change := func(b batch, at int, bit byte) batch {
		c := batch{bytes.Clone(b.frame), b.packets}
		c.frame[at] ^= bit
		return c
	}
	forgedSender := change(next, 17, 1)
	newCounter := batch{bytes.Clone(seen.frame), seen.packets}
	binary.LittleEndian.PutUint64(newCounter.frame[41:], 1000)
	for _, c := range []struct {
		name string
		b    batch
		want error
	}{
		{"nothing is wrong", next, nil},
		{"no frame", batch{appendTrailer([]byte("no frame"), 0), [][]byte{packet}}, ErrMalformed},
		{"counter reused", seen, ErrReplay},
		{"counter raised", newCounter, ErrWrong},
		{"sender forged", forgedSender, ErrWrong},
		{"wrong secret", sealed(t, NewSealer(secretB, nodeA, nodeB, lifeA), lifeB, 7, packet), ErrWrong},
		{"for another receiver", sealed(t, NewSealer(secretA, nodeA, nodeC, lifeA), lifeB, 7, packet), ErrWrong},
		{"reflected", sealed(t, NewSealer(secretA, nodeB, nodeA, lifeB), lifeA, 7, packet), ErrWrong},
		{"reflected, to its sender", sealed(t, NewSealer(secretA, nodeB, nodeB, lifeB), lifeB, 7, packet), ErrWrong},
		{"for an old incarnation", sealed(t, s, 0xb0b, 7, packet), ErrStale},
		{"packet altered", batch{next.frame, [][]byte{[]byte("A packet")}}, ErrWrong},
		{"packets swapped", batch{next.frame, [][]byte{next.packets[1], next.packets[0]}}, ErrWrong},
		{"tag of a packet altered", change(next, tagsAt, 0x80), ErrWrong},
		{"tag of the frame altered", change(next, len(next.frame)-trailerBytes-1, 1), ErrWrong},
		{"number of packets altered", change(next, 15, 1), ErrMalformed},
		{"truncated tag", batch{next.frame[:len(next.frame)-1], next.packets}, ErrMalformed},
		{"another version", change(next, fieldsAt, 3), ErrMalformed},
	} {
		v := NewVerifier(nodeB, lifeB, 10, secretA)
		wantError(t, "the first batch", take(v.NewSession(), seen), nil)
		wantError(t, c.name, take(v.NewSession(), c.b), c.want)
		// What failed has locked nobody out: a later true batch still passes.
		wantError(t, "after "+c.name, take(v.NewSession(), sealed(t, s, lifeB, 8, packet)), nil)
	}
}

// Counters are compared over all connections: what is read from an old
// connection after the new one began is late, not valid.
func TestReplayOnAnotherConnection(t *testing.T) {
	v := NewVerifier(nodeB, lifeB, 10, secretA)
	s := NewSealer(secretA, nodeA, nodeB, lifeA)
	first, second := sealed(t, s, lifeB, 1, somePackets...), sealed(t, s, lifeB, 2, somePackets...)
	wantError(t, "the second", take(v.NewSession(), second), nil)
	session := v.NewSession()
	wantError(t, "the first, late", take(session, first), ErrReplay)
	wantError(t, "the second again", take(session, second), ErrReplay)
	wantError(t, "the third", take(session, sealed(t, s, lifeB, 3, somePackets...)), nil)
}

// A receiver that was started again refuses what was for its earlier life. What
// was sent before the sender knew any life passes once.
func TestReplayAfterRestart(t *testing.T) {
	s := NewSealer(secretA, nodeA, nodeB, lifeA)
	early, late := sealed(t, s, 0, 1, somePackets...), sealed(t, s, lifeB, 2, somePackets...)
	restarted := NewVerifier(nodeB, 0xb0b, 10, secretA)
	wantError(t, "addressed to the last life", take(restarted.NewSession(), late), ErrStale)
	wantError(t, "addressed to no life", take(restarted.NewSession(), early), nil)
	wantError(t, "the same again", take(restarted.NewSession(), early), ErrReplay)
}

// Old lives of the sender, however many, cannot make the receiver forget the
// counter of the running one.
func TestOldLivesDoNotDisplaceTheRunningOne(t *testing.T) {
	v := NewVerifier(nodeB, lifeB, 10, secretA)
	session := v.NewSession()
	running := sealed(t, NewSealer(secretA, nodeA, nodeB, lifeA), lifeB, 9, somePackets...)
	wantError(t, "the running life", take(session, running), nil)
	for i := range uint64(100) {
		old := NewSealer(secretA, nodeA, nodeB, 0xdead00+i)
		wantError(t, "an old life", take(session, sealed(t, old, 0, 7, somePackets...)), nil)
	}
	wantError(t, "the running life again", take(session, running), ErrReplay)
	if v.Learned(nodeA) != lifeA {
		t.Errorf("learned %x from an old life", v.Learned(nodeA))
	}
}

// State exists only for senders that have proven to know the secret, and is
// bounded even for these.
func TestMemoryIsBounded(t *testing.T) {
	v := NewVerifier(nodeB, lifeB, 3, secretA)
	session := v.NewSession()
	for i := range uint64(10000) {
		forged := appendHeader(nil, Header{Sender: nodeid.ID(i + 100), From: i, To: lifeB, Counter: 1})
		forged = append(forged, make([]byte, tagBytes)...)
		_, _, err := session.Frame(appendTrailer(forged, 0), 0)
		wantError(t, "a forged frame", err, ErrWrong)
	}
	if n := v.Senders(); n != 0 {
		t.Fatalf("%d senders after forged frames only", n)
	}
	for i := range uint64(100) {
		s := NewSealer(secretA, nodeid.ID(i+100), nodeB, i)
		wantError(t, "a valid frame", take(session, sealed(t, s, lifeB, 1)), nil)
	}
	if n := v.Senders(); n != 3 {
		t.Errorf("%d senders are remembered, want 3", n)
	}
}

// The steps of replacing a secret: at no moment a packet is refused, whichever
// of two neighbouring steps sender and receiver are at.
func TestRotation(t *testing.T) {
	steps := []struct{ key, also []byte }{{secretA, nil}, {secretA, secretB}, {secretB, secretA}, {secretB, nil}}
	for i := range steps {
		for j := max(0, i-1); j <= min(i+1, len(steps)-1); j++ {
			keys := [][]byte{steps[j].key}
			if steps[j].also != nil {
				keys = append(keys, steps[j].also)
			}
			v := NewVerifier(nodeB, lifeB, 10, keys...)
			s := NewSealer(steps[i].key, nodeA, nodeB, lifeA)
			wantError(t, "neighbouring steps", take(v.NewSession(), sealed(t, s, lifeB, 1, somePackets...)), nil)
		}
	}
	v := NewVerifier(nodeB, lifeB, 10, secretB)
	wantError(t, "the secret that was replaced", take(v.NewSession(), sealed(t, NewSealer(secretA, nodeA, nodeB, lifeA), lifeB, 1)), ErrWrong)
}

// end is one of two nodes that exchange greetings.
type end struct {
	v       *Verifier
	s       *Sealer
	life    uint64
	counter uint64
}

func newEnd(me, peer nodeid.ID, life uint64) *end {
	return &end{v: NewVerifier(me, life, 10, secretA), s: NewSealer(secretA, me, peer, life), life: life}
}

// exchange sends one greeting from a to b, and further ones for as long as they
// are asked for.
func exchange(t *testing.T, now *time.Duration, a, b *end, peerOfA, peerOfB nodeid.ID) {
	t.Helper()
	for sent := 1; ; *now += greetEvery {
		if sent++; sent > 10 {
			t.Fatal("the greetings do not end")
		}
		a.counter++
		_, greet, err := b.v.NewSession().Frame(sealed(t, a.s, a.v.Learned(peerOfA), a.counter).frame, *now)
		if err != nil && !errors.Is(err, ErrStale) {
			t.Fatal(err)
		}
		if !greet {
			return
		}
		a, b, peerOfA, peerOfB = b, a, peerOfB, peerOfA
	}
}

// Whoever sends first, and whichever of the two was started again, a few
// greetings later each knows the running life of the other.
func TestGreetingsConverge(t *testing.T) {
	a, b := newEnd(nodeA, nodeB, lifeA), newEnd(nodeB, nodeA, lifeB)
	var now time.Duration
	check := func(what string) {
		t.Helper()
		if a.v.Learned(nodeB) != b.life || b.v.Learned(nodeA) != a.life {
			t.Errorf("%s: a knows %x, b is %x; b knows %x, a is %x", what, a.v.Learned(nodeB), b.life, b.v.Learned(nodeA), a.life)
		}
	}
	exchange(t, &now, a, b, nodeB, nodeA)
	exchange(t, &now, a, b, nodeB, nodeA)
	check("first contact")
	old := sealed(t, b.s, a.life, b.counter+1)
	b = newEnd(nodeB, nodeA, 0xb0b)
	exchange(t, &now, a, b, nodeB, nodeA)
	check("b was started again, a sends")
	b = newEnd(nodeB, nodeA, 0xb0b2)
	exchange(t, &now, b, a, nodeA, nodeB)
	check("b was started again and sends")
	// A frame of b's first life that was held back until now misleads a, until
	// b refuses the next one.
	wantError(t, "a delayed frame", take(a.v.NewSession(), old), nil)
	exchange(t, &now, a, b, nodeB, nodeA)
	check("after a delayed frame")
}

// Nothing is allocated for a batch while both ends stay the same.
func TestNothingIsAllocated(t *testing.T) {
	v := NewVerifier(nodeB, lifeB, 10, secretA)
	session, s := v.NewSession(), NewSealer(secretA, nodeA, nodeB, lifeA)
	buf := make([]byte, 0, Size(len(somePackets)))
	counter := uint64(0)
	n := testing.AllocsPerRun(100, func() {
		counter++
		frame, err := s.AppendFrame(buf, lifeB, counter, len(somePackets), func(i int) []byte { return somePackets[i] })
		if err != nil {
			t.Fatal(err)
		}
		if err := take(session, batch{frame, somePackets}); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
