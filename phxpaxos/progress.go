package phxpaxos

import (
	"sync"
	"sync/atomic"
)

// progress lets goroutines wait until a group has moved.
type progress struct {
	waiters atomic.Int32 // spares tell the mutex while nobody waits
	mu      sync.Mutex
	changed chan struct{} // closed by tell, and replaced
}

// tell wakes all waiters. What they wait for must have been stored before.
func (p *progress) tell() {
	if p.waiters.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// next returns a channel that the next tell closes. The caller counts itself
// in waiters before, and looks at what it waits for behind.
func (p *progress) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}
