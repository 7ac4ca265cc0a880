package addrbook

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrEntry is matched by errors about an id or an address.
var ErrEntry = errors.New("bad address book entry")

// Book is an address book that the program fills. All methods are safe for
// concurrent use.
type Book struct {
	changing sync.Mutex
	entries  atomic.Pointer[map[nodeid.ID]string] // replaced, never changed
}

var _ network.Addresses = (*Book)(nil)

// New returns a book with entries, "host:port" each.
func New(entries map[nodeid.ID]string) (*Book, error) {
	b := new(Book)
	return b, b.Update(entries)
}

// Update replaces all entries. On an error, which names the entry, nothing has
// changed.
func (b *Book) Update(entries map[nodeid.ID]string) error {
	for id, address := range entries {
		if err := validate(id, address); err != nil {
			return err
		}
	}
	fresh := maps.Clone(entries)
	b.changing.Lock()
	defer b.changing.Unlock()
	b.entries.Store(&fresh)
	return nil
}

// Set changes one entry, or adds it.
func (b *Book) Set(id nodeid.ID, address string) error {
	if err := validate(id, address); err != nil {
		return err
	}
	b.change(func(entries map[nodeid.ID]string) { entries[id] = address })
	return nil
}

// Remove removes an entry; the node is not reached any more.
func (b *Book) Remove(id nodeid.ID) {
	b.change(func(entries map[nodeid.ID]string) { delete(entries, id) })
}

func (b *Book) change(edit func(map[nodeid.ID]string)) {
	b.changing.Lock()
	defer b.changing.Unlock()
	fresh := maps.Clone(*b.entries.Load())
	if fresh == nil {
		fresh = make(map[nodeid.ID]string)
	}
	edit(fresh)
	b.entries.Store(&fresh)
}

// Address implements network.Addresses. It takes no lock.
func (b *Book) Address(id nodeid.ID) (string, bool) {
	address, ok := (*b.entries.Load())[id]
	return address, ok
}

// validate says whether an entry can be dialled.
func validate(id nodeid.ID, address string) error {
	if id == nodeid.None {
		return fmt.Errorf("%w: node 0 is no node", ErrEntry)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q for node %d: want a host and a port such as node1.example:8001 or [2001:db8::1]:8001", ErrEntry, address, uint64(id))
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n/") {
		return fmt.Errorf("%w: %q for node %d names no host", ErrEntry, address, uint64(id))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%w: %q for node %d: the port must be in 1..65535", ErrEntry, address, uint64(id))
	}
	return nil
}

// Func lets an ordinary function be an address book. It must keep the contract
// of network.Addresses: it is called before every write, so it must not block.
type Func func(id nodeid.ID) (address string, ok bool)

// Address calls f.
func (f Func) Address(id nodeid.ID) (string, bool) { return f(id) }

// OwnAddress is a book in which nodes that are not in another one are reached
// at the address in their id. That is for clusters of which some nodes moved.
func OwnAddress(book network.Addresses) network.Addresses {
	return Func(func(id nodeid.ID) (string, bool) {
		if address, ok := book.Address(id); ok {
			return address, true
		}
		ap := id.AddrPort()
		if again, err := nodeid.FromAddrPort(ap); err != nil || again != id || ap.Addr().IsUnspecified() {
			return "", false
		}
		return ap.String(), true
	})
}
