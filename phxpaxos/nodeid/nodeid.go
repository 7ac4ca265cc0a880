// Package nodeid names the nodes of a cluster.
//
// A node id is a 64-bit number that carries the IPv4 address and the port at
// which the node is reached by TCP and by UDP; its layout is the original's
// (spec/protocol.md section 1), so ids compare and travel the same in a mixed
// cluster. The package is promised to users.
package nodeid

import (
	"errors"
	"fmt"
	"net/netip"
)

// ID identifies a node. The zero ID names no node. IDs are compared as
// unsigned numbers wherever a tie between ballots is broken.
type ID uint64

// None is the ID of no node.
const None ID = 0

// ErrAddress is matched by every error that Parse and FromAddrPort return.
var ErrAddress = errors.New("not a usable node address")

// FromAddrPort returns the ID of the node at the IPv4 address and port of ap.
// The broadcast address and port 0 cannot name a node.
func FromAddrPort(ap netip.AddrPort) (ID, error) {
	addr := ap.Addr().Unmap()
	if !addr.Is4() {
		return None, fmt.Errorf("%w: %q is not an IPv4 address", ErrAddress, ap)
	}
	if ap.Port() == 0 {
		return None, fmt.Errorf("%w: %q has port 0, the port must be in 1..65535", ErrAddress, ap)
	}
	o := addr.As4()
	if o == [4]byte{255, 255, 255, 255} {
		return None, fmt.Errorf("%w: %q is the broadcast address", ErrAddress, ap)
	}
	// The first octet ends up in the lowest byte of the upper half.
	ip := uint64(o[0]) | uint64(o[1])<<8 | uint64(o[2])<<16 | uint64(o[3])<<24
	return ID(ip<<32 | uint64(ap.Port())), nil
}

// Parse returns the ID of the node at "a.b.c.d:port".
func Parse(s string) (ID, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return None, fmt.Errorf("%w: %q, want an IPv4 address and a port such as 127.0.0.1:11111", ErrAddress, s)
	}
	return FromAddrPort(ap)
}

// AddrPort returns the address that id carries. The port is truncated to 16
// bits; ids made by this package and by original nodes never need more.
func (id ID) AddrPort() netip.AddrPort {
	ip := uint32(id >> 32)
	addr := netip.AddrFrom4([4]byte{byte(ip), byte(ip >> 8), byte(ip >> 16), byte(ip >> 24)})
	return netip.AddrPortFrom(addr, uint16(id))
}

// String returns the address of id as "a.b.c.d:port".
func (id ID) String() string { return id.AddrPort().String() }
