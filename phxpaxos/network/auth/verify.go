package auth

import (
	"errors"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Reasons why a packet counts as not authenticated, besides ErrMalformed.
var (
	ErrMissing = errors.New("packet has no MAC")
	ErrWrong   = errors.New("MAC does not match: another secret, another sender or receiver, or altered bytes")
	ErrReplay  = errors.New("MAC's counter was used before")
	ErrStale   = errors.New("MAC is for another incarnation of this node")
)

const (
	// livesMax is how many incarnations of one sender are remembered: more than
	// restart while the packets of the first are still under way.
	livesMax = 4
	// greetEvery bounds the greetings to one sender. A greeting takes a round
	// trip, and packets before it may be lost.
	greetEvery = 100 * time.Millisecond
)

// Verifier is what a node knows of the senders that share its secret. Its
// methods are safe for concurrent use.
type Verifier struct {
	me          nodeid.ID
	incarnation uint64
	secrets     [][]byte
	sendersMax  int

	mu      sync.Mutex
	senders map[nodeid.ID]*sender
	ticks   uint64 // orders the use of senders and lives
}

// sender is one node that has sent a valid frame.
type sender struct {
	lives     [livesMax]life
	learned   uint64 // the incarnation that packets for it are addressed to
	confirmed bool   // it addressed this incarnation of the receiver, so it lives at the same time
	greetAt   time.Duration
	used      uint64
}

// life is one incarnation of a sender; its counter is 0 in a free place.
type life struct {
	incarnation, counter, used uint64
}

// NewVerifier returns a verifier for packets to me, of this incarnation, that
// accepts each of secrets. It remembers at most sendersMax senders, and forgets
// the one that was silent the longest.
func NewVerifier(me nodeid.ID, incarnation uint64, sendersMax int, secrets ...[]byte) *Verifier {
	return &Verifier{
		me: me, incarnation: incarnation, secrets: secrets, sendersMax: sendersMax,
		senders: make(map[nodeid.ID]*sender),
	}
}

// Learned returns the incarnation of a node as last learned, 0 for unknown.
func (v *Verifier) Learned(id nodeid.ID) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.senders[id]; s != nil {
		return s.learned
	}
	return 0
}

// Senders is how many senders are remembered.
func (v *Verifier) Senders() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.senders)
}

// take notes a frame whose tag is valid, or says why it must not count. greet
// asks for a greeting to its sender, which does not address this incarnation.
func (v *Verifier) take(h Header, now time.Duration) (greet bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ticks++
	s := v.sender(h.Sender)
	s.used = v.ticks
	if h.To != v.incarnation && now >= s.greetAt {
		s.greetAt = now + greetEvery
		greet = true
	}
	if h.To != v.incarnation && h.To != 0 {
		// A sender that lives at the same time is the first guess, if there is
		// none. If the frame is an old one, the greetings of the true sender,
		// which address this incarnation, set it right.
		if !s.confirmed {
			s.learned = h.From
		}
		return greet, ErrStale
	}
	if !s.advance(h.From, h.Counter, v.ticks) {
		return false, ErrReplay
	}
	if h.To == v.incarnation {
		s.learned, s.confirmed = h.From, true
	} else if !s.confirmed {
		s.learned = h.From
	}
	return greet, nil
}

// sender returns the state of a sender, and makes room for it.
func (v *Verifier) sender(id nodeid.ID) *sender {
	if s := v.senders[id]; s != nil {
		return s
	}
	if len(v.senders) >= v.sendersMax {
		var oldest nodeid.ID
		for other, s := range v.senders {
			if oldest == nodeid.None || s.used < v.senders[oldest].used {
				oldest = other
			}
		}
		delete(v.senders, oldest)
	}
	s := new(sender)
	v.senders[id] = s
	return s
}

// advance notes the counter of an incarnation, or reports that it is not higher
// than the highest so far. A new incarnation takes the place of the one that
// was used least recently, but never that of a confirmed one: frames from
// before this node's start could otherwise make it forget the counter of the
// running sender.
func (s *sender) advance(incarnation, counter, tick uint64) bool {
	if counter == 0 {
		return false
	}
	place := -1
	for i := range s.lives {
		l := &s.lives[i]
		if l.counter != 0 && l.incarnation == incarnation {
			if counter <= l.counter {
				return false
			}
			place = i
			break
		}
		if l.counter != 0 && s.confirmed && l.incarnation == s.learned {
			continue
		}
		if place < 0 || l.used < s.lives[place].used {
			place = i
		}
	}
	s.lives[place] = life{incarnation, counter, tick}
	return true
}

// Session verifies what one connection brings, in its order. One goroutine uses
// it at a time.
type Session struct {
	v    *Verifier
	ends ends // of mac
	mac  *mac // the key of the last valid frame, or nil

	sender  nodeid.ID
	counter uint64
	tags    []byte // of the packets that are still to come
	next    int    // the index of the next packet
	left    int    // packets that the last frame covers and that are still to come
	failed  error  // why none of them counts
}

// NewSession returns a session for a new connection.
func (v *Verifier) NewSession() *Session { return &Session{v: v} }

// Frame takes an authentication frame and keeps it until its packets have come.
// The error matches ErrMalformed, ErrWrong, ErrReplay or ErrStale, and is also
// the one that the packets of the frame get. greet asks for a greeting to the
// sender in the header.
func (s *Session) Frame(frame []byte, now time.Duration) (h Header, greet bool, err error) {
	s.left, s.next, s.tags, s.failed = 0, 1, nil, nil
	if h, err = Parse(frame); err != nil {
		return h, false, err
	}
	s.left, s.sender, s.counter = h.Packets, h.Sender, h.Counter
	if !s.valid(h, frame) {
		s.failed = ErrWrong
		return h, false, s.failed
	}
	if greet, s.failed = s.v.take(h, now); s.failed != nil {
		return h, greet, s.failed
	}
	s.tags = frame[tagsAt : tagsAt+h.Packets*tagBytes]
	return h, greet, nil
}

// valid verifies the frame's own tag with each secret, and keeps the key that
// fits.
func (s *Session) valid(h Header, frame []byte) bool {
	if h.Sender == s.v.me || h.Sender == nodeid.None { // the first is a packet of this node that comes back
		return false
	}
	e := ends{sender: h.Sender, receiver: s.v.me, from: h.From, to: h.To}
	if s.mac != nil && s.ends == e && s.mac.matches(ownTag(frame), h.Counter, 0, signed(frame)) {
		return true
	}
	for _, secret := range s.v.secrets {
		m, err := newMAC(secret, e)
		if err == nil && m.matches(ownTag(frame), h.Counter, 0, signed(frame)) {
			s.mac, s.ends = m, e
			return true
		}
	}
	return false
}

// Packet verifies the next packet and returns its sender. The error matches
// ErrMissing, ErrWrong, ErrReplay or ErrStale.
func (s *Session) Packet(packet []byte) (nodeid.ID, error) {
	if s.left == 0 {
		return nodeid.None, ErrMissing
	}
	s.left--
	if s.failed != nil {
		return s.sender, s.failed
	}
	tag := s.tags[:tagBytes]
	if s.tags = s.tags[tagBytes:]; s.left == 0 {
		s.tags = nil // it is part of much more memory
	}
	index := s.next
	s.next++
	if !s.mac.matches(tag, s.counter, index, packet) {
		return s.sender, ErrWrong
	}
	return s.sender, nil
}
