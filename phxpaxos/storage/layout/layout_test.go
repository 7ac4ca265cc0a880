package layout_test

import (
	"fmt"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

func TestOf(t *testing.T) {
	disk := memfs.New()
	want := func(dir string, want layout.Layout) {
		t.Helper()
		if got, err := layout.Of(disk, dir); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", dir, got, err, want)
		}
	}
	for _, dir := range []string{"empty", "away/g3.bak", "other/gold"} {
		if err := disk.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	want("empty", layout.None)
	want("missing", layout.None)
	want("other", layout.None)
	want("away", layout.Original) // an original node died in its ClearAllLog
	v, err := vfile.Open("v", 1, vfile.Options{FS: disk, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	want("v", layout.Original)
}

// However early the making of a shared log ends, its directory is never taken
// for one of the original's layout.
func TestHalfMade(t *testing.T) {
	for n := range 30 {
		disk := memfs.New()
		disk.CrashAfter(n)
		s, err := sharedlog.Open("d", 1, sharedlog.Options{FS: disk, Deterministic: true})
		if err == nil {
			s.Close()
		}
		disk = disk.Crash(memfs.KeepAll, nil)
		got, err := layout.Of(disk, "d")
		if err != nil || got == layout.Original {
			t.Fatalf("after %d changes: %v, %v", n, got, err)
		}
	}
}

// What is there can be opened by its own layout only.
func TestWrongLayout(t *testing.T) {
	disk := memfs.New()
	v, err := vfile.Open("v", 1, vfile.Options{FS: disk, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	s, err := sharedlog.Open("s", 1, sharedlog.Options{FS: disk, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := sharedlog.Open("v", 1, sharedlog.Options{FS: disk, Deterministic: true}); err == nil {
		t.Error("a shared log opens in a directory of the original's layout")
	}
	if _, err := vfile.Open("s", 1, vfile.Options{FS: disk, Deterministic: true}); err == nil {
		t.Error("the original's layout opens in the directory of a shared log")
	}
}

func ExampleOf() {
	var disk storage.FS = memfs.New()
	s, err := sharedlog.Open("log", 1, sharedlog.Options{FS: disk})
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Close()
	fmt.Println(layout.Of(disk, "log"))
	// Output: shared <nil>
}
