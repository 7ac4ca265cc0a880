package network

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/auth"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

var (
	errSource = errors.New("packet comes from another address than its sender's id has")
	errSender = errors.New("packet names another sender than the one that its MAC is from")
)

// suspicion is one reason to doubt a packet: how it is counted, and its error
// when the packet passes and when it is dropped.
type suspicion struct {
	kind            event.Kind
	passed, dropped error
}

func newSuspicion(kind event.Kind, reason error) *suspicion {
	return &suspicion{kind: kind, passed: reason, dropped: fmt.Errorf("%w: %w", ErrRefused, reason)}
}

var (
	suspectSource    = newSuspicion(event.NetSourceDiffers, errSource)
	suspectSender    = newSuspicion(event.NetMACSender, errSender)
	suspectMissing   = newSuspicion(event.NetMACMissing, auth.ErrMissing)
	suspectWrong     = newSuspicion(event.NetMACWrong, auth.ErrWrong)
	suspectReplay    = newSuspicion(event.NetMACReplay, auth.ErrReplay)
	suspectStale     = newSuspicion(event.NetMACStale, auth.ErrStale)
	suspectMalformed = newSuspicion(event.NetMACMalformed, auth.ErrMalformed)
)

// suspicionOf is the reason that an error of package auth states.
func suspicionOf(err error) *suspicion {
	switch {
	case errors.Is(err, auth.ErrMissing):
		return suspectMissing
	case errors.Is(err, auth.ErrReplay):
		return suspectReplay
	case errors.Is(err, auth.ErrStale):
		return suspectStale
	case errors.Is(err, auth.ErrMalformed):
		return suspectMalformed
	}
	return suspectWrong
}

// gate decides which packets of one connection are delivered. One goroutine
// uses it.
type gate struct {
	t       *TCP
	source  netip.Addr    // of the other end, not valid if it has none
	session *auth.Session // nil without a secret
}

// newGate returns the gate of a connection from source.
func (t *TCP) newGate(source netip.Addr) gate {
	g := gate{t: t, source: source}
	if t.sealing != nil {
		g.session = t.sealing.verifier.NewSession()
	}
	return g
}

// admit reports whether a packet may be delivered. Authentication frames are
// for the gate alone, with and without a secret.
func (g *gate) admit(packet []byte) bool {
	if auth.IsFrame(packet) {
		if g.session != nil {
			g.frame(packet)
		}
		return false
	}
	if g.session == nil {
		return g.t.sourceFits(packet, g.source)
	}
	id, err := g.session.Packet(packet)
	if err != nil {
		if id == nodeid.None && g.t.sender != nil && g.t.cfg.Secret.Mode == SecretSend {
			id, _ = g.t.sender(packet) // an operator looks for the nodes that have no secret yet
		}
		if g.t.unproven(suspicionOf(err), id, g.source, len(packet)) {
			return false
		}
		return g.t.sourceFits(packet, g.source)
	}
	if g.t.sender != nil {
		if named, ok := g.t.sender(packet); ok && named != id {
			return !g.t.unproven(suspectSender, id, g.source, len(packet))
		}
	}
	return true
}

// frame takes an authentication frame. The packets after it are counted when
// they come; a frame that announces none is counted here.
func (g *gate) frame(packet []byte) {
	h, greet, err := g.session.Frame(packet, g.t.now())
	if err != nil && (h.Packets == 0 || errors.Is(err, auth.ErrMalformed)) {
		g.t.unproven(suspicionOf(err), h.Sender, g.source, len(packet))
	}
	if greet {
		g.t.greet(h.Sender)
	}
}

// greet sends a node an authentication frame without packets, so that it learns
// this node's incarnation. If the queue to it is full, packets that wait there
// do the same.
func (t *TCP) greet(id nodeid.ID) {
	if t.cfg.Addresses != nil || reachable(id) {
		t.queue(item{to: id, at: t.now()})
	}
}

// datagram is admit for what came by UDP, which carries no MACs.
func (t *TCP) datagram(packet []byte, source netip.Addr) bool {
	if auth.IsFrame(packet) {
		return false
	}
	if t.sealing != nil && t.unproven(suspectMissing, nodeid.None, source, len(packet)) {
		return false
	}
	return t.sourceFits(packet, source)
}

// unproven counts a packet without a valid MAC and reports whether it is to be
// dropped.
func (t *TCP) unproven(s *suspicion, id nodeid.ID, source netip.Addr, size int) (drop bool) {
	drop = t.sealing.secret.Mode == SecretRequire
	t.suspect(s, id, source, size, drop)
	return drop
}

// sourceFits compares where a packet comes from with its sender's id, and
// reports whether it may be delivered.
func (t *TCP) sourceFits(packet []byte, source netip.Addr) bool {
	if t.sender == nil || t.cfg.SourceCheck == SourceOff || t.cfg.Addresses != nil || !source.IsValid() {
		return true
	}
	id, ok := t.sender(packet)
	if !ok || id == nodeid.None || id != t.cfg.Me && id.AddrPort().Addr() == source {
		return true
	}
	if p, ok := t.cfg.Transport.(Protector); ok && p.Identifies(id) {
		return true
	}
	drop := t.cfg.SourceCheck == SourceRefuse
	t.suspect(suspectSource, id, source, len(packet), drop)
	return !drop
}

// suspect counts a doubtful packet, and logs it once a minute for each source.
func (t *TCP) suspect(s *suspicion, id nodeid.ID, source netip.Addr, size int, drop bool) {
	err, msg := s.passed, "accepted a doubtful packet"
	if drop {
		err, msg = s.dropped, "dropped a packet"
	}
	t.observe(event.Event{Kind: s.kind, Group: -1, Peer: id, Size: size, Err: err})
	if suppressed, ok := t.doubts.Allow(source, time.Now()); ok {
		named := "not known"
		if id != nodeid.None {
			named = id.String()
		}
		t.log.Warn(msg, "from", source.String(), "sender", named, "reason", s.passed, "suppressed", suppressed)
	}
}

// warnClear logs that strangers can reach this node, if they can.
func (t *TCP) warnClear() {
	if t.cfg.Secret.Mode == SecretRequire || t.cfg.ListenAddr.Addr().IsLoopback() &&
		(t.cfg.Transport != nil || t.cfg.ListenUDPAddr.Addr().IsLoopback()) {
		return
	}
	if t.cfg.Transport != nil {
		if p, ok := t.cfg.Transport.(Protector); !ok || p.Protects() {
			return
		}
	}
	t.log.Warn("network listens in clear text beyond this machine: every host that reaches the port can read, and send packets in the name of any node; "+
		"use TLS or a cluster secret in mode require, or see to it that only nodes reach the port",
		"tcp", t.cfg.ListenAddr.String(), "udp", t.cfg.ListenUDPAddr.String())
}
