package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// host is a place in the network: a namespace with one address, or this machine
// if it has no name.
type host struct {
	name    string
	address string // IPv4
}

// loopback is this machine.
var loopback = &host{address: "127.0.0.1"}

// dial connects from this host's address.
func (h *host) dial(to string) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(h.address)}}
	err = h.do(func() error {
		conn, err = d.DialContext(context.Background(), "tcp4", to)
		return err
	})
	return conn, err
}

// listen takes connections on a free port.
func (h *host) listen() (l net.Listener, err error) {
	err = h.do(func() error {
		l, err = net.Listen("tcp4", net.JoinHostPort(h.address, "0"))
		return err
	})
	return l, err
}

// lan is namespaces that a bridge joins, which is in one of its own.
type lan struct {
	bridge *host
	hosts  []*host
	made   []string // namespaces
}

// errHosts is matched by the errors for namespaces that cannot be made.
var errHosts = errors.New("network namespaces cannot be made; they need Linux, root, and ip (Debian: apt-get install iproute2)")

// newLAN makes n hosts at 10.78.0.1 and up. What it made is removed if it fails.
func newLAN(n int) (*lan, error) {
	prefix := fmt.Sprintf("phxattack%d-", os.Getpid())
	l := &lan{bridge: &host{name: prefix + "bridge"}}
	err := l.make(prefix, n)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errHosts, err), l.remove())
	}
	return l, nil
}

func (l *lan) make(prefix string, n int) error {
	if err := l.namespace(l.bridge.name); err != nil {
		return err
	}
	if err := ip("-n", l.bridge.name, "link", "add", "br0", "type", "bridge"); err != nil {
		return err
	}
	if err := ip("-n", l.bridge.name, "link", "set", "br0", "up"); err != nil {
		return err
	}
	for i := range n {
		h := &host{name: fmt.Sprint(prefix, i), address: fmt.Sprintf("10.78.0.%d", i+1)}
		port := fmt.Sprint("p", i)
		if err := l.namespace(h.name); err != nil {
			return err
		}
		for _, args := range [][]string{
			{"-n", l.bridge.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", h.name},
			{"-n", l.bridge.name, "link", "set", port, "master", "br0", "up"},
			{"-n", h.name, "addr", "add", h.address + "/24", "dev", "eth0"},
			{"-n", h.name, "link", "set", "lo", "up"},
			{"-n", h.name, "link", "set", "eth0", "up"},
		} {
			if err := ip(args...); err != nil {
				return err
			}
		}
		l.hosts = append(l.hosts, h)
	}
	return nil
}

func (l *lan) namespace(name string) error {
	if err := ip("netns", "add", name); err != nil {
		return err
	}
	l.made = append(l.made, name)
	return nil
}

// remove removes the namespaces, with all that is in them.
func (l *lan) remove() (err error) {
	for _, name := range l.made {
		err = errors.Join(err, ip("netns", "del", name))
	}
	l.made = nil
	return err
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
