package nodeaddr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Ports that Free hands out. They lie below the range from which systems
// take the ports of outgoing connections: a node that is down for a moment
// must not find its port taken by somebody's client when it comes back.
const (
	freePortMin = 18000
	freePortMax = 32000
)

// Free returns n different addresses on 127.0.0.1 whose ports nobody used a
// moment ago, neither for TCP nor for UDP. With an offset, the ports that lie
// so much higher are free as well. It is for demonstrations and tests: another
// program may take one before the caller does.
func Free(n int, offset ...uint16) ([]nodeid.ID, error) {
	const triesPerPort = 1000
	ids := make([]nodeid.ID, 0, n)
	taken := make(map[uint16]bool, n)
	for range n * triesPerPort {
		if len(ids) == n {
			return ids, nil
		}
		port := uint16(freePortMin + rand.IntN(freePortMax-freePortMin-highest(offset)))
		if taken[port] || !free(local(port)) {
			continue
		}
		if slices.ContainsFunc(offset, func(more uint16) bool { return taken[port+more] || !free(local(port+more)) }) {
			continue
		}
		id, err := nodeid.FromAddrPort(local(port))
		if err != nil {
			return nil, err
		}
		taken[port] = true
		for _, more := range offset {
			taken[port+more] = true
		}
		ids = append(ids, id)
	}
	if len(ids) == n {
		return ids, nil
	}
	return nil, fmt.Errorf("found %d free ports on 127.0.0.1, want %d", len(ids), n)
}

func local(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// highest is the largest offset, 0 if there is none.
func highest(offset []uint16) int {
	if len(offset) == 0 {
		return 0
	}
	return int(slices.Max(offset))
}

// free reports whether an address can be listened at by TCP and by UDP.
func free(addr netip.AddrPort) bool {
	tcp, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	defer udp.Close()
	return true
}

// List joins addresses to the form that ParseList reads.
func List(ids []nodeid.ID) string {
	var text []byte
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = id.AddrPort().AppendTo(text)
	}
	return string(text)
}
