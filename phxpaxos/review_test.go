package phxpaxos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// A log in memory, or on any file system but the machine's, keeps everything
// there: nothing is written into, or read from, the directory in which the
// program happens to run.
func TestReviewLogInMemoryLeavesNoFiles(t *testing.T) {
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
	deadline := time.Now().Add(30 * time.Second)
	for n.Features().Level < FeatureNewest && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%+v", n.Features())
	must(t, n.Close())
	must(t, store.Close())
	if found := filesIn(t, "."); len(found) > 1 {
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
	_ = os.RemoveAll("log")
}

// The same as TestIdentityWithoutLog with a part of the log lost: all of the
// records in the shared layout, those of one group in the original's.
func TestReviewPartOfTheLogIsLost(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		all, dir := ids(2), t.TempDir()
		first := mustVisit(t, soloOptions(all[0], dir, l, 2))
		part := map[LogLayout]string{LayoutOriginal: "g1", LayoutShared: "shared"}[l]
		must(t, os.RemoveAll(filepath.Join(dir, part)))
		o := soloOptions(all[0], dir, l, 2)
		o.FirstStart = true
		opened, err := logOpener{fsys: osfs.FS{}, observer: newObserver(nil, nil)}.open(&o)
		if err != nil {
			t.Skip(err) // that is as well
		}
		id := opened.owner.get()
		must(t, opened.close())
		if o.FirstStart {
			t.Errorf("FirstStart counts although the node has run before and %s is gone", part)
		}
		if l == LayoutShared && id.Directory == first.Directory {
			t.Errorf("recorded as %v, was %v: a lost log is not the old one", id, first)
		}
	})
}
