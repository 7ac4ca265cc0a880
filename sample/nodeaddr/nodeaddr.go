// Package nodeaddr reads the node addresses on a sample's command line.
//
// All samples take addresses in the original's form: "ip:port" for one node,
// and a comma-separated list of these for a cluster (spec/storage-api.md
// section 9). The package is for the samples and may change.
package nodeaddr

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrSyntax is matched by errors about text that is not of the form
// "ip:port". A well-formed text that names no node matches
// nodeid.ErrAddress instead.
var ErrSyntax = errors.New("want an address such as 127.0.0.1:11111")

// Parse reads one "ip:port". As in the original, white space in front of the
// port is skipped and whatever follows the port is not looked at; it is
// returned as ignored, so that the caller can warn about it.
func Parse(s string) (id nodeid.ID, ignored string, err error) {
	host, rest, found := strings.Cut(s, ":")
	if !found || host == "" {
		return nodeid.None, "", fmt.Errorf("%q: %w", s, ErrSyntax)
	}
	rest = strings.TrimLeft(rest, " \t\n\v\f\r")
	digits := rest
	if end := strings.IndexFunc(rest, notDigit); end >= 0 {
		digits, ignored = rest[:end], rest[end:]
	}
	if digits == "" {
		return nodeid.None, "", fmt.Errorf("%q: %w", s, ErrSyntax)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nodeid.None, "", fmt.Errorf("%q: port %s is not in 1..65535: %w", s, digits, nodeid.ErrAddress)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is4() {
		return nodeid.None, "", fmt.Errorf("%q: %q is not an IPv4 address: %w", s, host, nodeid.ErrAddress)
	}
	id, err = nodeid.FromAddrPort(netip.AddrPortFrom(addr, uint16(port)))
	if err != nil {
		return nodeid.None, "", err
	}
	return id, ignored, nil
}

// ParseList reads a comma-separated list of at least one address. A comma at
// the end is tolerated, as in the original; an empty element elsewhere is an
// error. ignored holds what Parse ignored, one text for each element that
// had something to ignore.
func ParseList(s string) (ids []nodeid.ID, ignored []string, err error) {
	for i, element := range strings.Split(strings.TrimSuffix(s, ","), ",") {
		id, rest, err := Parse(element)
		if err != nil {
			return nil, nil, fmt.Errorf("address %d of the list: %w", i+1, err)
		}
		ids = append(ids, id)
		if rest != "" {
			ignored = append(ignored, rest)
		}
	}
	return ids, ignored, nil
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

func notDigit(r rune) bool { return r < '0' || r > '9' }
