package networktest

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Suite says what to check.
type Suite struct {
	// New returns a network for node me that was not started. It is called
	// again with an id whose network was closed: that is a restart. The suite
	// closes what it starts. Required.
	New func(t testing.TB, me nodeid.ID) network.Network

	// PacketBytesMax is the largest packet that has to arrive, in bytes.
	// Default 10485760, or 1048576 with -short.
	PacketBytesMax int

	// Address is where a node listens by TCP and maybe UDP, as "host:port". The
	// suite plays strangers there. Default: the address in the id.
	Address func(id nodeid.ID) string

	// Guarded says that a stranger who just connects gets no packet through,
	// whatever it sends.
	Guarded bool
}

// Run checks the networks that open returns, with the defaults of Suite.
func Run(t *testing.T, open func(t testing.TB, me nodeid.ID) network.Network) {
	t.Helper()
	Suite{New: open}.Run(t)
}

// Run runs the suite as subtests of t. It takes some seconds and listens on
// the loopback interface only.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	if s.PacketBytesMax == 0 {
		s.PacketBytesMax = 10485760
		if testing.Short() {
			s.PacketBytesMax = 1 << 20
		}
	}
	if s.Address == nil {
		s.Address = nodeid.ID.String
	}
	for _, c := range []struct {
		name string
		run  func(Suite, *testing.T)
	}{
		{"Sizes", Suite.testSizes},
		{"EverybodyToEverybody", Suite.testMesh},
		{"ConcurrentSenders", Suite.testConcurrentSenders},
		{"LargeBothWays", Suite.testLargeBothWays},
		{"ReceiverOwnsPacket", Suite.testReceiverOwnsPacket},
		{"SendFromReceive", Suite.testSendFromReceive},
		{"OddSends", Suite.testOddSends},
		{"DeadPeer", Suite.testDeadPeer},
		{"PeerThatDoesNotRead", Suite.testPeerThatDoesNotRead},
		{"RestartedPeer", Suite.testRestartedPeer},
		{"FormerLife", Suite.testFormerLife},
		{"Garbage", Suite.testGarbage},
		{"HugeClaims", Suite.testHugeClaims},
		{"StartTwice", Suite.testStartTwice},
		{"CloseUnderLoad", Suite.testCloseUnderLoad},
		{"CloseWaitsForReceive", Suite.testCloseWaitsForReceive},
		{"CloseStates", Suite.testCloseStates},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(s, t) })
	}
}
