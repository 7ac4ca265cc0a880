package certs

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

const (
	// refusalEvery is how often one host gets a line in the log.
	refusalEvery = time.Minute
	// sourcesMax bounds the hosts that are told apart; the lines of all
	// others are limited together. Some hundred KiB of memory.
	sourcesMax = 4096
)

// refusals remembers who was refused lately.
type refusals struct {
	mu      sync.Mutex
	sources map[string]*refusal
	others  refusal
}

type refusal struct {
	next       time.Time // no line before this
	suppressed int
}

// allow says whether a refusal of a host may be logged, and how many were not
// since the last line.
func (r *refusals) allow(host string, now time.Time) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.sources[host]
	if one == nil && len(r.sources) >= sourcesMax {
		for h, old := range r.sources {
			if !now.Before(old.next) {
				delete(r.sources, h)
			}
		}
	}
	switch {
	case one != nil:
	case len(r.sources) >= sourcesMax:
		one = &r.others
	default:
		if r.sources == nil {
			r.sources = make(map[string]*refusal)
		}
		one = new(refusal)
		r.sources[host] = one
	}
	if now.Before(one.next) {
		one.suppressed++
		return 0, false
	}
	suppressed, one.suppressed = one.suppressed, 0
	one.next = now.Add(refusalEvery)
	return suppressed, true
}

// refuse reports that somebody was refused, and returns the error for it.
func (g *Guard) refuse(source net.Addr, reason error) error {
	host := "unknown"
	if source != nil {
		host = source.String()
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
	}
	err := fmt.Errorf("%w: %w", network.ErrRefused, reason)
	if o := g.observer.Load(); o != nil {
		(*o).Observe(event.Event{Kind: event.NetRefused, Group: -1, Err: err})
	}
	if suppressed, ok := g.refusals.allow(host, time.Now()); ok {
		g.cfg.Logger.Warn("refused who connected", "from", host, "reason", reason, "suppressed", suppressed)
	}
	return err
}
