package main

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

// A node takes a filled log for one that it wrote, and goes on behind it.
func TestNodesGoOnBehindAFilledLog(t *testing.T) {
	const instances = 2500
	nodes, release, err := freeaddr.Hold(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	store, err := sharedlog.Open(t.TempDir(), 2, sharedlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := fill(store, 2, instances, nodes, logValueBytes); err != nil {
		t.Fatal(err)
	}
	node, err := phxpaxos.Run(phxpaxos.Options{MyNode: nodes[0], Nodes: nodes, LogStorage: store, GroupCount: 2,
		StateMachines: []sm.StateMachine{machine{instances}}})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	for g := range 2 {
		r, err := node.Propose(t.Context(), g, machineID, []byte("next"))
		if err != nil || r.Instance != instances {
			t.Errorf("group %d: instance %d, %v, want %d", g, r.Instance, err, instances)
		}
		if got, err := node.GetInstanceValue(t.Context(), g, instances/2); err != nil || len(got) != 1 || len(got[0].Value) != logValueBytes {
			t.Errorf("group %d: %v in the middle, %v", g, got, err)
		}
	}
}
