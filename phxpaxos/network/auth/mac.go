package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// purpose keeps the keys apart from those that anything else derives from the
// same secret.
const purpose = "phxpaxos packet MAC 1"

// ends are two processes and a direction: what a key is for.
type ends struct {
	sender, receiver nodeid.ID
	from, to         uint64 // their incarnations
}

// mac makes and verifies the tags of one key. One goroutine uses it at a time.
type mac struct {
	aead  cipher.AEAD
	nonce [12]byte
	plain [tagBytes]byte // stays empty; the cipher wants somewhere to write
}

// newMAC derives the key for two ends. It fails only where the build or the
// environment forbids the algorithms, as GODEBUG=fips140=only does.
func newMAC(secret []byte, e ends) (*mac, error) {
	info := make([]byte, 0, len(purpose)+4*8)
	info = append(info, purpose...)
	for _, v := range []uint64{uint64(e.sender), uint64(e.receiver), e.from, e.to} {
		info = binary.LittleEndian.AppendUint64(info, v)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, string(info), 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a MAC: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher of a MAC: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("mode of a MAC: %w", err)
	}
	return &mac{aead: aead}, nil
}

// Check reports why no MAC can be made in this process, nil if one can.
func Check(secret []byte) error {
	_, err := newMAC(secret, ends{})
	return err
}

func (m *mac) setNonce(counter uint64, index int) {
	binary.LittleEndian.PutUint64(m.nonce[:], counter)
	binary.LittleEndian.PutUint32(m.nonce[8:], uint32(index))
}

// append appends the tag of data. No two calls may have the same counter and
// index.
func (m *mac) append(dst []byte, counter uint64, index int, data []byte) []byte {
	m.setNonce(counter, index)
	return m.aead.Seal(dst, m.nonce[:], nil, data)
}

// matches reports whether tag is that of data. Its time does not depend on the
// bytes of the tag.
func (m *mac) matches(tag []byte, counter uint64, index int, data []byte) bool {
	m.setNonce(counter, index)
	_, err := m.aead.Open(m.plain[:0], m.nonce[:], tag, data)
	return err == nil
}

// Sealer makes the frames for one peer. One goroutine uses it at a time.
type Sealer struct {
	secret []byte
	ends   ends
	mac    *mac // of ends, nil before the first frame
}

// NewSealer returns a sealer for packets from sender, of this incarnation, to
// receiver.
func NewSealer(secret []byte, sender, receiver nodeid.ID, incarnation uint64) *Sealer {
	return &Sealer{secret: secret, ends: ends{sender: sender, receiver: receiver, from: incarnation}}
}

// AppendFrame appends the frame for n packets, at most PacketsMax. to is the
// receiver's incarnation as last learned, 0 for unknown. counter must be greater
// than in every earlier call of this process, whoever the receiver was. It does
// not allocate while dst has room for Size(n) and to stays the same.
func (s *Sealer) AppendFrame(dst []byte, to, counter uint64, n int, packet func(i int) []byte) ([]byte, error) {
	if s.mac == nil || s.ends.to != to {
		s.ends.to = to
		m, err := newMAC(s.secret, s.ends)
		if err != nil {
			return dst, err
		}
		s.mac = m
	}
	start := len(dst)
	dst = appendHeader(dst, Header{Sender: s.ends.sender, From: s.ends.from, To: to, Counter: counter, Packets: n})
	for i := range n {
		dst = s.mac.append(dst, counter, i+1, packet(i))
	}
	dst = s.mac.append(dst, counter, 0, dst[start:])
	return appendTrailer(dst, start), nil
}
