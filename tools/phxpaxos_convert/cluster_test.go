package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// What the members agreed on, the identity of the cluster and an operator's
// limit among it, and that a node may not vote yet, outlive a conversion.
func TestConvertedDirectoryKnowsItsCluster(t *testing.T) {
	me, err := nodeid.Parse("127.0.0.1:11111")
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	a, b := filepath.Join(base, "a"), filepath.Join(base, "b")
	n, err := phxpaxos.Run(phxpaxos.Options{MyNode: me, Nodes: []nodeid.ID{me}, LogStoragePath: a, LogLayout: phxpaxos.LayoutShared, Network: silence{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), 0, 0, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := n.LimitFeatures(await.Context(t), phxpaxos.FeatureBase); err != nil {
		t.Fatal(err)
	}
	before := n.Features()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(a, "groups", "0", "newcomer") // as of a node that lost its log and is still learning
	if err := os.MkdirAll(filepath.Dir(mark), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	convert(t, 0, a, b)
	if _, err := os.Stat(filepath.Join(b, "g0", "newcomer")); err != nil {
		t.Errorf("the mark that keeps the node from voting: %v", err)
	}
	n, err = phxpaxos.Run(phxpaxos.Options{MyNode: me, Nodes: []nodeid.ID{me}, LogStoragePath: b, Network: silence{}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if after := n.Features(); after != before {
		t.Errorf("features %+v, before the conversion %+v", after, before)
	}
}
