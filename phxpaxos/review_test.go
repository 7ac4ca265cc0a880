package phxpaxos

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

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
