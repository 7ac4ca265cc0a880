package network

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialControl bounds how long sent bytes may stay unacknowledged. Without it,
// a connection to a host that lost power lives for a quarter of an hour, and
// after a healed partition the next attempt of the kernel may be two minutes
// away. The second option lets a connection that is bound to an address share
// its port with connections to other peers, as one that is not bound does. The
// options are optimisations, so a kernel that refuses them is accepted.
func dialControl(stall time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stall.Milliseconds()))
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		})
	}
}
