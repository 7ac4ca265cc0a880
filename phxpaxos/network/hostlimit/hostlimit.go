// Package hostlimit bounds the log lines that strangers can cause: one line a
// minute for each host, or for each node that a packet names. It serves this
// module and may change.
package hostlimit

import (
	"sync"
	"time"
)

const (
	// every is how often one host gets a line.
	every = time.Minute
	// hostsMax bounds the hosts that are told apart; the lines of all others
	// are limited together. Some hundred KiB of memory.
	hostsMax = 4096
	// sweepEvery is how long a full table stays as it is.
	sweepEvery = time.Second
)

// Limiter remembers which hosts got a line lately. H identifies a
// host; with netip.Addr a caller formats no address before it has a line to
// write. The zero value is ready. It is safe for concurrent use.
type Limiter[H comparable] struct {
	mu     sync.Mutex
	hosts  map[H]*host
	others host
	sweep  time.Time // not before this, entries whose time has passed are looked for again
}

type host struct {
	next       time.Time // no line before this
	suppressed int
}

// Allow reports whether a host may get a line, and how many it did not get
// since its last one.
func (l *Limiter[H]) Allow(name H, now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.hosts[name]
	if one == nil && len(l.hosts) >= hostsMax && !now.Before(l.sweep) {
		l.sweep = now.Add(sweepEvery) // each packet with a forged address would cost a sweep otherwise
		for h, old := range l.hosts {
			if !now.Before(old.next) {
				delete(l.hosts, h)
			}
		}
	}
	switch {
	case one != nil:
	case len(l.hosts) >= hostsMax:
		one = &l.others
	default:
		if l.hosts == nil {
			l.hosts = make(map[H]*host)
		}
		one = new(host)
		l.hosts[name] = one
	}
	if now.Before(one.next) {
		one.suppressed++
		return 0, false
	}
	suppressed, one.suppressed = one.suppressed, 0
	one.next = now.Add(every)
	return suppressed, true
}
