package vfile

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

func twoRecords() []byte {
	b := appendRecord(nil, 5, logstoragetest.Record(5, 60, 1))
	return appendRecord(b, 6, logstoragetest.Record(6, 700, 2))
}

func FuzzScanner(f *testing.F) {
	f.Add(twoRecords(), int64(0))
	f.Add(append(twoRecords(), make([]byte, 100)...), int64(3))
	f.Add([]byte("\xff\xff\xff\x7f"), int64(0))
	f.Add([]byte("\x08\x00\x00\x00\x00\x00"), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		if from < 0 || from > int64(len(data)) {
			return
		}
		sc := NewScanner(bytes.NewReader(data), int64(len(data)), from)
		for {
			at := sc.Offset()
			rec, err := sc.Next()
			var bad *BadRecordError
			switch {
			case errors.Is(err, io.EOF) || errors.As(err, &bad) && errors.Is(err, storage.ErrDamaged):
				if sc.Offset() != at {
					t.Fatalf("the scanner moved from %d to %d with %v", at, sc.Offset(), err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if rec.Offset != at || sc.Offset() != at+rec.Bytes() || sc.Offset() > int64(len(data)) {
				t.Fatalf("record at %d of %d bytes, then offset %d of %d", rec.Offset, rec.Bytes(), sc.Offset(), len(data))
			}
			if got := appendRecord(nil, rec.Instance, rec.Data); !bytes.Equal(got, data[at:sc.Offset()]) {
				t.Fatal("the record does not encode to its bytes")
			}
		}
	})
}

func FuzzValidState(f *testing.F) {
	f.Add(uint64(5), logstoragetest.Record(5, 60, 1))
	f.Add(uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, instance uint64, data []byte) {
		if !ValidState(instance, data) {
			return
		}
		if ValidState(instance+1, data) {
			t.Fatal("valid for two instances")
		}
		if ValidState(instance, append(bytes.Clone(data), 0)) {
			t.Fatal("still valid with a zero behind it")
		}
	})
}

func FuzzSmallFormats(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x3d\x00\x00\x00\xfb\xbf\x03\x3d"))
	f.Add(encodeMeta(7))
	f.Add(durable{file: 3, offset: 77, last: tail{some: true, instance: 9}}.encode())
	line := make([]byte, entryBytes)
	entry{offset: 10, length: 20, instance: 3}.encode(line, 7)
	f.Add(line)
	f.Add(newerNote(durable{file: 3, offset: 77}))
	f.Add(newerEntry(entry{offset: 10, length: 20, instance: 3}, 7))
	f.Add(appendFlat(nil, 5, []byte("value"), false))
	f.Fuzz(func(t *testing.T, b []byte) {
		if loc, ok := decodeLocation(b); ok {
			var again [locationBytes]byte
			if !bytes.Equal(loc.encode(&again), b) {
				t.Fatal("location does not encode to its bytes")
			}
		}
		if id, ok := decodeMeta(b); ok && len(b) == metaBytes && !bytes.Equal(encodeMeta(id), b) {
			t.Fatal("meta does not encode to its bytes")
		}
		if d, ok := decodeDurable(b); ok && (d.file < 0 || d.offset < 0 || d.sideCount < 0) {
			t.Fatalf("accepted %+v", d)
		} else if ok && NewerNote(b) > 0 {
			t.Fatal("one note has two formats")
		}
		if e, ok := decodeEntry(b, 7); ok && e.length < keyBytes {
			t.Fatalf("accepted %+v", e)
		} else if ok && NewerEntry(b, 7) > 0 {
			t.Fatal("one entry has two formats")
		}
		if _, value, _, n := decodeFlat(b); n < 0 || n > 0 && len(value) > len(b) {
			t.Fatal("flat line is longer than what it was read from")
		}
		parseLevelName(string(b))
		fileNumber(string(b), ".f")
	})
}

// FuzzOpen gives recovery any bytes as value file, checksums, meta and note.
// Whatever it makes of them, a group that opens takes a record and has it
// when it is opened again.
func FuzzOpen(f *testing.F) {
	note := durable{seq: 1, offset: 73}.encode()
	f.Add(twoRecords(), []byte{}, []byte{}, []byte{})
	f.Add(append(twoRecords(), twoRecords()[:50]...), []byte("garbage"), encodeMeta(0), note)
	f.Add(twoRecords(), []byte{}, []byte{}, newerNote(durable{seq: 1, offset: 73}))
	f.Add(twoRecords()[:80], make([]byte, 64), []byte{0, 0, 0}, make([]byte, 600))
	f.Fuzz(func(t *testing.T, value, side, meta, note []byte) {
		disk := memfs.New()
		if err := disk.MkdirAll("log/g0/vfile"); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"0.f": value, "0.crc": side, "meta": meta, durableName: note} {
			file, err := disk.Open("log/g0/vfile/"+name, storage.ReadWrite|storage.Create)
			if err != nil {
				t.Fatal(err)
			}
			file.WriteAt(b, 0)
		}
		opts := Options{FS: disk, Deterministic: true, FileBytesMax: 3000}
		s, err := Open("log", 1, opts)
		if errors.Is(err, storage.ErrDamaged) || errors.Is(err, storage.ErrNewerFormat) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		top, err := s.Max(0)
		if err != nil {
			top = 0
		}
		if top == instanceMax {
			return
		}
		p := storage.Put{Instance: top + 1, Data: logstoragetest.Record(top+1, 100, 1), Sync: true}
		err = s.Write([]storage.Put{p})
		s.Close()
		if err != nil {
			return // more files than numbers, an order that was broken before
		}
		if s, err = Open("log", 1, opts); err != nil {
			t.Fatalf("opened, written and closed, it does not open again: %v", err)
		}
		defer s.Close()
		if got, err := s.Read(0, p.Instance, nil); err != nil || !bytes.Equal(got, p.Data) {
			t.Fatalf("the record is lost: %v", err)
		}
	})
}
