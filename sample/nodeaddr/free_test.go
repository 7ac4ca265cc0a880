package nodeaddr_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
)

func TestFreeAddressesAreDifferentAndUsable(t *testing.T) {
	ids, err := nodeaddr.Free(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[nodeid.ID]bool)
	for _, id := range ids {
		if seen[id] {
			t.Errorf("%v was given twice", id)
		}
		seen[id] = true
	}
	l, err := net.Listen("tcp4", ids[0].String())
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	l.Close()
}

func TestFreeWithOffset(t *testing.T) {
	ids, err := nodeaddr.Free(5, 10000)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		addr := id.AddrPort()
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr(), addr.Port()+10000)))
		if err != nil {
			t.Fatalf("%v + 10000 is not free: %v", id, err)
		}
		l.Close()
	}
}

func TestListReadsBack(t *testing.T) {
	ids, err := nodeaddr.Free(3)
	if err != nil {
		t.Fatal(err)
	}
	again, ignored, err := nodeaddr.ParseList(nodeaddr.List(ids))
	if err != nil || len(ignored) != 0 || len(again) != 3 || again[0] != ids[0] || again[2] != ids[2] {
		t.Errorf("ParseList(List(%v)) = %v, %q, %v", ids, again, ignored, err)
	}
}
