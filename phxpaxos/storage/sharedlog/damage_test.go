package sharedlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

// A failure stops all groups, and reading goes on.
func TestFailure(t *testing.T) {
	for _, op := range []memfs.Op{memfs.OpSync, memfs.OpWrite} {
		disk := memfs.New()
		s := mustOpen(t, disk, 3, sharedlog.Options{Deterministic: true})
		mustWrite(t, s, record(0, 0, 100), record(1, 0, 100))
		disk.FailNext(op, ".log", errors.New("injected"))
		for range 2 {
			err := s.Write([]storage.Put{record(0, 1, 100)})
			var some *storage.WriteError
			if !errors.Is(err, storage.ErrFailed) || errors.As(err, &some) {
				t.Fatalf("Write: %v, want an error of all groups that matches ErrFailed", err)
			}
		}
		calls := map[string]error{
			"Write of another group": s.Write([]storage.Put{record(2, 0, 100)}),
			"SetVariable":            s.SetVariable(1, storage.SystemVariables, []byte("x")),
			"Clear":                  s.Clear(1),
			"Drop":                   s.Drop(1, 0),
			"Err":                    s.Err(2),
		}
		for name, err := range calls {
			if !errors.Is(err, storage.ErrFailed) {
				t.Errorf("%s after the failure: %v", name, err)
			}
		}
		wantRecord(t, s, record(1, 0, 100))
		if err := s.Close(); !errors.Is(err, storage.ErrFailed) {
			t.Errorf("Close: %v", err)
		}
		s = mustOpen(t, disk, 3, sharedlog.Options{Deterministic: true})
		wantRecord(t, s, record(0, 0, 100))
		mustWrite(t, s, record(0, 1, 200))
		wantRecord(t, s, record(0, 1, 200))
	}
}

func mustOpen(t *testing.T, disk *memfs.FS, groups int, opts sharedlog.Options) *sharedlog.Store {
	t.Helper()
	opts.FS = disk
	s, err := sharedlog.Open("log", groups, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustWrite(t *testing.T, s storage.LogStorage, puts ...storage.Put) {
	t.Helper()
	if err := s.Write(puts); err != nil {
		t.Fatal(err)
	}
}

func wantRecord(t *testing.T, s storage.LogStorage, p storage.Put) {
	t.Helper()
	if got, err := s.Read(p.Group, p.Instance, nil); err != nil || !bytes.Equal(got, p.Data) {
		t.Fatalf("Read(%d, %d): %d bytes, %v, want %d", p.Group, p.Instance, len(got), err, len(p.Data))
	}
}

const (
	damageGroups    = 4
	damageInstances = 24
)

// damaged is a log of several segments that was closed in order. The last
// group is idle: its records are at the beginning.
func damagedLog(t *testing.T) *memfs.FS {
	disk := memfs.New()
	s := mustOpen(t, disk, damageGroups, sharedlog.Options{Deterministic: true, SegmentBytes: 3000, ZeroAheadMax: -1})
	for g := range damageGroups {
		if err := s.SetVariable(g, storage.SystemVariables, fmt.Appendf(nil, "members of %d", g)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(damageInstances) {
		for g := range damageGroups {
			if g < damageGroups-1 || i < 5 {
				mustWrite(t, s, record(g, i, 100))
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// inspect opens the log and returns the groups that have lost something and
// say so. What is wrong and not said is fatal.
func inspect(t *testing.T, disk *memfs.FS, what string, readOnly bool) map[int]bool {
	hurt := map[int]bool{}
	s, err := sharedlog.Open("log", damageGroups, sharedlog.Options{FS: disk, Deterministic: true, SegmentBytes: 3000, ReadOnly: readOnly})
	if errors.Is(err, storage.ErrDamaged) {
		for g := range damageGroups {
			hurt[g] = true
		}
		return hurt
	}
	if err != nil {
		t.Fatalf("%s: Open: %v", what, err)
	}
	defer s.Close()
	for g := range damageGroups {
		check := func(got, want []byte, err error) {
			switch {
			case errors.Is(err, storage.ErrDamaged):
				hurt[g] = true
			case err != nil || !bytes.Equal(got, want):
				t.Fatalf("%s: group %d: %q, %v, want %q", what, g, got, err, want)
			}
		}
		got, err := s.Variable(g, storage.SystemVariables)
		check(got, fmt.Appendf(nil, "members of %d", g), err)
		top := uint64(damageInstances - 1)
		if g == damageGroups-1 {
			top = 4
		}
		for i := range top + 1 {
			got, err := s.Read(g, i, nil)
			check(got, record(g, i, 100).Data, err)
		}
		if max, err := s.Max(g); !errors.Is(err, storage.ErrDamaged) && (err != nil || max != top) {
			t.Fatalf("%s: group %d: Max %d, %v, want %d", what, g, max, err, top)
		}
	}
	return hurt
}

// TestEveryByte turns a bit of every byte of every file. Nothing wrong is
// ever served, nothing is missing without a word, and a damaged payload is
// the matter of its group alone.
func TestEveryByte(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	entries, err := damagedLog(t).ReadDir("log/shared")
	if err != nil {
		t.Fatal(err)
	}
	total, one, none := 0, 0, 0
	for _, e := range entries {
		name := path.Join("log/shared", e.Name)
		for at := int64(0); at < e.Size; at += 1 + r.Int64N(16) {
			disk := damagedLog(t)
			if err := disk.FlipBit(name, at, uint(r.IntN(8))); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s byte %d", name, at)
			inspect(t, disk, what, true)
			hurt := inspect(t, disk, what, false)
			again := inspect(t, disk, what+", opened again", false)
			if path.Ext(name) != ".log" && len(hurt) > 0 {
				t.Errorf("%s: groups %v are damaged, and only what can be made again was", what, hurt)
			}
			if len(again) != len(hurt) {
				t.Errorf("%s: groups %v are damaged, at the next start %v", what, hurt, again)
			}
			total++
			switch len(hurt) {
			case 0:
				none++
			case 1:
				one++
			}
		}
	}
	t.Logf("of %d bits, %d hurt no group, %d one", total, none, one)
	if none+one < total/2 {
		t.Error("most bits hurt several groups")
	}
}

// TestHole: a header that is gone in the newest segment stops the group whose
// record it was, and those that may have had their last record there.
func TestHole(t *testing.T) {
	disk := memfs.New()
	s := mustOpen(t, disk, 4, sharedlog.Options{Deterministic: true})
	mustWrite(t, s, record(0, 0, 100), record(1, 0, 100), record(2, 0, 100))
	name, at, err := s.Locate(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, record(0, 1, 100), record(1, 1, 100))
	mustWrite(t, s, record(0, 2, 100))
	disk = disk.Kill()
	if err := disk.FlipBit(name, at+17, 3); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = mustOpen(t, disk, 4, sharedlog.Options{Deterministic: true})
		for g, broken := range []bool{false, true, false, true} {
			if err := s.Err(g); errors.Is(err, storage.ErrDamaged) != broken {
				t.Errorf("group %d: %v", g, err)
			}
		}
		wantRecord(t, s, record(0, 2, 100))
		wantRecord(t, s, record(2, 0, 100))
		if err := s.Write([]storage.Put{record(0, 3, 100), record(1, 3, 100)}); err == nil {
			t.Error("a damaged group was written")
		}
		mustWrite(t, s, record(0, 3, 100))
		s.Close()
	}
}

// TestMissingSegment: a file that is gone is noticed.
func TestMissingSegment(t *testing.T) {
	disk := damagedLog(t)
	if err := disk.Remove("log/shared/0000000000000002.log"); err != nil {
		t.Fatal(err)
	}
	if _, err := sharedlog.Open("log", 1, sharedlog.Options{FS: disk}); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
	disk = damagedLog(t)
	if err := disk.Remove("log/shared/store"); err != nil {
		t.Fatal(err)
	}
	if _, err := sharedlog.Open("log", 1, sharedlog.Options{FS: disk}); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("Open without its identity: %v", err)
	}
}

// TestFewerGroups: groups that a store was not opened for are kept.
func TestFewerGroups(t *testing.T) {
	disk := damagedLog(t)
	opts := sharedlog.Options{Deterministic: true, SegmentBytes: 3000}
	s := mustOpen(t, disk, 1, opts)
	for i := range uint64(400) {
		mustWrite(t, s, record(0, 100+i, 100))
		if err := s.Trim(0, 100+i); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = mustOpen(t, disk, damageGroups, opts)
	for i := range uint64(5) {
		wantRecord(t, s, record(damageGroups-1, i, 100))
	}
	if max, err := s.Max(1); max != damageInstances-1 || err != nil {
		t.Errorf("Max %d, %v", max, err)
	}
}

// TestSlowGroup: a group that never trims does not keep the log of the others,
// and loses nothing.
func TestSlowGroup(t *testing.T) {
	disk := memfs.New()
	opts := sharedlog.Options{Deterministic: true, SegmentBytes: 4000}
	s := mustOpen(t, disk, 3, opts)
	for i := range uint64(10) {
		mustWrite(t, s, record(0, i, 100))
	}
	mustWrite(t, s, record(2, 77, 100)) // trims everything, and is quiet then
	if err := s.Trim(2, 78); err != nil {
		t.Fatal(err)
	}
	if err := s.SetVariable(0, storage.MasterVariables, []byte("master")); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(2000) {
		mustWrite(t, s, record(1, i, 100))
		if i%10 == 0 {
			if err := s.Trim(1, i); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1000 { // it works as well after a start in between
			s.Close()
			s = mustOpen(t, disk, 3, opts)
		}
	}
	check := func() {
		t.Helper()
		for i := range uint64(10) {
			wantRecord(t, s, record(0, i, 100))
		}
		if v, err := s.Variable(0, storage.MasterVariables); err != nil || string(v) != "master" {
			t.Errorf("variable: %q, %v", v, err)
		}
		wantRecord(t, s, record(1, 1999, 100))
		if err := s.Write([]storage.Put{record(2, 76, 100)}); !errors.Is(err, storage.ErrOrder) {
			t.Errorf("a record below the newest one, which was trimmed: %v", err)
		}
		if _, err := s.Max(2); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Max of a group without records: %v", err)
		}
	}
	check()
	entries, err := disk.ReadDir("log/shared")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 25 {
		t.Errorf("%d files are left of 2000 records, of which 20 are needed", len(entries))
	}
	s.Close()
	s = mustOpen(t, disk, 3, opts)
	check()
}

// TestIndexFiles: one that is gone is made again when it is needed.
func TestIndexFiles(t *testing.T) {
	disk := damagedLog(t)
	for range 2 {
		s := mustOpen(t, disk, damageGroups, sharedlog.Options{Deterministic: true, SegmentBytes: 3000})
		if err := disk.Remove("log/shared/0000000000000001.idx"); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(damageInstances) {
			wantRecord(t, s, record(0, i, 100))
		}
		s.Close()
	}
}

// counting counts what is written.
type counting struct {
	*memfs.FS
	bytes *int64
}

func (c counting) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := c.FS.Open(name, flags)
	return countingFile{f, c.bytes}, err
}

type countingFile struct {
	storage.File
	bytes *int64
}

func (c countingFile) WriteAt(b []byte, at int64) (int, error) {
	*c.bytes += int64(len(b))
	return c.File.WriteAt(b, at)
}

// TestBytesWritten: large values are written once, index and all.
func TestBytesWritten(t *testing.T) {
	written := int64(0)
	s, err := sharedlog.Open("log", 1, sharedlog.Options{FS: counting{memfs.New(), &written}, Deterministic: true, SegmentBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	payload := int64(0)
	p := storage.Put{Data: logstoragetest.Record(0, 100<<10, 1), Sync: true}
	for p.Instance = range uint64(300) {
		mustWrite(t, s, p)
		payload += int64(len(p.Data))
	}
	if ratio := float64(written) / float64(payload); ratio > 1.02 {
		t.Errorf("%.3f bytes were written for each byte of a value", ratio)
	}
}
