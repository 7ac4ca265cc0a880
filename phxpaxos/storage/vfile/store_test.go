package vfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(taken, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(taken, "g0"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir    string
		groups int
		opts   vfile.Options
		want   string
	}{
		{"", 1, vfile.Options{}, "directory"},
		{dir, 0, vfile.Options{}, "groups is 0"},
		{dir, 100001, vfile.Options{}, "groups is 100001"},
		{file, 1, vfile.Options{}, file},
		{taken, 1, vfile.Options{}, "g0 is not a directory"},
		{dir, 1, vfile.Options{FileBytesMax: 63}, "FileBytesMax is 63"},
		{dir, 1, vfile.Options{FileBytesMax: 1 << 31}, "FileBytesMax is 2147483648"},
		{dir, 1, vfile.Options{SyncParallel: -1}, "SyncParallel is -1"},
		{dir, 1, vfile.Options{ZeroAheadMax: 5}, "ZeroAheadMax is 5"},
		{dir, 1, vfile.Options{FlushEntries: -2}, "FlushEntries is -2"},
		{dir, 1, vfile.Options{CheckpointBytes: 1}, "CheckpointBytes is 1"},
	} {
		s, err := vfile.Open(c.dir, c.groups, c.opts)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%q, %d, %+v): %v, want an error that contains %q", c.dir, c.groups, c.opts, err, c.want)
		}
	}
}

func TestOpenUnwritable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := vfile.Open(filepath.Join(dir, "log"), 1, vfile.Options{})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Open: %v, want ErrPermission", err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 2, vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = vfile.Open(dir, 1, vfile.Options{})
		if !errors.Is(err, storage.ErrInUse) || !strings.Contains(err.Error(), filepath.Join(dir, "g0")) {
			t.Fatalf("second Open: %v, want ErrInUse that names the directory", err)
		}
	}
	if err := s.Clear(0); err != nil { // the lock moves with the directory
		t.Fatal(err)
	}
	if _, err = vfile.Open(dir, 1, vfile.Options{}); !errors.Is(err, storage.ErrInUse) {
		t.Fatalf("second Open after Clear: %v, want ErrInUse", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// goleveldb locks with flock.
	f, err := os.OpenFile(filepath.Join(dir, "g1", "LOCK"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if _, err = vfile.Open(dir, 2, vfile.Options{}); !errors.Is(err, storage.ErrInUse) {
		t.Fatalf("Open while goleveldb has the directory: %v, want ErrInUse", err)
	}
	if s, err = vfile.Open(dir, 1, vfile.Options{}); err != nil { // what failed gave its locks back
		t.Fatal(err)
	}
	s.Close()
}

// TestClearKeepsBackup: the old log is beside the new one, whole.
func TestClearKeepsBackup(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := record(3, 60, 1)
	if err := s.Write([]storage.Put{p}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Clear(0), s.Close()); err != nil {
		t.Fatal(err)
	}
	if got := originalOpen(t, filepath.Join(dir, "g0.bak")).read(t, 3); !bytes.Equal(got, p.Data) {
		t.Error("the backup does not have the record")
	}
	if list, _ := filepath.Glob(filepath.Join(dir, "*.new")); list != nil {
		t.Errorf("left behind: %v", list)
	}
}

// TestInterruptedClear covers what a crash of this package or of the original
// leaves between the renames.
func TestInterruptedClear(t *testing.T) {
	for _, c := range []struct {
		name  string
		moves [][2]string
		want  bool // the record is there
	}{
		{"before the renames", [][2]string{{"", "g0.new"}}, true},
		{"between the renames", [][2]string{{"g0", "g0.bak"}, {"", "g0.new"}}, false},
		{"the original died", [][2]string{{"g0", "g0.bak"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := vfile.Open(dir, 1, vfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Write([]storage.Put{record(3, 60, 1)}), s.Close()); err != nil {
				t.Fatal(err)
			}
			for _, m := range c.moves {
				if m[0] == "" {
					fresh, err := vfile.Open(filepath.Join(dir, "other"), 1, vfile.Options{})
					if err != nil {
						t.Fatal(err)
					}
					fresh.Close()
					m[0] = filepath.Join("other", "g0")
				}
				if err := os.Rename(filepath.Join(dir, m[0]), filepath.Join(dir, m[1])); err != nil {
					t.Fatal(err)
				}
			}
			if s, err = vfile.Open(dir, 1, vfile.Options{}); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Read(0, 3, nil); (err == nil) != c.want {
				t.Errorf("Read: %v, want found %v", err, c.want)
			}
			if list, _ := filepath.Glob(filepath.Join(dir, "*.new")); list != nil {
				t.Errorf("left behind: %v", list)
			}
		})
	}
}

// TestTrimRemovesFiles: a file goes as soon as all of its records are below,
// and not before.
func TestTrimRemovesFiles(t *testing.T) {
	disk := memfs.New()
	s, err := vfile.Open("log", 1, vfile.Options{FS: disk, Deterministic: true, FileBytesMax: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := map[int]uint64{} // instance that each file begins with
	for i := range uint64(100) {
		if err := s.Write([]storage.Put{record(i, 80, i)}); err != nil {
			t.Fatal(err)
		}
		file, offset, err := s.Locate(0, i)
		if err != nil {
			t.Fatal(err)
		}
		if offset == 0 {
			first[file] = i
		}
	}
	for below := range uint64(101) {
		if err := s.Trim(0, below); err != nil {
			t.Fatal(err)
		}
		for file := range len(first) - 1 {
			_, err := disk.Stat(fmt.Sprintf("log/g0/vfile/%d.f", file))
			gone := errors.Is(err, fs.ErrNotExist)
			if gone != (first[file+1] < below) {
				t.Fatalf("trimmed below %d: file %d, up to instance %d, gone: %v", below, file, first[file+1]-1, gone)
			}
		}
	}
	list, err := disk.ReadDir("log/g0/vfile")
	if err != nil || len(list) != 4 {
		t.Errorf("left: %v, %v, want one value file, its checksums, meta and durable", list, err)
	}
}

// TestRotationOrder is the golden text of what is synced when a file is full.
func TestRotationOrder(t *testing.T) {
	for n := range 12 {
		disk := memfs.New()
		opts := vfile.Options{FS: disk, Deterministic: true, FileBytesMax: 500, ZeroAheadMax: -1}
		s, err := vfile.Open("log", 1, opts)
		if err != nil {
			t.Fatal(err)
		}
		var acknowledged []storage.Put
		for i := range uint64(4) {
			p := record(i, 100, i)
			if err := s.Write([]storage.Put{p}); err != nil {
				t.Fatal(err)
			}
			acknowledged = append(acknowledged, p)
		}
		disk.CrashAfter(n)
		if p := record(4, 100, 4); s.Write([]storage.Put{p}) == nil {
			acknowledged = append(acknowledged, p)
		}
		opts.FS = disk.Crash(memfs.LoseAll, rand.New(rand.NewPCG(1, 1)))
		s.Close()
		if s, err = vfile.Open("log", 1, opts); err != nil {
			t.Fatalf("cut off after %d changes: %v", n, err)
		}
		for _, p := range acknowledged {
			if got, err := s.Read(0, p.Instance, nil); err != nil || !bytes.Equal(got, p.Data) {
				t.Fatalf("cut off after %d changes: instance %d: %v", n, p.Instance, err)
			}
		}
		if err := s.Write([]storage.Put{record(5, 300, 5), record(6, 300, 6)}); err != nil {
			t.Fatalf("cut off after %d changes: %v", n, err)
		}
		s.Close()
	}
}

// TestFailedSyncIsNotTrusted: after a failed sync the cache shows records
// that the disk does not have. Opened again, the store either does not have
// them or has made them durable.
func TestFailedSyncIsNotTrusted(t *testing.T) {
	disk := memfs.New()
	opts := vfile.Options{FS: disk, Deterministic: true, FileBytesMax: 5000, ZeroAheadMax: -1}
	s, err := vfile.Open("log", 1, opts)
	if err != nil {
		t.Fatal(err)
	}
	p, q := record(1, 60, 1), record(2, 60, 2)
	if err := s.Write([]storage.Put{p}); err != nil {
		t.Fatal(err)
	}
	disk.FailNext(memfs.OpSync, "0.f", syscall.EIO)
	if err := s.Write([]storage.Put{q}); !errors.Is(err, storage.ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("Write: %v, want ErrFailed because of EIO", err)
	}
	if err := s.Close(); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("Close of a failed group: %v, want ErrFailed", err)
	}
	if s, err = vfile.Open("log", 1, opts); err != nil {
		t.Fatal(err)
	}
	_, shown := s.Read(0, 2, nil)
	opts.FS = disk.Crash(memfs.LoseAll, nil)
	s.Close()
	if s, err = vfile.Open("log", 1, opts); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Read(0, 2, nil); (err == nil) != (shown == nil) {
		t.Errorf("the record was shown: %v; after the power was lost: %v", shown, err)
	}
	if got, err := s.Read(0, 1, nil); err != nil || !bytes.Equal(got, p.Data) {
		t.Errorf("the record in front: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	disk := memfs.New()
	opts := vfile.Options{FS: disk, Deterministic: true, FileBytesMax: 5000}
	s, err := vfile.Open("log", 1, opts)
	if err != nil {
		t.Fatal(err)
	}
	disk.SetRoom(200)
	var acknowledged []storage.Put
	for i := uint64(0); ; i++ {
		p := record(i, 60, i)
		err := s.Write([]storage.Put{p})
		if errors.Is(err, storage.ErrFailed) && errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil || i > 10 {
			t.Fatalf("put %d: %v", i, err)
		}
		acknowledged = append(acknowledged, p)
	}
	s.Close()
	disk.SetRoom(-1)
	if s, err = vfile.Open("log", 1, opts); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, p := range acknowledged {
		if got, err := s.Read(0, p.Instance, nil); err != nil || !bytes.Equal(got, p.Data) {
			t.Errorf("instance %d: %v", p.Instance, err)
		}
	}
	if err := s.Write([]storage.Put{record(20, 60, 1)}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestRefusesWhatRecoveryWouldDrop: a record that cannot be told from a torn
// one is not taken.
func TestRefusesWhatRecoveryWouldDrop(t *testing.T) {
	s, err := vfile.Open("log", 1, vfile.Options{FS: memfs.New(), Deterministic: true, FileBytesMax: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	good := record(1, 60, 1)
	for name, p := range map[string]storage.Put{
		"not a state":      {Instance: 1, Data: []byte("hello")},
		"other instance":   {Instance: 2, Data: good.Data},
		"zero behind it":   {Instance: 1, Data: append(bytes.Clone(good.Data), 0)},
		"last byte is cut": {Instance: 1, Data: good.Data[:len(good.Data)-1]},
		"reserved":         record(^uint64(0), 60, 1),
		"too large":        record(1, 1000, 1),
	} {
		if err := s.Write([]storage.Put{p}); !errors.Is(err, storage.ErrRecord) {
			t.Errorf("%s: %v, want ErrRecord", name, err)
		}
	}
	if err := s.Write([]storage.Put{good}); err != nil {
		t.Error(err)
	}
}

func TestEvents(t *testing.T) {
	disk := memfs.New()
	seen := map[event.Kind]int{}
	opts := vfile.Options{FS: disk, Deterministic: true, FileBytesMax: 5000, FlushEntries: 2,
		Observer: event.Func(func(e event.Event) { seen[e.Kind]++ })}
	s, err := vfile.Open("log", 1, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range uint64(4) {
		if err := s.Write([]storage.Put{record(i, 60, i)}); err != nil {
			t.Fatal(err)
		}
	}
	disk.FlipBit("log/g0/vfile/0.f", 30, 0)
	s.Read(0, 0, nil)
	disk.FailNext(memfs.OpWrite, "0.f", syscall.EIO)
	s.Write([]storage.Put{record(5, 60, 5)})
	want := map[event.Kind]int{event.Append: 4, event.IndexWrite: 2, event.RecordDamaged: 1, event.AppendFail: 1, event.RecordWriteFail: 1}
	for kind, n := range want {
		if seen[kind] != n {
			t.Errorf("%v was reported %d times, want %d", kind, seen[kind], n)
		}
	}
}

// TestWriteAllocates keeps the write path free of garbage.
func TestWriteAllocates(t *testing.T) {
	s, err := vfile.Open(t.TempDir(), 4, vfile.Options{FlushEntries: 1 << 20, CheckpointBytes: 1 << 40, ZeroAheadMax: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := make([]storage.Put, 4)
	for g := range batch {
		batch[g] = record(7, 100, 1)
		batch[g].Group = g
	}
	n := testing.AllocsPerRun(200, func() {
		if err := s.Write(batch); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0.5 {
		t.Errorf("%.1f allocations per Write, want none", n)
	}
}
