package osfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

func TestOpenNeverCreatesByItself(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	for _, flags := range []storage.OpenFlag{storage.ReadOnly, storage.ReadWrite, storage.Truncate} {
		if _, err := (osfs.FS{}).Open(name, flags); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open with flags %d of a missing file: %v, want ErrNotExist", flags, err)
		}
	}
	f, err := osfs.FS{}.Open(name, storage.ReadWrite|storage.Create|storage.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := (osfs.FS{}).Open(name, storage.ReadWrite|storage.Create|storage.Exclusive); !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive create of an existing file: %v, want ErrExist", err)
	}
}

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x", "y")
	var s osfs.FS
	if err := s.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(filepath.Join(dir, "b"), storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("abc"), 5); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.SyncData(), f.Sync(), s.SyncDir(dir), f.Truncate(7)); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Size(); n != 7 || err != nil {
		t.Errorf("size %d, %v", n, err)
	}
	buf := make([]byte, 7)
	if _, err := f.ReadAt(buf, 0); err != nil || !bytes.Equal(buf, []byte("\x00\x00\x00\x00\x00ab")) {
		t.Errorf("read %q, %v", buf, err)
	}
	list, err := s.ReadDir(dir)
	if err != nil || len(list) != 1 || list[0] != (storage.Entry{Name: "b", Size: 7}) {
		t.Errorf("ReadDir: %v, %v", list, err)
	}
	if err := s.MkdirAll(filepath.Join(dir, "b")); err == nil {
		t.Error("MkdirAll over a file succeeded")
	}
}

func TestNextData(t *testing.T) {
	f, err := osfs.FS{}.Open(filepath.Join(t.TempDir(), "a"), storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	finder, ok := f.(storage.DataFinder)
	if !ok {
		t.Skip("not on this system")
	}
	const size, at = 100 << 20, 64 << 20
	f.Truncate(size)
	if n, err := finder.NextData(5); n != size && n != 5 || err != nil {
		t.Errorf("in a hole: %d, %v", n, err)
	}
	f.WriteAt([]byte("x"), at)
	f.Sync()
	for offset, hi := range map[int64]int64{0: at, at: at, at + 1: size, size: size, size + 7: size} {
		n, err := finder.NextData(offset)
		if err != nil || n > hi || n < min(offset, size) {
			t.Errorf("NextData(%d) = %d, %v, must not skip what is at %d", offset, n, err, hi)
		}
	}
}

func TestLockExcludesThisProcess(t *testing.T) {
	var s osfs.FS
	name := filepath.Join(t.TempDir(), "LOCK")
	first, err := s.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a refused attempt must not give the first lock back
		if _, err := s.Lock(name); !errors.Is(err, storage.ErrInUse) {
			t.Fatalf("second lock: %v, want ErrInUse", err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := s.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestLockHelper is the other process of TestLockExcludesOtherProcesses: it
// tries the lock that C++ LevelDB takes, or the one that goleveldb takes.
func TestLockHelper(t *testing.T) {
	name, kind := os.Getenv("OSFS_LOCK_NAME"), os.Getenv("OSFS_LOCK_KIND")
	if name == "" {
		t.Skip("only runs as a child of TestLockExcludesOtherProcesses")
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "fcntl" {
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	} else {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		os.Exit(7)
	}
	os.Stdout.WriteString("locked\n")
	buf := make([]byte, 1)
	os.Stdin.Read(buf) // hold it until the parent is done
	os.Exit(0)
}

func TestLockExcludesOtherProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux takes both kinds of lock")
	}
	for _, kind := range []string{"fcntl", "flock"} {
		t.Run(kind, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "LOCK")
			child := func() *exec.Cmd {
				cmd := exec.Command(os.Args[0], "-test.run=^TestLockHelper$")
				cmd.Env = append(os.Environ(), "OSFS_LOCK_NAME="+name, "OSFS_LOCK_KIND="+kind)
				return cmd
			}

			ours, err := osfs.FS{}.Lock(name)
			if err != nil {
				t.Fatal(err)
			}
			err = child().Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 7 {
				t.Fatalf("the other process got the lock that we hold: %v", err)
			}
			ours.Close()

			theirs := child()
			in, _ := theirs.StdinPipe()
			out, _ := theirs.StdoutPipe()
			if err := theirs.Start(); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 7)
			if _, err := out.Read(line); err != nil {
				t.Fatal(err)
			}
			if _, err := (osfs.FS{}).Lock(name); !errors.Is(err, storage.ErrInUse) {
				t.Errorf("we got the lock that the other process holds: %v", err)
			}
			in.Close()
			theirs.Wait()
		})
	}
}

// What is dropped from the cache reads as before.
func TestDropCache(t *testing.T) {
	var fs osfs.FS
	f, err := fs.Open(filepath.Join(t.TempDir(), "f"), storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, ok := f.(storage.CacheDropper)
	if !ok {
		t.Skip("this system has no fadvise")
	}
	want := bytes.Repeat([]byte("0123456789"), 10_000)
	if _, err := f.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	for _, sync := range []bool{false, true} { // also what is not on the disk yet
		if sync {
			if err := f.SyncData(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.DropCache(); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("synced %v: other bytes, %v", sync, err)
		}
	}
}
