package ut

import (
	"net/netip"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/ut/gtest"
)

func TestNodeID(t *testing.T) {
	const (
		address = "10.123.102.77:8001"
		id      = 5577280471424835393
	)
	report.Case(t,
		gtest.Test{Name: "IPPort2NodeID", Run: func(t *testing.T) {
			got, err := nodeid.Parse(address)
			if err != nil || got != id {
				t.Errorf("Parse(%q) = %d, %v, want %d", address, uint64(got), err, uint64(id))
			}
			got, err = nodeid.FromAddrPort(netip.MustParseAddrPort(address))
			if err != nil || got != id {
				t.Errorf("FromAddrPort(%s) = %d, %v, want %d", address, uint64(got), err, uint64(id))
			}
		}},
		gtest.Test{Name: "NodeID2IPPort", Run: func(t *testing.T) {
			if got := nodeid.ID(id).AddrPort(); got != netip.MustParseAddrPort(address) {
				t.Errorf("%d is %v, want %s", uint64(id), got, address)
			}
			if got := nodeid.ID(id).String(); got != address {
				t.Errorf("%d is printed as %s, want %s", uint64(id), got, address)
			}
		}},
	)
}
