package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrConfig is matched by every error that Config.Validate returns.
var ErrConfig = errors.New("bad network configuration")

// UDPPayloadMax is the largest payload of a UDP datagram over IPv4, in bytes:
// 65535 less 20 for the IP header and 8 for the UDP header.
const UDPPayloadMax = 65507

// sealedPacketBytesMin is the least PacketBytesMax with a secret: an
// authentication frame for a few packets.
const sealedPacketBytesMin = 128

// frameBytesMax keeps a frame's length, which counts itself, inside a signed
// 32-bit number on every machine.
const frameBytesMax = 1 << 30

// Config says how the default network works. A field that is zero takes the
// default in its comment, so a Config that holds only Me is complete. Where two
// defaults are given, the second is that of LargeValues.
type Config struct {
	// Me is this node. Required. Without Addresses, peers reach the node at the
	// address in it; with Addresses, it may be any number but 0.
	Me nodeid.ID

	// Addresses says where other nodes are reached. Default: at the addresses
	// in their ids. A change is noticed before the next packet is written.
	Addresses Addresses

	// Transport makes the connections. Default: plain TCP, which original nodes
	// speak. All nodes of a cluster need the same kind.
	Transport Transport

	// ListenAddr is where TCP listens. Default: the address in Me. Another one
	// is for nodes behind an address translation, as in containers, and for
	// ids that carry no address. IPv6 needs Addresses, since ids carry IPv4.
	ListenAddr netip.AddrPort

	// ListenUDPAddr is where UDP listens. Default: all interfaces, at the port
	// of ListenAddr, as an original node does; the address of ListenAddr if
	// that is one of loopback.
	ListenUDPAddr netip.AddrPort

	// Secret is what all nodes share to authenticate their packets. Default:
	// none. With one, UDPMaxSize must be 0 and PacketBytesMax at least 128. In
	// SecretRequire no datagram is received.
	Secret Secret

	// SourceCheck says what happens to packets that come from another IP
	// address than their sender's id has. Default: they are counted. Nothing
	// is compared with Addresses, so SourceRefuse is an error then.
	SourceCheck SourceCheck

	// LargeValues switches the defaults to the original's large value mode.
	LargeValues bool

	// UDPMaxSize is the largest packet of class Datagram, in bytes, that goes
	// by UDP; 0..65507. Default 0: everything goes by TCP, since a lost
	// datagram costs a round its timeout. The original's default is 4096. It
	// must be 0 with Addresses or a Transport.
	UDPMaxSize int

	// PacketBytesMax is the largest packet, in bytes; 1..2^30. Default
	// 10485760 or 52428800. Original nodes close a connection that brings more
	// than this, so all nodes need the same number.
	PacketBytesMax int

	// QueuePacketsMax bounds the packets that wait for one peer, and those
	// that wait for UDP. Default 10240 or 1024: some seconds of a busy group;
	// what does not fit is repeated by its sender anyway.
	QueuePacketsMax int

	// QueueBytesMax bounds the bytes that wait for one peer, and those that
	// wait for UDP. Default 209715200: twenty packets of the largest size, and
	// what one peer that does not read may cost. At least PacketBytesMax, or
	// the largest packets could never leave.
	QueueBytesMax int

	// QueueAgeMax is how long a packet may wait; older ones are dropped when
	// their turn comes. Default 5 s or 20 s: by then its sender has given up
	// on the answer, and a queue of such packets would only delay fresh ones.
	QueueAgeMax time.Duration

	// DialTimeout bounds one attempt to connect. Default 2 s: two SYNs.
	DialTimeout time.Duration

	// BackoffMin and BackoffMax bound the time between two attempts to connect
	// to one peer. The first attempt after a loss is made at once, then the
	// time doubles, with jitter. Defaults 50 ms and 1 s: a peer that is back
	// waits less than a prepare timeout for this node, and an attempt each
	// second costs nothing.
	BackoffMin, BackoffMax time.Duration

	// StallMax is how long a peer may take nothing before its connection is
	// given up. The system is asked to watch for it; a write that makes no
	// progress is given up after at most four times StallMax in any case.
	// Default: QueueAgeMax, for by then all that waits for the peer is stale.
	StallMax time.Duration

	// AcceptMax bounds the accepted connections. Default 4096. When one more
	// comes, the connection is closed that never brought a packet, else the
	// one that was silent the longest: strangers cannot lock peers out.
	AcceptMax int

	// PeerMax bounds the peers that packets may be queued for. Default 4096.
	// The ids of peers come out of packets, so without a bound a stranger could
	// make the node dial the whole world.
	PeerMax int

	// ReceiveBytesMax bounds the memory of packets that have arrived in part,
	// over all connections. Default 268435456 or 536870912. When it is used up,
	// the connection is closed whose packet has been coming in the longest. At
	// least twice PacketBytesMax.
	ReceiveBytesMax int

	// Logger is told of connections that come and go, and of strangers. Lines
	// that a stranger can cause are limited to one a second. Default: none.
	Logger *slog.Logger

	// Observer is told of every packet and connection; see the kinds Net* of
	// package event. Default: none.
	Observer event.Observer
}

// Validate says whether the configuration can be used. The error matches
// ErrConfig and names the field, its value and the rule.
func (c Config) Validate() error {
	d := c.WithDefaults()
	if err := c.checkAddresses(d); err != nil {
		return err
	}
	for _, n := range []struct {
		field       string
		value       int
		low, high   int
		explanation string
	}{
		{"UDPMaxSize", d.UDPMaxSize, 0, UDPPayloadMax, "the largest UDP payload over IPv4"},
		{"PacketBytesMax", d.PacketBytesMax, 1, frameBytesMax, "the length field of a frame"},
		{"QueuePacketsMax", d.QueuePacketsMax, 1, 1 << 24, "packets in memory"},
		{"QueueBytesMax", d.QueueBytesMax, d.PacketBytesMax, 1<<31 - 1, "at least PacketBytesMax"},
		{"AcceptMax", d.AcceptMax, 1, 1 << 20, "file descriptors"},
		{"PeerMax", d.PeerMax, 1, 1 << 20, "file descriptors"},
		{"ReceiveBytesMax", d.ReceiveBytesMax, min(2*d.PacketBytesMax, 1<<31-1), 1<<31 - 1, "at least twice PacketBytesMax"},
	} {
		if n.value < n.low || n.value > n.high {
			return fmt.Errorf("%w: %s is %d, must be in %d..%d (%s)", ErrConfig, n.field, n.value, n.low, n.high, n.explanation)
		}
	}
	for _, n := range []struct {
		field string
		value time.Duration
		low   time.Duration
	}{
		{"QueueAgeMax", d.QueueAgeMax, time.Millisecond},
		{"DialTimeout", d.DialTimeout, time.Millisecond},
		{"BackoffMin", d.BackoffMin, time.Millisecond},
		{"BackoffMax", d.BackoffMax, d.BackoffMin},
		{"StallMax", d.StallMax, time.Millisecond},
	} {
		if n.value < n.low || n.value > time.Hour {
			return fmt.Errorf("%w: %s is %v, must be in %v..1h", ErrConfig, n.field, n.value, n.low)
		}
	}
	return nil
}

// checkAddresses checks who this node is and where it listens; d is c with its
// defaults.
func (c Config) checkAddresses(d Config) error {
	switch {
	case c.Addresses == nil && !reachable(c.Me):
		return fmt.Errorf("%w: Me is %#x, must be a node id with an IPv4 address that peers can reach and a port in 1..65535", ErrConfig, uint64(c.Me))
	case c.Me == nodeid.None:
		return fmt.Errorf("%w: Me is 0, must name this node", ErrConfig)
	case c.UDPMaxSize != 0 && (c.Addresses != nil || c.Transport != nil):
		return fmt.Errorf("%w: UDPMaxSize is %d, must be 0 with Addresses or a Transport, which are for connections only", ErrConfig, c.UDPMaxSize)
	case c.Addresses != nil && c.ListenAddr == (netip.AddrPort{}) && !reachable(c.Me):
		return fmt.Errorf("%w: ListenAddr is not set, must be since Me = %#x carries no address", ErrConfig, uint64(c.Me))
	}
	if err := c.checkTrust(d); err != nil {
		return err
	}
	if err := c.checkListen("ListenAddr", d.ListenAddr); err != nil {
		return err
	}
	return c.checkListen("ListenUDPAddr", d.ListenUDPAddr)
}

// checkTrust checks the secret and the comparison of sources; d is c with its
// defaults.
func (c Config) checkTrust(d Config) error {
	switch {
	case c.SourceCheck >= sourceChecks:
		return fmt.Errorf("%w: SourceCheck is %v, must be SourceCount, SourceRefuse or SourceOff", ErrConfig, c.SourceCheck)
	case c.SourceCheck == SourceRefuse && c.Addresses != nil:
		return fmt.Errorf("%w: SourceCheck is %v, must not be with Addresses, since ids are no addresses then", ErrConfig, c.SourceCheck)
	case c.Secret.Set() && c.UDPMaxSize != 0:
		return fmt.Errorf("%w: UDPMaxSize is %d, must be 0 with a Secret, since datagrams carry no MAC", ErrConfig, c.UDPMaxSize)
	case c.Secret.Set() && d.PacketBytesMax < sealedPacketBytesMin:
		return fmt.Errorf("%w: PacketBytesMax is %d, must be at least %d with a Secret, so that its frames fit", ErrConfig, d.PacketBytesMax, sealedPacketBytesMin)
	}
	return c.Secret.Validate()
}

func (c Config) checkListen(field string, addr netip.AddrPort) error {
	rule := "must be an IPv4 address with a port in 1..65535"
	if c.Addresses != nil {
		rule = "must be an address with a port in 1..65535"
	}
	if !addr.IsValid() || addr.Port() == 0 || c.Addresses == nil && !addr.Addr().Is4() {
		return fmt.Errorf("%w: %s is %v, %s", ErrConfig, field, addr, rule)
	}
	return nil
}

// WithDefaults returns c with every zero field replaced by its default.
func (c Config) WithDefaults() Config {
	if c.ListenAddr == (netip.AddrPort{}) {
		c.ListenAddr = c.Me.AddrPort()
	}
	if c.ListenUDPAddr == (netip.AddrPort{}) {
		everywhere := netip.IPv4Unspecified()
		switch {
		case c.ListenAddr.Addr().IsLoopback():
			everywhere = c.ListenAddr.Addr()
		case c.ListenAddr.Addr().Is6():
			everywhere = netip.IPv6Unspecified()
		}
		c.ListenUDPAddr = netip.AddrPortFrom(everywhere, c.ListenAddr.Port())
	}
	setDefault(&c.PacketBytesMax, pick(c.LargeValues, 10485760, 52428800))
	setDefault(&c.QueuePacketsMax, pick(c.LargeValues, 10240, 1024))
	setDefault(&c.QueueBytesMax, 209715200)
	setDefault(&c.QueueAgeMax, pick(c.LargeValues, 5*time.Second, 20*time.Second))
	setDefault(&c.DialTimeout, 2*time.Second)
	setDefault(&c.BackoffMin, 50*time.Millisecond)
	setDefault(&c.BackoffMax, max(time.Second, c.BackoffMin))
	setDefault(&c.StallMax, c.QueueAgeMax)
	setDefault(&c.AcceptMax, 4096)
	setDefault(&c.PeerMax, 4096)
	setDefault(&c.ReceiveBytesMax, pick(c.LargeValues, 268435456, 536870912))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func pick[T any](large bool, normal, other T) T {
	if large {
		return other
	}
	return normal
}
