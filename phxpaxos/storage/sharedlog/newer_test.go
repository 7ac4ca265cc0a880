package sharedlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// tree returns the contents of all files below a directory.
func tree(t *testing.T, disk *memfs.FS, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		if e.Dir {
			for k, v := range tree(t, disk, name) {
				out[k] = v
			}
			continue
		}
		b, err := readFile(disk, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

func put(t *testing.T, disk *memfs.FS, name string, off int64, b []byte) {
	t.Helper()
	f, err := disk.Open(path.Join("log/shared", name), storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// newerLog is a log of three segments whose newest one ends at end, with what
// a crash may leave: a file that is half made, and a segment that has not
// begun.
func newerLog(t *testing.T, orderly bool) (disk *memfs.FS, last segmentEnd) {
	t.Helper()
	disk = memfs.New()
	s, err := Open("log", 2, Options{FS: disk, Deterministic: true, SegmentBytes: 1000, ZeroAheadMax: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(0); len(s.segs) < 3 || s.w.off < 400; i++ {
		if err := s.Write([]storage.Put{{Group: int(i % 2), Instance: i, Data: logstoragetest.Record(i, 100, i), Sync: true}}); err != nil {
			t.Fatal(err)
		}
	}
	if orderly {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	last = segmentEnd{fileName(s.w.seg.seq, logSuffix), s.w.off, s.w.seg.seed, uint32(s.w.synced / alignment)}
	disk = disk.Kill()
	put(t, disk, "0000000000000001.idx.tmp", 0, []byte("half"))
	put(t, disk, fileName(s.w.seg.seq+1, logSuffix), 0, []byte("not a record"))
	return disk, last
}

// segmentEnd is where the records of the newest segment end.
type segmentEnd struct {
	name    string
	off     int64
	seed    uint32
	durable uint32
}

// of returns a record as a newer version may write it; change sets what it
// likes in the header.
func (e segmentEnd) of(payload string, change func(head []byte)) []byte {
	h := Header{Kind: Record, Group: 1, Number: 99, Length: uint32(len(payload)), Instance: 77, Durable: e.durable, Sum: payloadSum([]byte(payload))}
	b := h.append(nil, 0)
	change(b)
	binary.LittleEndian.PutUint32(b, checksum.CRC32C(e.seed, b[4:headBytes]))
	b = append(b, payload...)
	return append(b, padding[:padded(int64(len(payload)))-int64(len(payload))]...)
}

func kind(k byte) func([]byte) { return func(head []byte) { head[4] = kindMark | k } }

// newStore is a copy of the identity with another format number.
func newStore(format byte) []byte {
	b := identity{salt: 1}.encode()[:identityBytes]
	b[7] = format
	binary.LittleEndian.PutUint32(b[16:], checksum.CRC32C(0, b[:16]))
	return b
}

var newerCases = map[string]func(t *testing.T, disk *memfs.FS, e segmentEnd) (file string){
	"store": func(t *testing.T, disk *memfs.FS, _ segmentEnd) string {
		put(t, disk, identityName, 0, newStore('2'))
		put(t, disk, identityName, identityAgain, newStore('2'))
		return "log/shared/store has format 2, this version supports up to 1"
	},
	"store, second copy alone is whole": func(t *testing.T, disk *memfs.FS, _ segmentEnd) string {
		put(t, disk, identityName, 0, []byte("torn"))
		put(t, disk, identityName, identityAgain, newStore('9'))
		return "log/shared/store has format 9"
	},
	"newest segment": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		beginWith(t, disk, 3, e.seed)
		return "log/shared/0000000000000003.log: the segment has format 8, this version supports up to 1"
	},
	"finished segment": func(t *testing.T, disk *memfs.FS, _ segmentEnd) string {
		beginWith(t, disk, 1, identity{salt: 1}.seed(1))
		return "log/shared/0000000000000001.log: the segment has format 8"
	},
	"index": func(t *testing.T, disk *memfs.FS, _ segmentEnd) string {
		b := make([]byte, indexHead)
		copy(b, "phxsidx2 whatever comes in that version")
		put(t, disk, "0000000000000001.idx", 0, binary.LittleEndian.AppendUint32(b[:44:44], checksum.CRC32C(0, b[:44])))
		return "log/shared/0000000000000001.idx has format 2, this version supports up to 1"
	},
	"kind 10": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		put(t, disk, e.name, e.off, e.of("payload", kind(10)))
		return e.name + ": offset"
	},
	"kind 0": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		put(t, disk, e.name, e.off, e.of("payload", kind(0)))
		return "record kind 0, this version supports 1 to 9"
	},
	"kind 15 without payload": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		put(t, disk, e.name, e.off, e.of("", kind(15)))
		return "record kind 15"
	},
	"kind 10 with a torn payload": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		b := e.of(strings.Repeat("payload ", 20), kind(10))
		put(t, disk, e.name, e.off, b[:len(b)/2])
		return "record kind 10"
	},
	"kind 10 in front of a known one": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		b := append(e.of("payload", kind(10)), e.of("payload", func([]byte) {})...)
		put(t, disk, e.name, e.off, b)
		return "record kind 10"
	},
	"kind 10 after a torn record": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		torn := e.of(strings.Repeat("x", 40), func([]byte) {})
		clear(torn[:8])
		put(t, disk, e.name, e.off, append(torn, e.of("payload", kind(10))...))
		return "record kind 10"
	},
	"a variable with another name": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		put(t, disk, e.name, e.off, e.of("payload", kind(byte(Variable))))
		return "record of kind 4 with contents that this version does not support"
	},
	"a longer Drop": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		put(t, disk, e.name, e.off, e.of(strings.Repeat("x", 25), kind(byte(Drop))))
		return "record of kind 6"
	},
	"kind 10 in a finished segment": func(t *testing.T, disk *memfs.FS, e segmentEnd) string {
		e.seed, e.durable = identity{salt: 1}.seed(2), 0
		put(t, disk, "0000000000000002.log", headBytes+beginBytes, e.of("payload", kind(10)))
		if err := disk.Remove("log/shared/0000000000000002.idx"); err != nil {
			t.Fatal(err)
		}
		return "log/shared/0000000000000002.log: offset 48: record kind 10"
	},
}

// beginWith writes a Begin record with another format number.
func beginWith(t *testing.T, disk *memfs.FS, seq uint64, seed uint32) {
	t.Helper()
	b, err := readFile(disk, path.Join("log/shared", fileName(seq, logSuffix)), headBytes)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(b[8:], 7)
	binary.LittleEndian.PutUint32(b, checksum.CRC32C(seed, b[4:headBytes]))
	put(t, disk, fileName(seq, logSuffix), 0, b)
}

// A file of a newer version is neither damage nor a torn tail, whatever else a
// crash left, and nothing in the directory changes.
func TestNewerFormat(t *testing.T) {
	for name, change := range newerCases {
		for _, crashed := range []string{"", "killed", "torn tail"} {
			t.Run(name+"/"+crashed, func(t *testing.T) {
				disk, end := newerLog(t, crashed == "")
				want := change(t, disk, end)
				if crashed == "torn tail" {
					e, err := disk.Stat(path.Join("log/shared", end.name))
					if err != nil {
						t.Fatal(err)
					}
					torn := end.of(strings.Repeat("torn", 50), func([]byte) {})
					put(t, disk, end.name, padded(max(e.Size, end.off)), torn[:len(torn)-60])
				}
				before := tree(t, disk, "log")
				for _, readOnly := range []bool{true, false} {
					s, err := Open("log", 2, Options{FS: disk, Deterministic: true, SegmentBytes: 1000, ReadOnly: readOnly})
					if err == nil {
						s.Close()
					}
					if !errors.Is(err, storage.ErrNewerFormat) || errors.Is(err, storage.ErrDamaged) ||
						!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "install the newer version again") {
						t.Errorf("Open, read only %v: %v, want %q", readOnly, err, want)
					}
				}
				after := tree(t, disk, "log")
				for file, b := range before {
					if after[file] != b {
						t.Errorf("%s was changed or removed", file)
					}
				}
				if len(after) != len(before) {
					t.Errorf("there are %d files, were %d", len(after), len(before))
				}
			})
		}
	}
}

// A format number whose checksum is wrong is damage, as any other byte.
func TestNewerFormatNeedsItsChecksum(t *testing.T) {
	disk, _ := newerLog(t, true)
	for _, at := range []int64{7, identityAgain + 7} {
		if err := disk.FlipBit("log/shared/store", at, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open("log", 2, Options{FS: disk}); !errors.Is(err, storage.ErrDamaged) || errors.Is(err, storage.ErrNewerFormat) {
		t.Errorf("a damaged identity: %v", err)
	}
	disk, _ = newerLog(t, true)
	if err := disk.FlipBit("log/shared/0000000000000001.idx", 7, 1); err != nil {
		t.Fatal(err)
	}
	s, err := Open("log", 2, Options{FS: disk, Deterministic: true})
	if err != nil {
		t.Fatalf("a damaged index: %v", err)
	}
	s.Close()
}

// The numbers stand where earlier versions wrote zeros, or the same bytes.
func TestFormatsAreAsBefore(t *testing.T) {
	disk, _ := newerLog(t, true)
	files := tree(t, disk, "log")
	if got := files["log/shared/store"]; !strings.HasPrefix(got, "phxslog1") {
		t.Errorf("store begins with %q", got[:8])
	}
	if got := files["log/shared/0000000000000001.idx"]; !strings.HasPrefix(got, "phxsidx1") {
		t.Errorf("an index begins with %q", got[:8])
	}
	if got := files["log/shared/0000000000000001.log"]; !bytes.Equal([]byte(got[4:12]), []byte{kindMark | byte(Begin), 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("a segment begins with % x", got[:headBytes])
	}
}
