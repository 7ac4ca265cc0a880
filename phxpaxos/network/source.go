package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// SourceCheck says what a node does with a packet that comes from another IP
// address than the one in its sender's id. Ports are not compared: those of
// connections are arbitrary.
//
// Nothing is compared with an address book, nor where the Transport ties the
// sender to a certificate, nor for packets with a valid MAC: all of these prove
// more.
type SourceCheck uint8

const (
	// SourceCount accepts the packet and counts it. It is the default.
	SourceCount SourceCheck = iota
	// SourceRefuse drops the packet and counts it. It cannot be used where
	// addresses are translated between nodes.
	SourceRefuse
	// SourceOff compares nothing.
	SourceOff
	sourceChecks
)

var sourceCheckNames = [sourceChecks]string{"count", "refuse", "off"}

// String returns "count", "refuse" or "off".
func (s SourceCheck) String() string {
	if s < sourceChecks {
		return sourceCheckNames[s]
	}
	return fmt.Sprintf("SourceCheck(%d)", uint8(s))
}

// sourceOf is the IP address of the other end of a connection; it is not valid
// if the connection does not have one.
func sourceOf(addr net.Addr) netip.Addr {
	if addr == nil {
		return netip.Addr{}
	}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// ownSource returns the address in an id if packets can be sent from it, that
// is, if it is one of this machine's. Otherwise it is not valid.
func ownSource(me nodeid.ID) netip.Addr {
	ip := me.AddrPort().Addr()
	if !reachable(me) {
		return netip.Addr{}
	}
	probe, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return netip.Addr{}
	}
	probe.Close()
	return ip
}

// dialPlain makes a TCP connection from the address in this node's id, so that
// peers see it there also if this machine has several addresses. Where that
// address does not lead to the peer, the system chooses another one. It never
// lacks a way back: peers reach this node at its id's address, so what it
// sends from there takes the way of its answers to them.
func (t *TCP) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Control: dialControl(t.cfg.StallMax)}
	if t.source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
		conn, err := dialer.DialContext(ctx, network, address)
		if !noRouteFromSource(err) {
			return conn, err
		}
		dialer.LocalAddr = nil
	}
	return dialer.DialContext(ctx, network, address)
}

// noRouteFromSource reports whether a connection failed because of the address
// that it was to come from: the machine has it no more, or it leads nowhere
// near the peer, as one of loopback to another host.
func noRouteFromSource(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENETUNREACH)
}
