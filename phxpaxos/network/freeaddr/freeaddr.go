package freeaddr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// The ports of nodes are the even ones from portMin to portMax. They lie below
// the range from which systems take the ports of outgoing connections, which
// begins at 32768 on Linux and at 49152 elsewhere: a guard keeps other callers
// away from the port of a node that is down, but not somebody's connection.
const (
	portMin = 18000
	portMax = 31998
)

// Hold returns n different ids on 127.0.0.1 whose ports nobody used a moment
// ago, neither for TCP nor for UDP, and keeps them from other callers of Hold,
// in this and in other processes, until release is called or the process ends.
// With an offset, the ports that lie so much higher are free and kept as well.
//
// Release when the last node has ended for good: as long as one may come back,
// its port has to be held. Until then keep release; what nothing refers to any
// more is closed by the garbage collector. release is never nil and may be
// called more than once. With an error nothing is held.
//
// An offset must be even, since odd ports are guards, and lead to ports up to
// 31998. The errors of Hold say that an offset or n is not possible, or how
// many ids were found and why the last address was passed over. They match no
// sentinel. Hold does not wait for ports to become free. Hold and release are
// safe for concurrent use.
func Hold(n int, offset ...uint16) (ids []nodeid.ID, release func(), err error) {
	// 0 is the port itself. An offset that is there twice is taken once.
	offsets := slices.Compact(slices.Sorted(slices.Values(append([]uint16{0}, offset...))))
	if err := check(n, offsets); err != nil {
		return nil, func() {}, err
	}
	ports := make([]uint16, 0, candidates(offsets))
	for _, i := range rand.Perm(cap(ports)) {
		ports = append(ports, portMin+2*uint16(i))
	}
	return holdOf(ports, n, offsets)
}

// holdOf is Hold for certain ports, of which there are at least n, in their
// order.
func holdOf(ports []uint16, n int, offsets []uint16) (ids []nodeid.ID, release func(), err error) {
	var held guards
	var last error
	for _, port := range ports {
		if len(ids) == n {
			break
		}
		id, taken, err := take(port, offsets)
		if err != nil {
			last = err
			continue
		}
		ids, held = append(ids, id), append(held, taken...)
	}
	if len(ids) < n {
		held.close()
		return nil, func() {}, fmt.Errorf("found %d free ports on 127.0.0.1, want %d: %w", len(ids), n, last)
	}
	return ids, sync.OnceFunc(held.close), nil
}

// candidates is how many ports leave room for the largest offset.
func candidates(offsets []uint16) int {
	return (portMax-portMin-int(slices.Max(offsets)))/2 + 1
}

// check refuses what no ports can be found for.
func check(n int, offsets []uint16) error {
	for _, o := range offsets {
		if o%2 != 0 || o > portMax-portMin {
			return fmt.Errorf("offset is %d, must be even and in 0..%d: ports of nodes are even and in %d..%d, odd ones guard them",
				o, portMax-portMin, portMin, portMax)
		}
	}
	if most := candidates(offsets); n < 0 || n > most {
		return fmt.Errorf("number of ids is %d, must be in 0..%d with these offsets", n, most)
	}
	return nil
}

// guards are listeners that keep the ports below theirs from other callers.
type guards []*net.TCPListener

func (g guards) close() {
	for _, l := range g {
		l.Close() // nothing was written that could be lost
	}
}

// take takes the guards of a port and of those at the offsets, and sees whether
// the ports are free. If one is not, it takes nothing.
func take(port uint16, offsets []uint16) (id nodeid.ID, taken guards, err error) {
	defer func() {
		if err != nil {
			taken.close()
		}
	}()
	for _, o := range offsets {
		// The guard comes first. Who looks whether a port is free uses it for a
		// moment, and a node that comes back in that moment would not start. So
		// only who has the guard may look.
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(loopback(port+o+1)))
		if err != nil {
			return nodeid.None, taken, err
		}
		taken = append(taken, l)
		if err := free(port + o); err != nil {
			return nodeid.None, taken, err
		}
	}
	id, err = nodeid.FromAddrPort(loopback(port))
	return id, taken, err
}

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// free says why a node cannot listen at a port, or nil. By UDP a node listens
// at all interfaces unless told otherwise.
func free(port uint16) error {
	tcp, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(loopback(port)))
	if err != nil {
		return err
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)})
	if err != nil {
		return err
	}
	return udp.Close()
}
