package memfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

func open(t *testing.T, s *memfs.FS, name string) storage.File {
	t.Helper()
	f, err := s.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f storage.File, off int64, p string) {
	t.Helper()
	if _, err := f.WriteAt([]byte(p), off); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, s *memfs.FS, name string) string {
	t.Helper()
	f, err := s.Open(name, storage.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	buf := make([]byte, size)
	if _, err := f.ReadAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	return string(buf)
}

func TestSyncedBytesAndNamesSurvive(t *testing.T) {
	for p := memfs.Policy(0); p < memfs.Policies; p++ {
		s := memfs.New()
		if err := s.MkdirAll("d/e"); err != nil {
			t.Fatal(err)
		}
		f := open(t, s, "d/e/a")
		write(t, f, 0, "hello")
		if err := errors.Join(f.SyncData(), s.SyncDir("d/e")); err != nil {
			t.Fatal(err)
		}
		s = s.Crash(p, rand.New(rand.NewPCG(1, 2)))
		if got := content(t, s, "d/e/a"); got != "hello" {
			t.Errorf("policy %d: %q", p, got)
		}
		if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, memfs.ErrCrashed) {
			t.Errorf("policy %d: a file from before the crash still writes: %v", p, err)
		}
	}
}

func TestUnsyncedIsLost(t *testing.T) {
	s := memfs.New()
	f := open(t, s, "a")
	write(t, f, 0, "hello")
	f.Sync()
	s.SyncDir("/")
	write(t, f, 0, "HE")
	f.Truncate(3)
	open(t, s, "b").Sync() // its bytes are synced, its name is not
	s.Rename("a", "c")
	s = s.Crash(memfs.LoseAll, nil)
	if got := content(t, s, "a"); got != "hello" {
		t.Errorf("a is %q after the crash", got)
	}
	for _, name := range []string{"b", "c"} {
		if _, err := s.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s survived: %v", name, err)
		}
	}
}

func TestKillKeepsTheCacheAndSyncsNothing(t *testing.T) {
	s := memfs.New()
	f := open(t, s, "a")
	s.SyncDir("/")
	write(t, f, 0, "hello")
	l, err := s.Lock("LOCK")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock("LOCK"); !errors.Is(err, storage.ErrInUse) {
		t.Fatalf("locked twice: %v", err)
	}
	old := s
	s = s.Kill()
	if _, err := s.Lock("LOCK"); err != nil {
		t.Errorf("the lock outlived its process: %v", err)
	}
	l.Close()
	if _, err := old.Stat("a"); !errors.Is(err, memfs.ErrCrashed) {
		t.Errorf("the dead process still sees files: %v", err)
	}
	if _, err := s.Lock("LOCK"); !errors.Is(err, storage.ErrInUse) {
		t.Error("the old process gave away the new one's lock")
	}
	if got := content(t, s, "a"); got != "hello" {
		t.Errorf("a is %q after the kill", got)
	}
	s = s.Crash(memfs.LoseAll, nil)
	if got := content(t, s, "a"); got != "" {
		t.Errorf("a is %q after the power was lost", got)
	}
}

func TestMixedLeavesEveryKindOfTear(t *testing.T) {
	whole := bytes.Repeat([]byte("x"), 1536)
	kinds := map[string]bool{}
	for seed := range uint64(200) {
		s := memfs.New()
		f := open(t, s, "a")
		f.Truncate(2048)
		f.Sync()
		s.SyncDir("/")
		f.WriteAt(whole, 256)
		s = s.Crash(memfs.Mixed, rand.New(rand.NewPCG(seed, 0)))
		got := content(t, s, "a")[256:1792]
		n := bytes.IndexByte([]byte(got), 0)
		switch rest := bytes.IndexByte([]byte(got[max(n, 0):]), 'x'); {
		case n < 0:
			kinds["whole"] = true
		case n == 0 && rest < 0:
			kinds["nothing"] = true
		case rest < 0:
			kinds["prefix"] = true
		default:
			kinds["hole"] = true
			if (256+n+rest)%512 != 0 {
				t.Errorf("seed %d: a hole ends at %d, inside a sector", seed, 256+n+rest)
			}
		}
	}
	if len(kinds) != 4 {
		t.Errorf("only saw %v", kinds)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	run := func() string {
		s := memfs.New()
		for _, name := range []string{"b", "a", "c"} {
			f := open(t, s, name)
			s.SyncDir("/")
			for i := range 20 {
				write(t, f, int64(i*100), "some bytes that are not synced")
			}
		}
		s = s.Crash(memfs.Mixed, rand.New(rand.NewPCG(7, 7)))
		return content(t, s, "a") + "|" + content(t, s, "b") + "|" + content(t, s, "c")
	}
	if run() != run() {
		t.Error("two runs with one seed differ")
	}
}

func TestFaults(t *testing.T) {
	s := memfs.New()
	f := open(t, s, "d.f")
	s.SyncDir("/")
	boom := errors.New("boom")

	s.FailNext(memfs.OpSync, ".f", boom)
	write(t, f, 0, "abc")
	if err := f.SyncData(); !errors.Is(err, boom) {
		t.Errorf("sync: %v", err)
	}
	if err := f.SyncData(); err != nil {
		t.Errorf("the sync after the failing one: %v", err)
	}
	s = s.Crash(memfs.KeepAll, nil)
	if got := content(t, s, "d.f"); got != "" {
		t.Errorf("what a failed sync lost came back: %q", got)
	}

	f = open(t, s, "d.f")
	s.FailNext(memfs.OpWrite, "d.f", boom)
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, boom) {
		t.Errorf("write: %d, %v", n, err)
	}
	s.SetRoom(3)
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: %d, %v", n, err)
	}
	s.SetRoom(-1)
	if err := s.FlipBit("d.f", 1, 0); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, "d.f"); got != "acc" {
		t.Errorf("after the flip: %q", got)
	}

	s.CrashAfter(1)
	write(t, f, 0, "z")
	if err := f.SyncData(); !errors.Is(err, memfs.ErrCrashed) {
		t.Errorf("sync without power: %v", err)
	}
	s = s.Crash(memfs.KeepAll, nil)
	if got := content(t, s, "d.f"); got != "zcc" {
		t.Errorf("the last write before the power went: %q", got)
	}
}

// A writeback error goes to the first sync after it, and to no other. What was
// lost is read back until the power goes; what was written later is kept.
func TestWritebackError(t *testing.T) {
	s := memfs.New()
	f, other := open(t, s, "d.f"), open(t, s, "d.f")
	clean := open(t, s, "clean.f")
	s.SyncDir("/")
	write(t, f, 0, "abcd")
	f.SyncData()

	write(t, f, 0, "AB")
	boom, calls := errors.New("boom"), 0
	late := func() {
		calls++
		if err := other.SyncData(); err != nil { // while the first one has not returned
			t.Errorf("the sync that came second: %v", err)
		}
	}
	if n := s.FailWriteback(".f", boom, late); n != 1 {
		t.Errorf("%d files lost something, want 1", n)
	}
	write(t, f, 3, "D")
	if err := clean.SyncData(); err != nil {
		t.Errorf("sync of a file that lost nothing: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, boom) || calls != 1 {
		t.Errorf("the first sync: %v, late was called %d times", err, calls)
	}
	if err := errors.Join(f.SyncData(), other.Sync()); err != nil {
		t.Errorf("syncs after the one that failed: %v", err)
	}
	if got := content(t, s, "d.f"); got != "ABcD" {
		t.Errorf("read back before the power goes: %q", got)
	}
	write(t, f, 0, "x")
	s.FailWriteback("d.f", boom, nil)
	s = s.Crash(memfs.KeepAll, nil)
	if got := content(t, s, "d.f"); got != "abcD" {
		t.Errorf("after the loss of power: %q", got)
	}
	if err := open(t, s, "d.f").SyncData(); err != nil {
		t.Errorf("the error outlived the power: %v", err)
	}
}
