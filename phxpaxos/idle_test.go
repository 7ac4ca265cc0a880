package phxpaxos

import (
	"runtime"
	"testing"
	"time"
)

// An idle group costs little memory. What a storage keeps for it comes on top.
func TestIdleGroupIsSmall(t *testing.T) {
	const groups = 5000
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	store := newMemory(groups)
	before := used()
	began := time.Now()
	n, err := Run(Options{
		MyNode: ids(3)[0], Nodes: ids(3), GroupCount: groups, LogStorage: store, Network: newHub().network(ids(3)[0]),
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	defer n.Close()
	per := (used() - before) / groups
	t.Logf("%d bytes for each of %d groups, started in %v", per, groups, took)
	if per > 20<<10 {
		t.Errorf("%d bytes for each idle group", per)
	}
}
