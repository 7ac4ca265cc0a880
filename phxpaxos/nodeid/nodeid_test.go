package nodeid_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

func ExampleParse() {
	id, err := nodeid.Parse("127.0.0.1:11111")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id, uint64(id))
	// Output: 127.0.0.1:11111 72058139498785639
}

// The vectors of spec/protocol.md section 1, the original's own test among
// them, and the ends of the range.
var vectors = []struct {
	addr string
	id   nodeid.ID
}{
	{"10.123.102.77:8001", 5577280471424835393},
	{"127.0.0.1:11111", 72058139498785639},
	{"192.168.1.10:8080", 721042957943185296},
	{"0.0.0.0:1", 1},
	{"255.255.255.254:65535", 0xFEFFFFFF_0000FFFF},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		id, err := nodeid.Parse(v.addr)
		if err != nil || id != v.id {
			t.Errorf("Parse(%q) = %d, %v, want %d", v.addr, uint64(id), err, uint64(v.id))
		}
		if got := v.id.String(); got != v.addr {
			t.Errorf("%d is %q, want %q", uint64(v.id), got, v.addr)
		}
	}
}

// Ties between ballots are broken by ids as unsigned numbers, so the last
// octet counts most. A signed comparison would turn this order round.
func TestOrderIsUnsignedLastOctetFirst(t *testing.T) {
	order := []string{"9.9.9.1:9", "9.9.9.127:1", "1.1.1.128:1", "1.1.1.128:2", "2.1.1.128:1", "1.2.1.128:1"}
	last := nodeid.None
	for _, addr := range order {
		id, err := nodeid.Parse(addr)
		if err != nil {
			t.Fatal(err)
		}
		if id <= last {
			t.Errorf("%s (%d) is not above %s (%d)", addr, uint64(id), last, uint64(last))
		}
		last = id
	}
}

func TestRefused(t *testing.T) {
	for _, addr := range []string{
		"", "127.0.0.1", "127.0.0.1:", ":11111", "localhost:11111", "127.0.0.1:0", "127.0.0.1:65536",
		"127.0.0.1:-1", "127.0.0.256:1", "255.255.255.255:1", "[::1]:11111", "127.0.0.1:11111 ", "01.2.3.4:5",
	} {
		if id, err := nodeid.Parse(addr); !errors.Is(err, nodeid.ErrAddress) || id != nodeid.None {
			t.Errorf("Parse(%q) = %v, %v, want None and ErrAddress", addr, id, err)
		}
	}
	if _, err := nodeid.FromAddrPort(netip.AddrPort{}); !errors.Is(err, nodeid.ErrAddress) {
		t.Errorf("the zero AddrPort: %v, want ErrAddress", err)
	}
}

func TestMappedAddressIsIPv4(t *testing.T) {
	id, err := nodeid.FromAddrPort(netip.MustParseAddrPort("[::ffff:127.0.0.1]:11111"))
	if err != nil || id != 72058139498785639 {
		t.Errorf("got %v, %v, want 127.0.0.1:11111", id, err)
	}
}

// Whatever Parse takes names a node, and comes back from String.
func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.addr)
	}
	f.Add("255.255.255.255:1")
	f.Add("[::ffff:1.2.3.4]:5")
	f.Add("[::1%eth0]:5")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := nodeid.Parse(s)
		if err != nil {
			if !errors.Is(err, nodeid.ErrAddress) {
				t.Fatalf("error %v does not match ErrAddress", err)
			}
			return
		}
		if again, err := nodeid.Parse(id.String()); err != nil || again != id || id == nodeid.None {
			t.Fatalf("%q is %d, printed as %q, parsed again as %d, %v", s, uint64(id), id, uint64(again), err)
		}
	})
}
