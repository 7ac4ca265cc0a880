package logdir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// Checksum is one entry of a sidecar file: what this library keeps of a
// record beside the original's checksum, which covers every 8th byte.
type Checksum struct {
	Place    int64 // of the entry in the sidecar, in bytes
	Offset   int64 // of the record in its value file
	Length   int32 // its length word
	Instance uint64
	Sampled  uint32
	Full     uint32 // CRC-32C over the whole record
	Intent   bool   // written before the record: says what it shall be
}

// ChecksumBytes is the size of an entry.
const ChecksumBytes = 32

const intentBit = 1 << 31

// End is where the record ends.
func (c Checksum) End() int64 { return c.Offset + 4 + int64(c.Length) }

// Matches reports whether the record is what the entry says.
func (c Checksum) Matches(rec vfile.Record) bool {
	return c.Instance == rec.Instance && int(c.Length) == 8+len(rec.Data) && c.Full == FullCRC(rec)
}

// FullCRC is the CRC-32C over every byte of a record, its length word
// included.
func FullCRC(rec vfile.Record) uint32 {
	var head [12]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(8+len(rec.Data)))
	binary.LittleEndian.PutUint64(head[4:], rec.Instance)
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, rec.Data)
}

// DecodeChecksum reads an entry of the sidecar of a value file. It reports
// false for anything but a whole one.
func DecodeChecksum(b []byte, file int) (Checksum, bool) {
	le := binary.LittleEndian
	if len(b) < ChecksumBytes || le.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) {
		return Checksum{}, false
	}
	if le.Uint32(b[24:])&^uint32(intentBit) != uint32(file) {
		return Checksum{}, false
	}
	c := Checksum{
		Offset:   int64(le.Uint32(b[0:])),
		Length:   int32(le.Uint32(b[4:])),
		Instance: le.Uint64(b[8:]),
		Sampled:  le.Uint32(b[16:]),
		Full:     le.Uint32(b[20:]),
		Intent:   le.Uint32(b[24:])&intentBit != 0,
	}
	return c, c.Length >= 8
}

// Checksums walks a sidecar file in the order of the records.
type Checksums struct {
	file int
	f    storage.File // nil: there is no sidecar
	size int64

	next   int64 // place of the entry behind peeked
	peeked Checksum
	has    bool
	err    error
	buf    []byte
	base   int64

	Damaged  int64 // entries that could not be read so far
	FirstBad int64 // the place of the first one
}

// OpenChecksums opens the sidecar of a value file. That there is none is no
// error.
func OpenChecksums(groupDir string, file int) (*Checksums, error) {
	s := &Checksums{file: file}
	f, err := osfs.FS{}.Open(filepath.Join(groupDir, SidecarName(file)), storage.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.f = f
	if s.size, err = f.Size(); err != nil {
		f.Close()
		return nil, err
	}
	s.advance()
	return s, nil
}

// Exists reports whether there is a sidecar, and Size is its size.
func (s *Checksums) Exists() bool { return s.f != nil }

// Size is the size of the sidecar in bytes.
func (s *Checksums) Size() int64 { return s.size }

// Peek returns the next entry.
func (s *Checksums) Peek() (c Checksum, ok bool) { return s.peeked, s.has }

// Err says why there is no next entry, nil if that is the end.
func (s *Checksums) Err() error { return s.err }

// Close closes the sidecar.
func (s *Checksums) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

// For returns the entry of the record at offset, an intent only if there is
// nothing better. Offsets must not go down. Entries in front are passed over.
func (s *Checksums) For(offset int64) (c Checksum, ok bool) {
	for s.has && s.peeked.Offset <= offset {
		if s.peeked.Offset == offset {
			c, ok = s.peeked, true
		}
		s.advance()
	}
	return c, ok
}

// advance peeks at the next entry that can be read.
func (s *Checksums) advance() {
	s.has = false
	for s.f != nil && s.err == nil && s.next < s.size {
		b, err := s.entry(s.next)
		if err != nil {
			s.err = fmt.Errorf("read %s: %w", SidecarName(s.file), err)
			return
		}
		place := s.next
		s.next += ChecksumBytes
		if s.peeked, s.has = DecodeChecksum(b, s.file); s.has {
			s.peeked.Place = place
			return
		}
		if format := vfile.NewerEntry(b, s.file); format > 0 {
			s.err = storage.NewerFormat(SidecarName(s.file), format, vfile.SidecarFormat)
			return
		}
		if s.Damaged == 0 {
			s.FirstBad = place
		}
		s.Damaged++
	}
}

// entry reads the entry at a place, or what there is of it.
func (s *Checksums) entry(place int64) ([]byte, error) {
	const batch = 2048 * ChecksumBytes
	if place < s.base || place >= s.base+int64(len(s.buf)) {
		n := min(batch, s.size-place)
		if s.buf == nil {
			s.buf = make([]byte, n)
		}
		s.buf, s.base = s.buf[:min(n, int64(cap(s.buf)))], place
		if _, err := s.f.ReadAt(s.buf, place); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	b := s.buf[place-s.base:]
	return b[:min(len(b), ChecksumBytes)], nil
}
