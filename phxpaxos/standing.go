package phxpaxos

import (
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// standing publishes where a group is by its full history, for the group that
// sends the node's heartbeats. One goroutine stores.
//
// The chain belongs to the instance: it is 0 while the two do not match, so
// that a reader sees a pair that was published, or none.
type standing struct {
	instance, chain atomic.Uint64
	state           atomic.Pointer[wire.StateDigest] // changes once in thousands of instances
}

func (p *standing) store(s wire.Standing) {
	if p.chain.Load() != 0 {
		p.chain.Store(0)
	}
	if s.Chain != 0 {
		p.instance.Store(s.Instance)
		p.chain.Store(s.Chain)
	}
	if last := p.state.Load(); last == nil && s.State.Digest != 0 || last != nil && *last != s.State {
		state := s.State
		p.state.Store(&state)
	}
}

func (p *standing) load() (s wire.Standing) {
	s.Instance = p.instance.Load()
	s.Chain = p.chain.Load()
	if s.Instance != p.instance.Load() {
		s.Chain = 0
	}
	if state := p.state.Load(); state != nil {
		s.State = *state
	}
	return s
}
