package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// Three processes that prove who they are elect a master.
func TestElectionWithTLS(t *testing.T) {
	ids, release, err := freeaddr.Hold(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	c := &cluster{t: t, dir: t.TempDir(), ids: ids, nodes: make([]*process.Process, len(ids))}
	authority, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var ties []string
	for i, id := range c.ids {
		ties = append(ties, fmt.Sprintf("%v=node%d.example", id, i+1))
	}
	for i, id := range c.ids {
		pair, err := authority.Issue(certtest.Leaf{Names: []string{fmt.Sprintf("node%d.example", i+1)}})
		if err != nil {
			t.Fatal(err)
		}
		c.nodes[i] = launch(t, c.dir, "-tls-cert", pair.CertFile, "-tls-key", pair.KeyFile, "-tls-ca", authority.CAFile,
			"-tls-nodes", strings.Join(ties, ","), id.String(), nodeaddr.List(c.ids))
	}
	c.agreed(0, 1, 2)
	for _, node := range c.nodes {
		if stderr := node.Stderr(); strings.Contains(stderr, "refused who connected") {
			t.Errorf("stderr %q", stderr)
		}
	}
}
