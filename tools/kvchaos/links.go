package main

import "sync"

// cut is what happens to the bytes of a link.
type cut int

const (
	whole   cut = iota // they pass
	stalled            // they wait, and arrive late
	dropped            // connections are closed, and new ones as well
)

// links is who can reach whom. It is safe for concurrent use.
type links struct {
	mu      sync.Mutex
	state   map[[2]int]cut // from, to
	changed chan struct{}  // closed and replaced with every change
}

func newLinks() *links { return &links{state: map[[2]int]cut{}, changed: make(chan struct{})} }

// get returns the state of a link and a channel that is closed when any
// changes.
func (l *links) get(from, to int) (cut, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state[[2]int{from, to}], l.changed
}

// set changes links.
func (l *links) set(state cut, pairs ...[2]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pair := range pairs {
		l.state[pair] = state
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// heal makes all links whole.
func (l *links) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.state)
	close(l.changed)
	l.changed = make(chan struct{})
}
