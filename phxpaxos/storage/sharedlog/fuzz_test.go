package sharedlog

import (
	"bytes"
	"errors"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// someLog is a segment with a few records, and its index.
func someLog(t testing.TB) (log, index []byte) {
	disk := memfs.New()
	s, err := Open("log", 3, Options{FS: disk, Deterministic: true, SegmentBytes: 2000, ZeroAheadMax: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(20) {
		if err := s.Write([]storage.Put{{Group: int(i % 3), Instance: i, Data: logstoragetest.Record(i, 100, i), Sync: true}}); err != nil {
			t.Fatal(err)
		}
		if i == 4 {
			err := errors.Join(s.SetVariable(1, storage.SystemVariables, []byte("members")), s.Drop(1, 4), s.Clear(2))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log, err = readFile(disk, "log/shared/"+fileName(1, logSuffix), 1<<20); err != nil {
		t.Fatal(err)
	}
	if index, err = readFile(disk, "log/shared/"+fileName(1, indexSuffix), 1<<20); err != nil {
		t.Fatal(err)
	}
	return log, index
}

// FuzzScan: whatever the bytes, a walk goes forward, stays within them, and
// everything that it hands out has its checksum.
func FuzzScan(f *testing.F) {
	log, _ := someLog(f)
	f.Add(log, int64(0))
	f.Add(log[:len(log)-50], int64(300))
	f.Add(append(bytes.Clone(log[:200]), log[240:]...), int64(1<<40))
	f.Add(append(bytes.Clone(log), segmentEnd{seed: identity{salt: 1}.seed(1)}.of("of a newer version", kind(12))...), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, proven int64) {
		seed := identity{salt: 1}.seed(1)
		size := int64(len(data))
		sc := newScanner(bytes.NewReader(data), size, seed)
		v, err := sc.judge()
		if errors.Is(err, storage.ErrNewerFormat) {
			return
		}
		if err != nil || v.end > size || v.proven > size {
			t.Fatalf("%+v of %d bytes: %v", v, size, err)
		}
		at := int64(0)
		step := func(from, to int64) {
			if from != at || to <= from || to > size {
				t.Fatalf("from %d to %d of %d bytes, expected from %d", from, to, size, at)
			}
			at = to
		}
		end, err := sc.walk(min(max(proven, 0), size), size, walker{
			record: func(h *Header, off int64, payload []byte, whole bool) error {
				step(off, off+h.size())
				again := h.append(nil, seed)
				if !bytes.Equal(again, data[off:off+headBytes]) {
					t.Fatal("the header does not encode to its bytes")
				}
				if whole && payloadSum(data[off+headBytes:off+headBytes+int64(h.Length)]) != h.Sum && !nonZero(data[off+headBytes+int64(h.Length):off+h.size()]) {
					t.Fatal("a payload passes without its checksum")
				}
				return nil
			},
			hole: func(from, to int64) error { step(from, to); return nil },
		})
		if err != nil || end != at {
			t.Fatalf("the walk ends at %d, %v, its last step at %d", end, err, at)
		}
	})
}

func nonZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) > 0 }

func FuzzIndex(f *testing.F) {
	_, index := someLog(f)
	f.Add(index)
	f.Add(index[:100])
	f.Add(identity{salt: 7}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		seed := identity{salt: 1}.seed(1)
		if table, err := decodeTable(data, 1, seed); err == nil {
			if entriesAt(len(table.rows), 0) > int64(len(data)) {
				t.Fatal("more rows than bytes")
			}
		} else if !errors.Is(err, storage.ErrDamaged) {
			t.Fatal(err)
		}
		if len(data) >= entryBytes {
			if e, ok := decodeEntry(data, 3, seed); ok && !bytes.Equal(appendEntry(nil, 3, e, seed), data[:entryBytes]) {
				t.Fatal("the entry does not encode to its bytes")
			}
		}
		if one := data[:min(len(data), identityAgain)]; newerIdentity(one) > 0 {
			if _, ok := decodeIdentity(one); ok {
				t.Fatal("one copy has two formats")
			}
		}
		if _, _, _, _, ok := decodeIndexHead(data, 1, seed); ok && newerIndex(data) > 0 {
			t.Fatal("one index has two formats")
		}
		parseName(string(data), logSuffix)
	})
}

// FuzzOpen gives recovery any bytes as two segments and an index. Whatever it
// makes of them, a group that opens takes a record and has it when it is
// opened again.
func FuzzOpen(f *testing.F) {
	log, index := someLog(f)
	f.Add(log, []byte{}, index)
	f.Add(log, log, index[:50])
	f.Add(log[:333], []byte("garbage"), []byte{})
	f.Fuzz(func(t *testing.T, one, two, index []byte) {
		disk := memfs.New()
		if err := disk.MkdirAll("log/shared"); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{
			identityName: identity{salt: 1}.encode(), fileName(1, logSuffix): one, fileName(2, logSuffix): two, fileName(1, indexSuffix): index,
		} {
			file, err := disk.Open("log/shared/"+name, storage.ReadWrite|storage.Create)
			if err != nil {
				t.Fatal(err)
			}
			file.WriteAt(b, 0)
		}
		opts := Options{FS: disk, Deterministic: true, SegmentBytes: 2000}
		s, err := Open("log", 3, opts)
		if errors.Is(err, storage.ErrDamaged) || errors.Is(err, storage.ErrNewerFormat) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		top := s.groups[0].mark.newest
		if s.Err(0) != nil || top >= instanceMax {
			return
		}
		p := storage.Put{Instance: top + 1, Data: logstoragetest.Record(top+1, 100, 1), Sync: true}
		if err := s.Write([]storage.Put{p}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open("log", 3, opts); err != nil {
			t.Fatalf("opened, written and closed, it does not open again: %v", err)
		}
		defer s.Close()
		if got, err := s.Read(0, p.Instance, nil); err != nil || !bytes.Equal(got, p.Data) {
			t.Fatalf("the record is lost: %v", err)
		}
	})
}
