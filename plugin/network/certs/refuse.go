package certs

import (
	"fmt"
	"net"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
)

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
	if suppressed, ok := g.refusals.Allow(host, time.Now()); ok {
		g.cfg.Logger.Warn("refused who connected", "from", host, "reason", reason, "suppressed", suppressed)
	}
	return err
}
