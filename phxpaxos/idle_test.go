package phxpaxos

import (
	"runtime"
	"testing"
)

// An idle group costs little memory. What a storage keeps for it comes on top.
func TestIdleGroupIsSmall(t *testing.T) {
	const groups = 5000
	used := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	store := newMemory(groups)
	before := used()
	n, err := Run(Options{
		MyNode: ids(3)[0], Nodes: ids(3), GroupCount: groups, LogStorage: store, Network: newHub().network(ids(3)[0]),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	per := (used() - before) / groups
	t.Logf("%d bytes for each of %d groups", per, groups)
	if per > 20<<10 && !raceDetector { // the detector adds some KiB of its own
		t.Errorf("%d bytes for each idle group", per)
	}
}
