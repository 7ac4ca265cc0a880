package phxpaxos

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

// The same as TestIdentityWithoutLog with a part of the log lost: all of the
// records in the shared layout, those of one group in the original's.
func TestPartOfTheLogIsLost(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		all, dir := ids(2), t.TempDir()
		first := mustVisit(t, soloOptions(all[0], dir, l, 2))
		part := map[LogLayout]string{LayoutOriginal: "g1", LayoutShared: "shared"}[l]
		must(t, os.RemoveAll(filepath.Join(dir, part)))
		o := soloOptions(all[0], dir, l, 2)
		o.FirstStart = true
		opened, err := logOpener{fsys: osfs.FS{}, observer: newObserver(nil, nil)}.open(&o)
		must(t, err)
		id := opened.owner.get()
		must(t, opened.close())
		if o.FirstStart {
			t.Errorf("FirstStart counts although the node has run before and %s is gone", part)
		}
		if l == LayoutShared && id.Directory == first.Directory {
			t.Errorf("recorded as %v, was %v: a lost log is not the old one", id, first)
		}
		// A group that the identity does not record is new, not lost.
		o = soloOptions(all[0], dir, l, 3)
		o.FirstStart = true
		opened, err = logOpener{fsys: osfs.FS{}, observer: newObserver(nil, nil)}.open(&o)
		must(t, err)
		must(t, opened.close())
		if !o.FirstStart {
			t.Error("FirstStart is ignored although only a group was added")
		}
	})
}

// A loss of power at any step of the first start leaves no log that counts as
// lost: FirstStart still applies at the next start.
func TestFirstStartAfterLossOfPower(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		o := soloOptions(ids(1)[0], "/log", l, 3)
		for steps, done := 0, false; !done; steps++ {
			disk := memfs.New()
			disk.CrashAfter(steps)
			_, err := openOn(disk, o)
			done = err == nil
			disk = disk.Crash(memfs.Policy(steps%memfs.Policies), rand.New(rand.NewPCG(uint64(steps), 7)))
			again := o
			again.FirstStart = true
			opened, err := logOpener{fsys: disk, observer: newObserver(nil, nil)}.open(&again)
			must(t, err)
			must(t, opened.close())
			if !again.FirstStart {
				t.Fatalf("power cut after %d steps of the first start: the next one ignores FirstStart", steps)
			}
		}
	})
}
