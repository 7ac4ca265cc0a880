package addrbook_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/addrbook"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
)

func ExampleParse() {
	entries, err := addrbook.Parse(strings.NewReader(`
		# id            address
		127.0.0.1:11111 node1.paxos.example:11111  # moved
		0x17            [2001:db8::17]:8001
	`))
	fmt.Println(len(entries), entries[0x17], err)
	_, err = addrbook.Parse(strings.NewReader("23 node23.paxos.example"))
	fmt.Println(err)
	// Output:
	// 2 [2001:db8::17]:8001 <nil>
	// line 1: bad address book entry: "node23.paxos.example" for node 23: want a host and a port such as node1.example:8001 or [2001:db8::1]:8001
}

func ExampleBook() {
	book, err := addrbook.New(map[nodeid.ID]string{1: "node1.example:8001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := book.Set(2, "[::1]:8001"); err != nil {
		fmt.Println(err)
	}
	book.Remove(1)
	_, one := book.Address(1)
	two, _ := book.Address(2)
	fmt.Println(one, two)
	// Output: false [::1]:8001
}

func TestEntries(t *testing.T) {
	for _, address := range []string{"", "host", "host:", ":8001", "host:0", "host:65536", "host:http", "a b:1", "::1:8001", "[::1]", "http://host:1"} {
		if _, err := addrbook.New(map[nodeid.ID]string{1: address}); !errors.Is(err, addrbook.ErrEntry) {
			t.Errorf("%q: %v", address, err)
		}
	}
	book, err := addrbook.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Set(0, "host:1"); !errors.Is(err, addrbook.ErrEntry) {
		t.Errorf("node 0: %v", err)
	}
	entries := map[nodeid.ID]string{1: "a:1"}
	if err := book.Update(entries); err != nil {
		t.Fatal(err)
	}
	entries[1] = "changed behind its back:2"
	if err := book.Update(map[nodeid.ID]string{1: "b:1", 2: "no port"}); err == nil {
		t.Error("a bad entry is taken")
	}
	if a, ok := book.Address(1); a != "a:1" || !ok {
		t.Errorf("%q %v after a refused update", a, ok)
	}
}

func TestOwnAddress(t *testing.T) {
	one, err := nodeid.Parse("127.0.0.1:8001")
	if err != nil {
		t.Fatal(err)
	}
	book := addrbook.OwnAddress(addrbook.Func(func(id nodeid.ID) (string, bool) { return "moved:1", id == 5 }))
	for id, want := range map[nodeid.ID]string{5: "moved:1", one: "127.0.0.1:8001", 6: "", one + 65536: "", 0: ""} {
		if got, ok := book.Address(id); got != want || ok != (want != "") {
			t.Errorf("%d: %q %v, want %q", uint64(id), got, ok, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"1 a:1\n2":                   "line 2",
		"1 a:1 b:2":                  "line 1",
		"x a:1":                      `"x" is no node id`,
		"300.0.0.1:1 a:1":            "is no node id",
		"1 a:1\n\n# c\n0x1 b:1":      "line 4: bad address book entry: node 0x1 is there twice",
		"0 a:1":                      "node 0",
		strings.Repeat("#\n", 1<<20): "longer than",
		strings.Repeat("#", 2<<20):   "longer than",
		"18446744073709551616 a:1":   "is no node id",
	} {
		if _, err := addrbook.Parse(strings.NewReader(text)); !errors.Is(err, addrbook.ErrEntry) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// FuzzParse: what is read can be dialled, and reads back.
func FuzzParse(f *testing.F) {
	f.Add("127.0.0.1:1 host:1\n# c\n7 [::1]:2")
	f.Add("1 a:1#\r\n2\tb:2")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := addrbook.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		if _, err := addrbook.New(entries); err != nil {
			t.Fatalf("an entry that was read is refused: %v", err)
		}
		var again strings.Builder
		for id, address := range entries {
			fmt.Fprintf(&again, "%d %s\n", uint64(id), address)
		}
		back, err := addrbook.Parse(strings.NewReader(again.String()))
		if err != nil || !maps.Equal(back, entries) {
			t.Fatalf("%v reads back as %v, %v", entries, back, err)
		}
	})
}

// ports returns ports that are held until the test has ended.
func ports(t *testing.T, n int) []uint16 {
	t.Helper()
	var all []uint16
	for _, id := range certtest.HoldIDs(t, n) {
		all = append(all, id.AddrPort().Port())
	}
	return all
}

type node struct {
	*network.TCP
	in  chan string
	rec certtest.Events
}

func start(t *testing.T, me nodeid.ID, book network.Addresses, listen string) *node {
	t.Helper()
	n := &node{in: make(chan string, 1000)}
	tcp, err := network.NewTCP(network.Config{
		Me: me, Addresses: book, ListenAddr: netip.MustParseAddrPort(listen), Observer: &n.rec,
		BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.TCP = tcp
	if err := tcp.Start(func(p []byte) { n.in <- string(p) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	return n
}

// arrives sends until the packet has arrived.
func arrives(t *testing.T, from *node, id nodeid.ID, to *node, packet string) {
	t.Helper()
	certtest.Eventually(t, packet+" arrives", func() bool {
		from.Send(id, []byte(packet), network.Stream)
		select {
		case p := <-to.in:
			return p == packet
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// A node is reached by name, by IPv6, and where it has moved to, although the
// old place still listens and takes everything.
func TestNodeMoves(t *testing.T) {
	p := ports(t, 4)
	book, err := addrbook.New(map[nodeid.ID]string{
		1: fmt.Sprintf("127.0.0.1:%d", p[0]),
		2: fmt.Sprintf("localhost:%d", p[1]),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, 1, book, fmt.Sprintf("127.0.0.1:%d", p[0]))
	old := start(t, 2, book, fmt.Sprintf("127.0.0.1:%d", p[1]))
	arrives(t, a, 2, old, "by name")
	arrives(t, old, 1, a, "back")

	moved := start(t, 2, book, fmt.Sprintf("127.0.0.1:%d", p[2]))
	if err := book.Set(2, fmt.Sprintf("127.0.0.1:%d", p[2])); err != nil {
		t.Fatal(err)
	}
	arrives(t, a, 2, moved, "moved")
	for len(old.in) > 0 {
		if got := <-old.in; got == "moved" {
			t.Error("a packet went to the old address")
		}
	}
	if hasIPv6() {
		six := start(t, 2, book, fmt.Sprintf("[::1]:%d", p[3]))
		if err := book.Set(2, fmt.Sprintf("[::1]:%d", p[3])); err != nil {
			t.Fatal(err)
		}
		arrives(t, a, 2, six, "by IPv6")
	} else {
		t.Log("this machine has no IPv6: that part is not tested")
	}

	book.Remove(2)
	before := a.rec.Count(event.NetError, "")
	certtest.Eventually(t, "a node that nobody knows is not dialled", func() bool {
		a.Send(2, []byte("x"), network.Stream)
		return a.rec.Count(event.NetError, "") > before
	})
	noPeer := a.rec.Count(event.NetNoPeer, "")
	a.Send(3, []byte("x"), network.Stream)
	if n := a.rec.Count(event.NetNoPeer, "") - noPeer; n != 1 {
		t.Errorf("%d events for a node that was never known, want 1", n)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".part", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".part", path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := addrbook.Open(path, addrbook.FileOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write("1 a.example:1\n")
	if _, err := addrbook.Open(path, addrbook.FileOptions{CheckInterval: time.Nanosecond}); err == nil {
		t.Error("an interval of 1ns is taken")
	}
	log := new(certtest.Log)
	book, err := addrbook.Open(path, addrbook.FileOptions{CheckInterval: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	is := func(want string) func() bool {
		return func() bool { got, ok := book.Address(1); return got == want && ok }
	}
	if !is("a.example:1")() {
		t.Fatal("not what the file says")
	}
	write("1 b.example:1\n")
	certtest.Eventually(t, "the change is seen", is("b.example:1"))
	write("1 c.example\n")
	certtest.Eventually(t, "the error is logged", func() bool { book.Address(1); return log.Count("line 1") == 1 })
	if !is("b.example:1")() {
		t.Error("the old entry did not stay")
	}
	os.Remove(path)
	if !is("b.example:1")() {
		t.Error("the old entry did not stay without a file")
	}
	write("1 d.example:1\n")
	certtest.Eventually(t, "the change is seen", is("d.example:1"))
	if n := log.Count("WARN"); n != 1 {
		t.Errorf("%d warnings in a minute, want 1", n)
	}
}

// A relative path means what it meant when the file was opened.
func TestFileOutlivesChdir(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("book", []byte("1 a.example:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	book, err := addrbook.Open("book", addrbook.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := book.Reload(); err != nil {
		t.Error(err)
	}
}

// The suite runs over a book whose ids are no addresses.
func TestConformance(t *testing.T) {
	// The suite picks ids that are addresses; the nodes live at other ports.
	var mu sync.Mutex
	at := make(map[nodeid.ID]string)
	address := func(id nodeid.ID) string {
		mu.Lock()
		defer mu.Unlock()
		if at[id] == "" {
			at[id] = fmt.Sprintf("127.0.0.1:%d", ports(t, 1)[0])
		}
		return at[id]
	}
	book := addrbook.Func(func(id nodeid.ID) (string, bool) { return address(id), id > 1<<33 })
	networktest.Suite{
		New: func(t testing.TB, me nodeid.ID) network.Network {
			n, err := network.NewTCP(network.Config{Me: me, Addresses: book, ListenAddr: netip.MustParseAddrPort(address(me))})
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Address: address,
	}.Run(t)
}
