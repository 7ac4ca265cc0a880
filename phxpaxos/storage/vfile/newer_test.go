package vfile

import (
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

// newerNote is a slot of format 2.
func newerNote(d durable) []byte {
	b := d.encode()
	b[3] = '2'
	binary.LittleEndian.PutUint32(b[80:], checksum.CRC32C(0, b[:80]))
	return b
}

// newerEntry is an entry of format 3.
func newerEntry(e entry, file int) []byte {
	b := make([]byte, entryBytes)
	e.encode(b, file|2<<entryFormatShift)
	return b
}

func overwrite(t *testing.T, disk *memfs.FS, name string, off int64, b []byte) {
	t.Helper()
	f, err := disk.Open(path.Join("log/g1/vfile", name), storage.ReadWrite|storage.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, disk *memfs.FS, name string) int64 {
	t.Helper()
	e, err := disk.Stat(path.Join("log/g1/vfile", name))
	if err != nil {
		t.Fatal(err)
	}
	return e.Size
}

// ours returns the files in a group's directory that originals do not write,
// and the value files.
func ours(t *testing.T, disk *memfs.FS) map[string]string {
	t.Helper()
	entries, err := disk.ReadDir("log/g1/vfile")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		f, err := disk.Open("log/g1/vfile/"+e.Name, storage.ReadOnly)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, e.Size)
		if e.Size > 0 {
			if _, err := f.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		out[e.Name] = string(b)
	}
	return out
}

// newerStore is a log of two groups with value files 0 … 2, and where the
// records of file 2 end.
func newerStore(t *testing.T, orderly bool) (disk *memfs.FS, opts Options, end int64) {
	t.Helper()
	disk = memfs.New()
	opts = Options{FS: disk, Deterministic: true, FileBytesMax: 2000, ZeroAheadMax: -1}
	s, err := Open("log", 2, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(0); s.groups[1].cur.id < 2 || s.groups[1].end < 500; i++ {
		data := logstoragetest.Record(i, 100, i)
		err := s.Write([]storage.Put{{Group: 0, Instance: i, Data: data, Sync: true}, {Group: 1, Instance: i, Data: data, Sync: true}})
		if err != nil {
			t.Fatal(err)
		}
	}
	end = s.groups[1].end
	if orderly {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	disk = disk.Kill()
	opts.FS = disk
	return disk, opts, end
}

// A file of a newer version is no damage: Open refuses, and changes no file of
// the group.
func TestNewerFormat(t *testing.T) {
	e := entry{offset: 0, length: 112, instance: 3}
	for name, change := range map[string]func(t *testing.T, disk *memfs.FS) (want string){
		"note": func(t *testing.T, disk *memfs.FS) string {
			overwrite(t, disk, durableName, 0, newerNote(durable{seq: 100}))
			return "log/g1/vfile/durable has format 2, this version supports up to 1"
		},
		"older slot of the note": func(t *testing.T, disk *memfs.FS) string {
			overwrite(t, disk, durableName, sectorBytes, newerNote(durable{}))
			return "log/g1/vfile/durable has format 2"
		},
		"sidecar of the current file": func(t *testing.T, disk *memfs.FS) string {
			overwrite(t, disk, "2.crc", 0, newerEntry(e, 2))
			return "log/g1/vfile/2.crc has format 3, this version supports up to 1"
		},
		"last entry of the sidecar": func(t *testing.T, disk *memfs.FS) string {
			overwrite(t, disk, "2.crc", size(t, disk, "2.crc")/entryBytes*entryBytes, newerEntry(e, 2))
			return "log/g1/vfile/2.crc has format 3"
		},
		"sidecar, and the note is lost": func(t *testing.T, disk *memfs.FS) string {
			overwrite(t, disk, durableName, 0, make([]byte, 1024))
			overwrite(t, disk, "1.crc", 0, newerEntry(e, 1))
			return "log/g1/vfile/1.crc has format 3"
		},
		"sidecar, and an original node was here": func(t *testing.T, disk *memfs.FS) string {
			overwrite(t, disk, "LOG", 0, []byte("started"))
			overwrite(t, disk, "2.crc", 0, newerEntry(e, 2))
			return "log/g1/vfile/2.crc has format 3"
		},
	} {
		for _, crashed := range []string{"", "killed", "torn tail"} {
			t.Run(name+"/"+crashed, func(t *testing.T) {
				disk, opts, end := newerStore(t, crashed == "")
				want := change(t, disk)
				if crashed == "torn tail" {
					overwrite(t, disk, "2.f", end, []byte{99, 0, 0, 0, 1, 2, 3})
					overwrite(t, disk, "2.crc", size(t, disk, "2.crc"), []byte("torn"))
				}
				before := ours(t, disk)
				s, err := Open("log", 2, opts)
				if err == nil {
					s.Close()
				}
				if !errors.Is(err, storage.ErrNewerFormat) || errors.Is(err, storage.ErrDamaged) ||
					!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "install the newer version again") {
					t.Fatalf("Open: %v, want %q", err, want)
				}
				after := ours(t, disk)
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

// The sidecar of an older file is read when a record of it is.
func TestNewerSidecarOfAnOldFile(t *testing.T) {
	disk, opts, _ := newerStore(t, true)
	overwrite(t, disk, "0.crc", 0, newerEntry(entry{length: 112}, 0))
	s, err := Open("log", 2, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Read(1, 0, nil); !errors.Is(err, storage.ErrNewerFormat) || !strings.Contains(err.Error(), "0.crc has format 3") {
		t.Errorf("Read: %v", err)
	}
}

// A format number whose checksum is wrong is damage, as any other byte.
func TestNewerFormatNeedsItsChecksum(t *testing.T) {
	disk, opts, _ := newerStore(t, true)
	for _, bit := range []func() error{
		func() error { return disk.FlipBit("log/g1/vfile/durable", 3, 1) },
		func() error { return disk.FlipBit("log/g1/vfile/durable", sectorBytes+3, 1) },
		func() error { return disk.FlipBit("log/g1/vfile/2.crc", 27, 5) },
	} {
		if err := bit(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open("log", 2, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Err(1); err != nil {
		t.Error(err)
	}
}
