package onesync_test

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/onesync"
)

func open(t *testing.T, s storage.FS, name string) storage.File {
	t.Helper()
	f, err := s.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f storage.File, text string) {
	t.Helper()
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// lose makes the next sync of a file fail, and lets a handle meet it.
func lose(t *testing.T, disk *memfs.FS, f storage.File, name string) error {
	t.Helper()
	want := fmt.Errorf("injected: %w", syscall.EIO)
	disk.FailNext(memfs.OpSync, name, want)
	write(t, f, "lost")
	if err := f.SyncData(); err != want {
		t.Fatalf("the failing sync returned %v", err)
	}
	return want
}

// The error stays with the file, whatever happens to its handles and names.
func TestErrorStaysWithTheFile(t *testing.T) {
	check := func(t *testing.T, f storage.File, want error) {
		t.Helper()
		for range 2 {
			if err := f.Sync(); err != want {
				t.Errorf("Sync: %v, want %v", err, want)
			}
			if err := f.SyncData(); err != want {
				t.Errorf("SyncData: %v, want %v", err, want)
			}
		}
	}
	for name, after := range map[string]func(t *testing.T, s *onesync.FS, f storage.File) storage.File{
		"same handle":  func(_ *testing.T, _ *onesync.FS, f storage.File) storage.File { return f },
		"other handle": func(t *testing.T, s *onesync.FS, _ storage.File) storage.File { return open(t, s, "d/../d/a") },
		"opened again": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			f.Close()
			f.Close()
			return open(t, s, "d/a")
		},
		"renamed": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			f.Close()
			if err := s.Rename("d/a", "d/b"); err != nil {
				t.Fatal(err)
			}
			return open(t, s, "d/b")
		},
		"renamed directory": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			f.Close()
			if err := s.Rename("d", "e"); err != nil {
				t.Fatal(err)
			}
			return open(t, s, "e/a")
		},
		"renamed twice": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			if err := errors.Join(s.Rename("d/a", "d/b"), s.Rename("d/b", "d/a"), f.Close()); err != nil {
				t.Fatal(err)
			}
			return open(t, s, "d/a")
		},
		"removed, old handle": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			if err := s.Remove("d/a"); err != nil {
				t.Fatal(err)
			}
			return f
		},
		"truncated": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			f, err := s.Open("d/a", storage.ReadWrite|storage.Truncate)
			if err != nil {
				t.Fatal(err)
			}
			return f
		},
		"refused removal": func(t *testing.T, s *onesync.FS, f storage.File) storage.File {
			f.Close()
			if err := s.Remove("d"); err == nil {
				t.Fatal("a directory that is not empty was removed")
			}
			return open(t, s, "d/a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := memfs.New()
			s := onesync.New(disk)
			if err := s.MkdirAll("d"); err != nil {
				t.Fatal(err)
			}
			f := open(t, s, "d/a")
			want := lose(t, disk, f, "a")
			check(t, after(t, s, f), want)
		})
	}
}

// Another file has nothing to do with the error, also if it gets the name.
func TestOtherFilesSync(t *testing.T) {
	for name, after := range map[string]func(t *testing.T, s *onesync.FS) storage.File{
		"neighbour": func(t *testing.T, s *onesync.FS) storage.File { return open(t, s, "d/aa") },
		"made anew": func(t *testing.T, s *onesync.FS) storage.File { s.Remove("d/a"); return open(t, s, "d/a") },
		"tree is new": func(t *testing.T, s *onesync.FS) storage.File {
			s.RemoveAll("d")
			s.MkdirAll("d")
			return open(t, s, "d/a")
		},
		"replaced": func(t *testing.T, s *onesync.FS) storage.File {
			f := open(t, s, "d/b")
			write(t, f, "new")
			if err := errors.Join(f.Sync(), s.Rename("d/b", "d/a")); err != nil {
				t.Fatal(err)
			}
			return open(t, s, "d/a")
		},
		"next life": func(t *testing.T, s *onesync.FS) storage.File { return open(t, onesync.New(s.FS), "d/a") },
	} {
		t.Run(name, func(t *testing.T) {
			disk := memfs.New()
			s := onesync.New(disk)
			s.MkdirAll("d")
			lose(t, disk, open(t, s, "d/a"), "d/a")
			f := after(t, s)
			write(t, f, "kept")
			if err := f.SyncData(); err != nil {
				t.Errorf("SyncData: %v", err)
			}
		})
	}
}

func TestDirectories(t *testing.T) {
	disk := memfs.New()
	s := onesync.New(disk)
	s.MkdirAll("d/e")
	if err := s.SyncDir("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("SyncDir of nothing: %v", err)
	}
	s.MkdirAll("missing")
	disk.FailNext(memfs.OpSyncDir, "d", &fs.PathError{Op: "open", Path: "d", Err: syscall.EMFILE})
	if err := s.SyncDir("d"); !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("SyncDir without a descriptor: %v", err)
	}
	if err := errors.Join(s.SyncDir("missing"), s.SyncDir("d")); err != nil {
		t.Errorf("the error of a directory that was not opened was kept: %v", err)
	}
	disk.FailNext(memfs.OpSyncDir, "d", syscall.EIO)
	for range 2 {
		if err := s.SyncDir("d"); err != syscall.EIO {
			t.Errorf("SyncDir: %v, want %v", err, syscall.EIO)
		}
	}
	if err := s.SyncDir("d/e"); err != nil {
		t.Errorf("SyncDir of another directory: %v", err)
	}
}

// gateFS holds the syncs of file a.
type gateFS struct {
	*memfs.FS
	in  chan struct{} // a sync is under way
	out chan error    // its result
}

type gateFile struct {
	storage.File
	fs *gateFS
}

func (g *gateFS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := g.FS.Open(name, flags)
	if err != nil || name != "a" {
		return f, err
	}
	return &gateFile{f, g}, nil
}

func (f *gateFile) SyncData() error {
	f.fs.in <- struct{}{}
	return <-f.fs.out
}

// Whoever waits while a sync fails gets its error, without another system
// call; syncs of other files do not wait.
func TestWaitingSyncsGetTheError(t *testing.T) {
	g := &gateFS{FS: memfs.New(), in: make(chan struct{}), out: make(chan error)}
	s := onesync.New(g)
	const waiting = 4
	results := make(chan error, waiting+1)
	run := func() {
		f := open(t, s, "a")
		defer f.Close()
		results <- f.SyncData()
	}
	var wg sync.WaitGroup
	wg.Go(run)
	<-g.in // the first one is in the kernel
	for range waiting {
		wg.Go(run)
	}
	if err := open(t, s, "b").SyncData(); err != nil { // though a sync of a is under way
		t.Fatal(err)
	}
	g.out <- syscall.EIO
	wg.Wait()
	for range waiting + 1 {
		if err := <-results; err != syscall.EIO {
			t.Errorf("a sync returned %v", err)
		}
	}
}

// Users of one file, on many handles and under changing names.
func TestConcurrentUse(t *testing.T) {
	disk := memfs.New()
	s := onesync.New(disk)
	s.MkdirAll("d")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprintf("d/%d", i)
			for range 200 {
				a, err := s.Open("d/shared", storage.ReadWrite|storage.Create)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := s.Open(name, storage.ReadWrite|storage.Create)
				if err != nil {
					t.Error(err)
					return
				}
				err = errors.Join(a.SyncData(), b.Sync(), s.Rename(name, name+".new"), b.SyncData(), s.SyncDir("d"),
					s.Remove(name+".new"), b.SyncData(), a.Close(), b.Close())
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// plainFS has files that know nothing of holes and caches, as a user's own may.
type plainFS struct{ *memfs.FS }

type plainFile struct{ storage.File }

func (p plainFS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := p.FS.Open(name, flags)
	return plainFile{f}, err
}

func TestOptionalInterfaces(t *testing.T) {
	disk := memfs.New()
	for name, s := range map[string]storage.FS{"with": onesync.New(disk), "without": onesync.New(plainFS{disk})} {
		f := open(t, s, name)
		f.Truncate(100)
		want := map[string]map[int64]int64{
			"with":    {0: 100, 50: 100, 100: 100, 200: 100},
			"without": {0: 0, 50: 50, 100: 100, 200: 100},
		}
		for offset, next := range want[name] {
			if got, err := f.(storage.DataFinder).NextData(offset); got != next || err != nil {
				t.Errorf("%s: NextData(%d) = %d, %v, want %d", name, offset, got, err, next)
			}
		}
		if err := storage.DropCache(f); err != nil {
			t.Errorf("%s: DropCache: %v", name, err)
		}
	}
}
