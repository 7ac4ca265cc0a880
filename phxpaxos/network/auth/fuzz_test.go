package auth

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzFrame: no bytes crash a session, forged ones create no state and let no
// packet pass, and what parses is what its header says.
func FuzzFrame(f *testing.F) {
	s := NewSealer(secretA, nodeA, nodeB, lifeA)
	valid := sealed(f, s, lifeB, 1, somePackets...)
	f.Add(valid.frame)
	f.Add(sealed(f, s, 0, 1).frame)
	f.Add(sealed(f, NewSealer(secretB, nodeA, nodeB, lifeA), 0, 1, somePackets...).frame)
	f.Add(valid.frame[:tagsAt])
	f.Add([]byte(lead))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Parse(data)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("unexpected error: %v", err)
		}
		if err == nil {
			again := append(appendHeader(nil, h), data[tagsAt:]...)
			if !bytes.Equal(again, data) {
				t.Fatalf("%+v does not lead back to its bytes", h)
			}
		}
		v := NewVerifier(nodeB, lifeB, 2, secretB)
		session := v.NewSession()
		_, greet, err := session.Frame(data, 0)
		if err == nil { // only the seed that was made with this secret
			return
		}
		if greet || v.Senders() != 0 {
			t.Fatal("a forged frame left a trace")
		}
		if id, err := session.Packet(somePackets[0]); err == nil {
			t.Fatalf("a packet of %v passed", id)
		}
	})
}
