package certs

import (
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// Session is the other end of a connection after it has proven who it is. All
// methods are safe for concurrent use.
type Session struct {
	g      *Guard
	remote net.Addr
	chain  []*x509.Certificate
	names  []string
	use    x509.ExtKeyUsage
	peer   nodeid.ID // that was dialled, or none
	good   atomic.Pointer[verdict]
}

// verdict says that a session was let in by a state, and until when it is good.
type verdict struct {
	state *state
	until time.Time
}

// judge lets a session in, or says why not.
func (s *Session) judge(st *state, now time.Time) error {
	until, err := verifyChain(s.chain, st.roots, s.use, now)
	if err != nil {
		return err
	}
	if !st.policy.letsIn(s.names) {
		return fmt.Errorf("no name on the list: the certificate is for %s", s)
	}
	if s.peer != nodeid.None && !st.policy.speaksFor(s.names, s.peer) {
		return fmt.Errorf("not the certificate of node %v: it is for %s", s.peer, s)
	}
	s.good.Store(&verdict{state: st, until: until})
	return nil
}

// String returns the names of the other end.
func (s *Session) String() string {
	if len(s.names) == 0 {
		return "nobody"
	}
	return strings.Join(s.names, ", ")
}

// Names returns the names of the other end's certificate.
func (s *Session) Names() []string { return append([]string(nil), s.names...) }

// Check says whether the other end is still let in. It is cheap unless
// something has changed. The error wraps network.ErrRefused and was reported.
func (s *Session) Check() error {
	now := time.Now()
	st, v := s.g.current(), s.good.Load()
	if v.state == st && now.Before(v.until) {
		return nil
	}
	if err := s.judge(st, now); err != nil {
		return s.g.refuse(s.remote, fmt.Errorf("not let in any more: %w", err))
	}
	return nil
}

// Admit says whether the other end may have sent the packet: whether it speaks
// for the node that the packet names as its sender. Packets that mean nothing
// are let through. The error wraps network.ErrRefused and was reported.
func (s *Session) Admit(packet []byte) error {
	p := s.g.state.Load().policy
	if len(p.nodes) == 0 {
		return nil
	}
	id, ok := wire.Sender(packet)
	if !ok || p.speaksFor(s.names, id) {
		return nil
	}
	return s.g.refuse(s.remote, fmt.Errorf("a packet of node %v came from %s", id, s))
}

var _ network.Admitter = (*Session)(nil)
