package network

import (
	"math/rand/v2"
	"time"
)

// backoff spaces the attempts to connect to one peer. All times are readings
// of the network's clock.
//
// The rule is about attempts, not failures, so that a peer that accepts and
// closes at once (a stranger's program, a full table) is not dialled in a loop.
type backoff struct {
	min, max  time.Duration
	step      time.Duration // the space after the next attempt
	notBefore time.Duration
}

// wait returns how long the next attempt has to wait.
func (b *backoff) wait(now time.Duration) time.Duration {
	return max(0, b.notBefore-now)
}

// attempt notes that an attempt begins. The next one comes between half and
// all of the step later, so that nodes that lost a peer together do not come
// back together.
func (b *backoff) attempt(now time.Duration) {
	b.step = max(b.step, b.min)
	b.notBefore = now + b.step/2 + rand.N(b.step/2+1)
	b.step = min(2*b.step, b.max)
}

// lasted notes how long a connection lived that has ended. One that outlived
// the longest space was a good one: the next attempt comes at once.
func (b *backoff) lasted(lived time.Duration) {
	if lived >= b.max {
		b.step = b.min
		b.notBefore = 0
	}
}
