package network

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/auth"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// SecretBytesMin is the length of the shortest secret, in bytes: as many as a
// MAC has.
const SecretBytesMin = 16

// secretFileBytesMax keeps ReadSecretFile from reading a device or a log.
const secretFileBytesMax = 64 << 10

// SecretKey is the bytes of a secret. It should be random, for instance 32
// bytes of /dev/urandom in base64: it is not stretched as a password is. It is
// printed, logged and marshalled as "(secret)".
type SecretKey []byte

const hiddenSecret = "(secret)"

// Format implements fmt.Formatter for every verb.
func (SecretKey) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenSecret) }

// MarshalText implements encoding.TextMarshaler, which JSON and slog use.
func (SecretKey) MarshalText() ([]byte, error) { return []byte(hiddenSecret), nil }

// SecretMode says what a node does with the MACs of packets.
type SecretMode uint8

const (
	// SecretUnset is the mode of a Secret without a key.
	SecretUnset SecretMode = iota
	// SecretSend sends MACs and accepts every packet. What SecretRequire would
	// drop is counted, each reason as a kind of event of its own. It is for the
	// time in which nodes without the secret, original nodes among them, are
	// part of the cluster.
	SecretSend
	// SecretRequire also drops every packet without a valid MAC, before
	// anything parses it. Original nodes cannot be part of the cluster.
	SecretRequire
	secretModes
)

var secretModeNames = [secretModes]string{"unset", "send", "require"}

// String returns "unset", "send" or "require".
func (m SecretMode) String() string {
	if m < secretModes {
		return secretModeNames[m]
	}
	return fmt.Sprintf("SecretMode(%d)", uint8(m))
}

// ParseSecretMode returns the mode that "send" or "require" names.
func ParseSecretMode(s string) (SecretMode, error) {
	for m := SecretSend; m < secretModes; m++ {
		if s == m.String() {
			return m, nil
		}
	}
	return SecretUnset, fmt.Errorf("%w: secret mode is %q, must be send or require", ErrConfig, s)
}

// Secret is what the nodes of a cluster share to authenticate their packets.
// The zero value means that packets carry no MACs.
//
// To introduce a secret, give it to all nodes in SecretSend, one node after the
// other; then restart them one by one in SecretRequire. To replace key A by B
// in SecretRequire, restart the nodes one by one with {Key: A, Also: B}, then
// with {Key: B, Also: A}, then with {Key: B}.
type Secret struct {
	// Key makes the MACs of packets that this node sends, and is accepted; at
	// least 16 bytes.
	Key SecretKey
	// Also is accepted besides Key, if it is set; at least 16 bytes.
	Also SecretKey
	// Mode must be set if Key is.
	Mode SecretMode
}

// Set reports whether there is a secret.
func (s Secret) Set() bool { return len(s.Key) > 0 || len(s.Also) > 0 || s.Mode != SecretUnset }

// Validate says whether the secret can be used. The error matches ErrConfig and
// names the field, what is wrong, and the rule; it never shows a key.
func (s Secret) Validate() error {
	if !s.Set() {
		return nil
	}
	switch {
	case len(s.Key) < SecretBytesMin:
		return fmt.Errorf("%w: Secret.Key has %d bytes, must have at least %d", ErrConfig, len(s.Key), SecretBytesMin)
	case len(s.Also) > 0 && len(s.Also) < SecretBytesMin:
		return fmt.Errorf("%w: Secret.Also has %d bytes, must have at least %d or be empty", ErrConfig, len(s.Also), SecretBytesMin)
	case bytes.Equal(s.Key, s.Also): // of one process with itself: its time gives nothing away
		return fmt.Errorf("%w: Secret.Also is equal to Secret.Key, must be another one or empty", ErrConfig)
	case s.Mode != SecretSend && s.Mode != SecretRequire:
		return fmt.Errorf("%w: Secret.Mode is %v, must be SecretSend or SecretRequire", ErrConfig, s.Mode)
	}
	if err := auth.Check(s.Key); err != nil {
		return fmt.Errorf("%w: Secret cannot be used in this process: %w", ErrConfig, err)
	}
	return nil
}

// ReadSecretFile reads the keys of a Secret from a file: Key is its first line,
// Also its second one, if there is one. White space at both ends of a line does
// not count. The error names the file, never what is in it.
func ReadSecretFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, fmt.Errorf("secret file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, secretFileBytesMax+1))
	if err != nil {
		return Secret{}, fmt.Errorf("secret file: %w", err)
	}
	if len(data) > secretFileBytesMax {
		return Secret{}, fmt.Errorf("secret file %s has more than %d bytes, must hold one or two lines", path, secretFileBytesMax)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	if len(lines) > 2 {
		return Secret{}, fmt.Errorf("secret file %s has %d lines, must have one, or two while a secret is replaced", path, len(lines))
	}
	var s Secret
	for i, field := range []*SecretKey{&s.Key, &s.Also}[:len(lines)] {
		*field = bytes.TrimSpace(lines[i])
		if len(*field) < SecretBytesMin {
			return Secret{}, fmt.Errorf("secret file %s: line %d has %d bytes, must have at least %d", path, i+1, len(*field), SecretBytesMin)
		}
	}
	return s, nil
}

// sealing makes the authentication frames that this process sends.
type sealing struct {
	secret      Secret
	me          nodeid.ID
	incarnation uint64
	counter     atomic.Uint64 // of all frames to all peers
	packetsMax  int           // of one frame
	verifier    *auth.Verifier
}

// newSealing returns nil without a secret.
func newSealing(cfg *Config) (*sealing, error) {
	if !cfg.Secret.Set() {
		return nil, nil
	}
	s := &sealing{
		me:         cfg.Me,
		packetsMax: min(auth.PacketsMax, (cfg.PacketBytesMax-auth.Size(0))/(auth.Size(1)-auth.Size(0))),
	}
	// The caller may reuse the memory of its keys.
	s.secret = Secret{Key: bytes.Clone(cfg.Secret.Key), Also: bytes.Clone(cfg.Secret.Also), Mode: cfg.Secret.Mode}
	for s.incarnation == 0 { // 0 means unknown
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("drawing the incarnation of the network: %w", err)
		}
		s.incarnation = binary.LittleEndian.Uint64(b[:])
	}
	keys := [][]byte{s.secret.Key}
	if len(s.secret.Also) > 0 {
		keys = append(keys, s.secret.Also)
	}
	s.verifier = auth.NewVerifier(s.me, s.incarnation, cfg.PeerMax, keys...)
	return s, nil
}

// seal makes the frames for one peer; one goroutine uses it.
type seal struct {
	*sealing
	peer   nodeid.ID
	sealer *auth.Sealer
}

// newSeal returns nil without a secret.
func (s *sealing) newSeal(peer nodeid.ID) *seal {
	if s == nil {
		return nil
	}
	return &seal{sealing: s, peer: peer, sealer: auth.NewSealer(s.secret.Key, s.me, peer, s.incarnation)}
}

// bytes is the size of the frame, with its length, before so many packets.
func (s *seal) bytes(packets int) int {
	if s == nil {
		return 0
	}
	return frameHeaderBytes + auth.Size(packets)
}

// append appends the frame for the packets of items. Greetings among them
// have none.
func (s *seal) append(dst []byte, items []item) ([]byte, error) {
	n := 0
	for i := range items {
		if items[i].packet != nil {
			n++
		}
	}
	next := 0
	dst = appendFrameHeader(dst, auth.Size(n))
	return s.sealer.AppendFrame(dst, s.verifier.Learned(s.peer), s.counter.Add(1), n, func(int) []byte {
		for items[next].packet == nil {
			next++
		}
		next++
		return items[next-1].packet
	})
}
