package smallfile

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

func TestReadReturnsWhatWriteWrote(t *testing.T) {
	dir := t.TempDir()
	name := dir + "/fact"
	for _, payload := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0xff}, PayloadBytesMax)} {
		if err := Write(osfs.FS{}, name, "fact", 3, payload); err != nil {
			t.Fatal(err)
		}
		format, got, err := Read(osfs.FS{}, name, "fact", 3)
		if err != nil || format != 3 || !bytes.Equal(got, payload) {
			t.Fatalf("format %d, %d bytes, %v; wrote format 3, %d bytes", format, len(got), err, len(payload))
		}
	}
	if _, err := (osfs.FS{}).Stat(name + TemporarySuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the temporary file after a write: %v", err)
	}
}

func TestErrorsTellAbsentDamagedAndNewerApart(t *testing.T) {
	disk := memfs.New()
	if _, _, err := Read(disk, "fact", "fact", 1); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("absent: %v", err)
	}
	must(t, Write(disk, "fact", "fact", 2, []byte("payload")))
	format, _, err := Read(disk, "fact", "fact", 1)
	if !errors.Is(err, storage.ErrNewerFormat) || errors.Is(err, storage.ErrDamaged) || format != 2 {
		t.Fatalf("newer: format %d, %v", format, err)
	}
	for _, part := range []string{"fact", "2", "up to 1", "install the newer version"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if _, _, err := Read(disk, "fact", "other", 2); !errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("another kind: %v", err)
	}
}

func TestEveryDamagedBitIsNoticed(t *testing.T) {
	content := Encode("fact", 9, []byte("some payload"))
	for at := range len(content) * 8 {
		disk := memfs.New()
		put(t, disk, content)
		must(t, disk.FlipBit("fact", int64(at/8), uint(at%8)))
		// A flipped format number must not pass for a newer version either.
		if _, _, err := Read(disk, "fact", "fact", 9); !errors.Is(err, storage.ErrDamaged) || errors.Is(err, storage.ErrNewerFormat) {
			t.Fatalf("bit %d: %v", at, err)
		}
	}
	for cut := range len(content) {
		disk := memfs.New()
		put(t, disk, content[:cut])
		if _, _, err := Read(disk, "fact", "fact", 9); !errors.Is(err, storage.ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", cut, len(content), err)
		}
	}
	for _, tail := range [][]byte{{0}, make([]byte, 2*fileMaxLen)} {
		disk := memfs.New()
		put(t, disk, append(bytes.Clone(content), tail...))
		if _, _, err := Read(disk, "fact", "fact", 9); !errors.Is(err, storage.ErrDamaged) {
			t.Fatalf("%d bytes more: %v", len(tail), err)
		}
	}
}

func TestWriteRefusesWhatReadWouldNotTake(t *testing.T) {
	disk := memfs.New()
	for name, err := range map[string]error{
		"no kind":      Write(disk, "fact", "", 1, nil),
		"long kind":    Write(disk, "fact", strings.Repeat("k", KindBytesMax+1), 1, nil),
		"format 0":     Write(disk, "fact", "fact", 0, nil),
		"long payload": Write(disk, "fact", "fact", 1, make([]byte, PayloadBytesMax+1)),
	} {
		if !errors.Is(err, storage.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := disk.ReadDir("/"); err != nil || len(list) != 0 {
		t.Fatalf("left %v, %v", list, err)
	}
}

func TestCrashLeavesTheOldOrTheNewContent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for policy := range memfs.Policy(memfs.Policies) {
		for steps := 0; ; steps++ {
			disk := memfs.New()
			must(t, Write(disk, "fact", "fact", 1, []byte("old")))
			disk.CrashAfter(steps)
			err := Write(disk, "fact", "fact", 1, []byte("new and longer"))
			disk = disk.Crash(policy, r)
			_, got, readErr := Read(disk, "fact", "fact", 1)
			if readErr != nil || string(got) != "old" && string(got) != "new and longer" {
				t.Fatalf("policy %d, %d steps: %q, %v", policy, steps, got, readErr)
			}
			if err == nil {
				if string(got) == "old" {
					t.Fatalf("policy %d: a write that succeeded is lost", policy)
				}
				break
			}
			// What is left over must not stop the next write.
			must(t, Write(disk, "fact", "fact", 1, []byte("next")))
			if _, got, err := Read(disk, "fact", "fact", 1); err != nil || string(got) != "next" {
				t.Fatalf("policy %d, %d steps, the write after the crash: %q, %v", policy, steps, got, err)
			}
		}
	}
}

func TestWriteReportsTheDisk(t *testing.T) {
	sick := errors.New("sick disk")
	for _, c := range []struct {
		op     memfs.Op
		suffix string
	}{
		{memfs.OpCreate, TemporarySuffix}, {memfs.OpWrite, TemporarySuffix},
		{memfs.OpSync, TemporarySuffix}, {memfs.OpRename, ""}, {memfs.OpSyncDir, ""},
	} {
		disk := memfs.New()
		must(t, disk.MkdirAll("d"))
		must(t, Write(disk, "d/fact", "fact", 1, []byte("old")))
		disk.FailNext(c.op, c.suffix, sick)
		if err := Write(disk, "d/fact", "fact", 1, []byte("new")); !errors.Is(err, sick) {
			t.Errorf("operation %d: %v", c.op, err)
		}
		disk = disk.Crash(memfs.LoseAll, nil)
		if _, got, err := Read(disk, "d/fact", "fact", 1); err != nil || string(got) != "old" {
			t.Errorf("operation %d, after a crash: %q, %v", c.op, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode("fact", 1, nil))
	f.Add(Encode("identity", 65535, bytes.Repeat([]byte("p"), 300)))
	f.Add([]byte(magic))
	f.Add([]byte("phxsmall\x01\x00\xff\xff\xff\xff\xff\xff and no checksum"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, format, payload, err := decode(b)
		if err != nil {
			if !errors.Is(err, storage.ErrDamaged) {
				t.Fatalf("not marked as damage: %v", err)
			}
			return
		}
		if again := Encode(kind, format, payload); !bytes.Equal(again, b) {
			t.Fatalf("kind %q, format %d, %d bytes encode to other bytes", kind, format, len(payload))
		}
	})
}

func put(t *testing.T, disk *memfs.FS, content []byte) {
	t.Helper()
	f, err := disk.Open("fact", storage.ReadWrite|storage.Create|storage.Exclusive)
	must(t, err)
	_, err = f.WriteAt(content, 0)
	must(t, errors.Join(err, f.Sync(), f.Close()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
