package certs

import (
	"crypto/x509"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// namesOf returns the names of a certificate. The common name counts only if
// there are no others: authorities check it less.
func namesOf(c *x509.Certificate) []string {
	var names []string
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, uri := range c.URIs {
		names = append(names, uri.String())
	}
	names = append(names, c.EmailAddresses...)
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

// policy says which names are let in, and as whom. It is never changed.
type policy struct {
	allow []string
	nodes map[nodeid.ID]string
	ids   map[string][]nodeid.ID // of a name in lower case
}

func newPolicy(allow []string, nodes map[nodeid.ID]string) *policy {
	p := &policy{
		allow: append([]string(nil), allow...),
		nodes: make(map[nodeid.ID]string, len(nodes)),
		ids:   make(map[string][]nodeid.ID, len(nodes)),
	}
	for id, name := range nodes {
		p.nodes[id] = name
		key := strings.ToLower(name)
		p.ids[key] = append(p.ids[key], id)
	}
	return p
}

// letsIn says whether one of the names may connect.
func (p *policy) letsIn(names []string) bool {
	for _, name := range names {
		if len(p.ids[strings.ToLower(name)]) > 0 {
			return true
		}
	}
	for _, pattern := range p.allow {
		if pattern == "*" {
			return true
		}
		for _, name := range names {
			if matches(pattern, name) {
				return true
			}
		}
	}
	return false
}

// matches compares without regard to case, as DNS does. A name that is itself
// a pattern, as in certificates for a whole domain, is matched as it stands.
func matches(pattern, name string) bool {
	if strings.EqualFold(pattern, name) {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*")
	if !wild || strings.Contains(name, "*") {
		return false
	}
	label, rest, found := strings.Cut(name, ".")
	return found && label != "" && strings.EqualFold(suffix, "."+rest)
}

// speaksFor says whether who has the names may be the node.
func (p *policy) speaksFor(names []string, id nodeid.ID) bool {
	if want, tied := p.nodes[id]; tied {
		for _, name := range names {
			if strings.EqualFold(name, want) {
				return true
			}
		}
		return false
	}
	// An id without a name is free, but not for those who have ids of their own.
	for _, name := range names {
		if len(p.ids[strings.ToLower(name)]) > 0 {
			return false
		}
	}
	return true
}
