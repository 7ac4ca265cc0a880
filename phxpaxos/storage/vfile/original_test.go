package vfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

func record(instance uint64, size int, seed uint64) storage.Put {
	return storage.Put{Instance: instance, Data: logstoragetest.Record(instance, size, seed), Sync: true}
}

// The rest of this file is the original's start-up and read, written from the
// description of its bytes (spec/storage-api.md sections 2.2 to 2.7) without
// a line of the package under test.

type originalOrder struct{}

func (originalOrder) Name() string                    { return "PaxosComparator" }
func (originalOrder) Separator(_, _, _ []byte) []byte { return nil }
func (originalOrder) Successor(_, _ []byte) []byte    { return nil }
func (originalOrder) Compare(a, b []byte) int {
	x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// original is what an original node has in memory after it has started.
type original struct {
	dir     string
	index   map[uint64][]byte
	current int
	end     int64
}

func sampled(b []byte) uint32 {
	var s []byte
	for i := 0; i < len(b); i += 8 {
		s = append(s, b[i])
	}
	return crc32.ChecksumIEEE(s)
}

// originalOpen does what the original does when it starts, except for
// writing; whatever makes it refuse fails the test.
func originalOpen(t *testing.T, dir string) *original {
	t.Helper()
	o := &original{dir: dir, index: map[uint64][]byte{}}
	db, err := leveldb.OpenFile(dir, &opt.Options{Comparer: originalOrder{}, ErrorIfMissing: true, ReadOnly: true, Strict: opt.StrictAll})
	if err != nil {
		t.Fatalf("index: %v", err)
	}
	defer db.Close()
	last, some := uint64(0), false
	for it := db.NewIterator(nil, nil); it.Next(); {
		key := binary.LittleEndian.Uint64(it.Key())
		o.index[key] = bytes.Clone(it.Value())
		if key < ^uint64(0)-2 {
			last, some = key, true
			if len(it.Value()) != 12 {
				t.Fatalf("index value of instance %d has %d bytes", key, len(it.Value()))
			}
		}
	}
	meta, err := os.ReadFile(filepath.Join(dir, "vfile", "meta"))
	if err != nil {
		t.Fatal(err)
	}
	if len(meta) != 0 {
		if len(meta) != 8 || binary.LittleEndian.Uint32(meta[4:]) != crc32.ChecksumIEEE(meta[:4]) {
			t.Fatalf("meta is %x", meta)
		}
		o.current = int(binary.LittleEndian.Uint32(meta))
	}
	file, offset := 0, int64(0)
	if some {
		file = int(binary.LittleEndian.Uint32(o.index[last]))
		offset = int64(binary.LittleEndian.Uint32(o.index[last][4:]))
	}
	if file > o.current {
		t.Fatalf("the index names file %d, meta names %d", file, o.current)
	}
	for ; ; file, offset = file+1, 0 {
		f, err := os.Open(filepath.Join(dir, "vfile", strconv.Itoa(file)+".f"))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = o.scan(t, f, file, offset, last)
		f.Close()
	}
	if file != 0 && file != o.current+1 {
		t.Fatalf("meta file wrong: scanned up to file %d, meta names %d", file-1, o.current)
	}
	return o
}

// scan is rebuilding the index for one file; it returns the last instance.
func (o *original) scan(t *testing.T, f *os.File, file int, offset int64, last uint64) uint64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for {
		var head [4]byte
		n, err := f.ReadAt(head[:], offset)
		length := int64(int32(binary.LittleEndian.Uint32(head[:])))
		if n == 0 && errors.Is(err, io.EOF) || n == 4 && length == 0 {
			o.end = offset
			return last
		}
		if n < 4 || length < 8 || length > info.Size() || offset+4+length > info.Size() {
			t.Fatalf("file %d offset %d: length %d: the original truncates or refuses", file, offset, length)
		}
		body := make([]byte, length)
		if _, err := f.ReadAt(body, offset+4); err != nil {
			t.Fatal(err)
		}
		instance := binary.LittleEndian.Uint64(body)
		if instance < last {
			t.Fatalf("file %d offset %d: instance %d after %d: the original refuses", file, offset, instance, last)
		}
		if !parsesAsState(body[8:]) {
			t.Fatalf("file %d offset %d: instance %d does not parse: the original truncates", file, offset, instance)
		}
		value := binary.LittleEndian.AppendUint32(nil, uint32(file))
		value = binary.LittleEndian.AppendUint32(value, uint32(offset))
		o.index[instance] = binary.LittleEndian.AppendUint32(value, sampled(body))
		last = instance
		offset += 4 + length
	}
}

func parsesAsState(b []byte) bool {
	seen := map[protowire.Number]bool{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		if n = protowire.ConsumeFieldValue(num, typ, b[n:]); n < 0 {
			return false
		}
		_, _, n = protowire.ConsumeField(b)
		seen[num] = true
		b = b[n:]
	}
	for num := protowire.Number(1); num <= 7; num++ {
		if !seen[num] {
			return false
		}
	}
	return true
}

// read is the original's read of an instance, with its checks.
func (o *original) read(t *testing.T, instance uint64) []byte {
	t.Helper()
	value, ok := o.index[instance]
	if !ok {
		t.Fatalf("instance %d is not in the index", instance)
	}
	file, offset := binary.LittleEndian.Uint32(value), int64(binary.LittleEndian.Uint32(value[4:]))
	b, err := readAt(filepath.Join(o.dir, "vfile", strconv.Itoa(int(file))+".f"), offset)
	if err != nil {
		t.Fatalf("instance %d: %v", instance, err)
	}
	if sampled(b) != binary.LittleEndian.Uint32(value[8:]) || binary.LittleEndian.Uint64(b) != instance {
		t.Fatalf("instance %d: checksum or instance differs", instance)
	}
	return b[8:]
}

func readAt(name string, offset int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var head [4]byte
	if _, err := f.ReadAt(head[:], offset); err != nil {
		return nil, err
	}
	b := make([]byte, binary.LittleEndian.Uint32(head[:]))
	_, err = f.ReadAt(b, offset+4)
	return b, err
}

// TestOriginalReads lets the original read what this package wrote, over
// several files, after a clean end and after a kill.
func TestOriginalReads(t *testing.T) {
	dir := t.TempDir()
	opts := vfile.Options{FileBytesMax: 5000, FlushEntries: 16, CheckpointBytes: 3000, ZeroAheadMax: 512}
	s, err := vfile.Open(dir, 2, opts)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64][]byte{}
	next := uint64(0)
	for life := range 4 {
		for range 100 {
			var batch []storage.Put
			for range 3 {
				p := record(next/2, 30+int(next%7)*60, next)
				p.Sync = next%5 == 0
				batch = append(batch, p)
				want[p.Instance] = p.Data
				next++
			}
			if err := s.Write(batch); err != nil {
				t.Fatal(err)
			}
		}
		if life == 2 {
			if err := s.SetVariable(0, storage.MinChosen, []byte("\x05\x00\x00\x00\x00\x00\x00\x00")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		o := originalOpen(t, filepath.Join(dir, "g0"))
		if o.current < 2 {
			t.Fatalf("only %d files were written", o.current)
		}
		for instance, data := range want {
			if !bytes.Equal(o.read(t, instance), data) {
				t.Fatalf("the original reads something else for instance %d", instance)
			}
		}
		if s, err = vfile.Open(dir, 2, opts); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Trim(0, next/2-5); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o := originalOpen(t, filepath.Join(dir, "g0"))
	for instance := next/2 - 5; instance < next/2; instance++ {
		if !bytes.Equal(o.read(t, instance), want[instance]) {
			t.Fatalf("after the trim: the original reads something else for instance %d", instance)
		}
	}
	if !bytes.Equal(o.index[^uint64(0)], []byte("\x05\x00\x00\x00\x00\x00\x00\x00")) {
		t.Errorf("min chosen is %x", o.index[^uint64(0)])
	}
}

// TestVector checks the bytes that the original wrote for one state
// (spec/storage-api.md section 1).
func TestVector(t *testing.T) {
	payload := []byte("\x08\x05\x10\x07\x18\xe7\xd6\x80\x80\xf0\x8f\x80\x80\x01\x20\x07\x28\xe7\xd6\x80\x80\xf0\x8f\x80\x80\x01" +
		"\x32\x0f\x01\x00\x00\x00hello paxos\x38\xf7\xbe\xbd\xae\x08")
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	next := bytes.Clone(payload)
	next[1] = 6
	if err := s.Write([]storage.Put{{Instance: 5, Data: payload, Sync: true}, {Instance: 6, Data: next, Sync: true}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetVariable(0, storage.MinChosen, []byte{5, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "g0", "vfile", "0.f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 61)
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if want := append([]byte("\x39\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00"), payload...); !bytes.Equal(got, want) {
		t.Errorf("record is %x, want %x", got, want)
	}
	if info, _ := f.Stat(); info.Size() != 104857600 {
		t.Errorf("value file has %d bytes", info.Size())
	}
	o := originalOpen(t, filepath.Join(dir, "g0"))
	if want := []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x18\xb8\x8c\xb3"); !bytes.Equal(o.index[5], want) {
		t.Errorf("index value is %x, want %x", o.index[5], want)
	}
	if want := []byte("\x00\x00\x00\x00\x3d\x00\x00\x00"); !bytes.Equal(o.index[6][:8], want) {
		t.Errorf("index value of the next record is %x, want %x…", o.index[6], want)
	}
}
