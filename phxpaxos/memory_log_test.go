package phxpaxos

import (
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// A log in memory, or on any file system but the machine's, keeps everything
// there: nothing is written into, or read from, the directory in which the
// program happens to run.
func TestLogInMemoryLeavesNoFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	me := ids(2)[0]
	store, err := vfile.Open("log", 1, vfile.Options{FS: memfs.New()})
	must(t, err)
	o := soloOptions(me, "", LayoutAuto, 1)
	o.LogStorage, o.FirstStart = store, true
	n, err := Run(o)
	must(t, err)
	_, err = n.Propose(await.Context(t), 0, 1, []byte("a"))
	must(t, err)
	e := env{n.loops[0]}
	must(t, e.writeLedger([]byte("ledger")))
	must(t, e.setMark(true))
	deadline := time.Now().Add(30 * time.Second)
	for n.Features().Level < FeatureNewest && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	must(t, n.Close())
	if data, ok, err := e.readLedger(); string(data) != "ledger" || !ok || err != nil {
		t.Errorf("the ledger on the log's file system: %q, %v, %v", data, ok, err)
	}
	if on, err := e.marked(); !on || err != nil {
		t.Errorf("the mark on the log's file system: %v, %v", on, err)
	}
	must(t, e.setMark(false))
	if on, err := e.marked(); on || err != nil {
		t.Errorf("the mark after it was removed: %v, %v", on, err)
	}
	must(t, store.Close())
	if found := filesIn(t, "."); len(found) > 1 { // the directory itself
		t.Errorf("the machine's disk has %v", found)
	}
	// The next process begins with an empty log, and knows a cluster already.
	store, err = vfile.Open("log", 1, vfile.Options{FS: memfs.New()})
	must(t, err)
	o = soloOptions(ids(2)[1], "", LayoutAuto, 1)
	o.LogStorage, o.FirstStart = store, true
	n, err = Run(o)
	must(t, err)
	if c := n.Features().Cluster; !c.IsZero() {
		t.Errorf("another node with an empty log belongs to cluster %v", c)
	}
	must(t, n.Close())
}
