package tlsnet

import (
	"net"
	"sync"
)

// heldBytesMax bounds what waits for its system call, and what a connection
// keeps for it: as many bytes as a socket takes at once.
const heldBytesMax = 256 << 10

// records is a connection that gathers what TLS writes: a record holds 16 KiB
// at most, and each would be a system call.
type records struct {
	net.Conn

	mu      sync.Mutex // TLS also writes when it reads, to change keys
	holding bool
	held    []byte
}

// Write writes b, or keeps it until there is enough or release is called.
func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.holding {
		return r.Conn.Write(b)
	}
	if len(r.held) > 0 && len(r.held)+len(b) > heldBytesMax {
		if err := r.flush(); err != nil {
			return 0, err
		}
	}
	r.held = append(r.held, b...)
	return len(b), nil
}

// hold begins to gather.
func (r *records) hold() {
	r.mu.Lock()
	r.holding = true
	r.mu.Unlock()
}

// release writes what was gathered, and all that comes later at once.
func (r *records) release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding = false
	return r.flush()
}

// flush writes what is held. The caller holds mu.
func (r *records) flush() error {
	if len(r.held) == 0 {
		return nil
	}
	_, err := r.Conn.Write(r.held)
	r.held = r.held[:0]
	return err
}
