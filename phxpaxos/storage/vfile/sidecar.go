package vfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// entry is one line of a sidecar file: the CRC-32C of one record. doc.go has
// the format and the rules that keep an entry from accusing a good record.
type entry struct {
	offset   int64 // of the record in its value file
	length   int32 // its length word
	instance uint64
	sampled  uint32 // the original's checksum of the same bytes
	full     uint32 // CRC-32C over the whole record
	intent   bool   // written before the record: says what it shall be, not that it is there
}

const (
	entryBytes   = 32
	entriesBatch = 512 // entries that are written or read at once
	intentBit    = 1 << 31
)

// end is where the record ends.
func (e entry) end() int64 { return e.offset + lengthBytes + int64(e.length) }

// matches reports whether e was made for these bytes.
func (e entry) matches(instance uint64, data []byte) bool {
	return int(e.length) == keyBytes+len(data) && e.instance == instance && e.full == fullCRC(instance, data)
}

func (e entry) encode(b []byte, file int) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(e.offset))
	le.PutUint32(b[4:], uint32(e.length))
	le.PutUint64(b[8:], e.instance)
	le.PutUint32(b[16:], e.sampled)
	le.PutUint32(b[20:], e.full)
	le.PutUint32(b[24:], uint32(file)|flagIf(e.intent, intentBit))
	le.PutUint32(b[28:], checksum.CRC32C(0, b[:28]))
}

// decodeEntry reports false for anything but a whole entry of that file.
func decodeEntry(b []byte, file int) (entry, bool) {
	le := binary.LittleEndian
	if len(b) < entryBytes || le.Uint32(b[28:]) != checksum.CRC32C(0, b[:28]) || le.Uint32(b[24:])&^intentBit != uint32(file) {
		return entry{}, false
	}
	e := entry{
		offset:   int64(le.Uint32(b[0:])),
		length:   int32(le.Uint32(b[4:])),
		instance: le.Uint64(b[8:]),
		sampled:  le.Uint32(b[16:]),
		full:     le.Uint32(b[20:]),
		intent:   le.Uint32(b[24:])&intentBit != 0,
	}
	return e, e.length >= keyBytes
}

// sidecar is the file of checksums beside one value file. Entries are sorted
// by offset. An entry is written only after its record was synced: so one
// that is found proves that its record was durable. An intent is the
// exception: it is durable before its record is written.
type sidecar struct {
	fs   storage.FS
	name string
	id   int

	mu      sync.Mutex
	f       storage.File // nil until it is needed
	missing bool         // there is no such file (while f is nil)
	created bool         // its name has not been synced yet
	count   int64        // entries in the file
	pending []entry      // of records that are not durable yet
	buf     []byte
	probe   [entryBytes]byte
	block   []entry // the entries looked at last, neighbours in the file
}

func newSidecar(fsys storage.FS, name string, id int) *sidecar {
	return &sidecar{fs: fsys, name: name, id: id}
}

// open opens the file if that has not been done; create makes it if it is
// missing. The caller holds mu.
func (s *sidecar) open(create bool) error {
	if s.f != nil || s.missing && !create {
		return nil
	}
	f, err := s.fs.Open(s.name, storage.ReadWrite)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			s.missing = true
			return nil
		}
		f, err = s.fs.Open(s.name, storage.ReadWrite|storage.Create)
		s.created = err == nil
	}
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return err
	}
	s.f, s.missing, s.count = f, false, size/entryBytes
	if err := s.checkFormat(); err != nil {
		f.Close()
		s.f = nil
		return err
	}
	return nil
}

// add keeps the entry of a record that was written but not synced.
func (s *sidecar) add(e entry) {
	s.mu.Lock()
	s.pending = append(s.pending, e)
	s.mu.Unlock()
}

// waiting returns how many entries wait for their record to be synced.
func (s *sidecar) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// prove writes the entries of the records that end at or before offset end:
// they have been synced.
func (s *sidecar) prove(end int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := sort.Search(len(s.pending), func(i int) bool { return s.pending[i].end() > end })
	if n == 0 {
		return nil
	}
	if err := s.open(true); err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	if err := s.append(s.pending[:n]); err != nil {
		return err
	}
	s.pending = append(s.pending[:0], s.pending[n:]...)
	return nil
}

// append writes entries behind those in the file, which is open.
func (s *sidecar) append(list []entry) error {
	if s.buf == nil {
		s.buf = make([]byte, entriesBatch*entryBytes)
	}
	for len(list) > 0 {
		k := min(len(list), entriesBatch)
		for i, e := range list[:k] {
			e.encode(s.buf[i*entryBytes:], s.id)
		}
		if _, err := s.f.WriteAt(s.buf[:k*entryBytes], s.count*entryBytes); err != nil {
			return fmt.Errorf("write %s: %w", s.name, err)
		}
		s.count += int64(k)
		list = list[k:]
	}
	return nil
}

// extend writes the entries of durable records from place first on and makes
// them durable. Those that are there already are written once more, because
// after a failed sync they may be in the cache alone.
func (s *sidecar) extend(first int64, list []entry) error {
	if len(list) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(true); err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	s.count = first
	if err := s.append(list); err != nil {
		return err
	}
	if err := s.f.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	return nil
}

// announce writes an intent and makes it durable. Nothing is pending.
func (s *sidecar) announce(e entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(true); err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	e.intent = true
	if err := s.append([]entry{e}); err != nil {
		return err
	}
	if err := s.f.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	return nil
}

// replaceFrom puts another file in the place of the file, in one step and
// durably: its first entries, each in its place, and these behind them.
func (s *sidecar) replaceFrom(first int64, list []entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(true); err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	front := make([]byte, first*entryBytes)
	if _, err := s.f.ReadAt(front, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	tmp := s.name + ".tmp"
	f, err := s.fs.Open(tmp, storage.ReadWrite|storage.Create|storage.Truncate)
	if err != nil {
		return err
	}
	s.f.Close()
	s.f, s.count = f, first
	s.pending, s.block = s.pending[:0], s.block[:0]
	_, err = f.WriteAt(front, 0)
	if err == nil {
		err = s.append(list)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.fs.Rename(tmp, s.name)
	}
	if err == nil {
		err = s.fs.SyncDir(path.Dir(s.name))
	}
	if err != nil {
		return fmt.Errorf("replace %s: %w", s.name, err)
	}
	return nil
}

// sync makes the entries in the file durable and returns their number.
func (s *sidecar) sync() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return 0, s.open(false)
	}
	if err := s.f.SyncData(); err != nil {
		return 0, fmt.Errorf("sync %s: %w", s.name, err)
	}
	return s.count, nil
}

// takeCreated reports, once, that the file's name has to be synced.
func (s *sidecar) takeCreated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.created
	s.created = false
	return was
}

// rewind cuts the file to count entries, forgets what is pending, and makes
// that durable.
func (s *sidecar) rewind(count int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, s.block = s.pending[:0], s.block[:0]
	if err := s.open(false); err != nil || s.f == nil {
		return err
	}
	// Also if it looks cut already: that may be in the cache alone.
	s.count = min(count, s.count)
	if err := s.f.Truncate(s.count * entryBytes); err != nil {
		return fmt.Errorf("truncate %s: %w", s.name, err)
	}
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	return nil
}

// at reads entry i; ok is false if it is damaged or was never written. The error
// matches storage.ErrNewerFormat if a newer version wrote it.
func (s *sidecar) at(i int64) (e entry, ok bool, err error) {
	b := s.probe[:]
	if _, err := s.f.ReadAt(b, i*entryBytes); err != nil {
		if errors.Is(err, io.EOF) {
			return entry{}, false, nil
		}
		return entry{}, false, fmt.Errorf("read %s: %w", s.name, err)
	}
	return s.decode(b)
}

// lookup finds the entry of the record at offset. No entry is no error.
func (s *sidecar) lookup(offset int64) (e entry, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.pending); n > 0 && offset >= s.pending[0].offset {
		i := sort.Search(n, func(i int) bool { return s.pending[i].offset >= offset })
		if i < n && s.pending[i].offset == offset {
			return s.pending[i], true, nil
		}
		return entry{}, false, nil
	}
	if err := s.open(false); err != nil || s.f == nil {
		return entry{}, false, err
	}
	// The block may have been read before its last entries were written.
	if n := len(s.block); n == 0 || offset < s.block[0].offset || offset > s.block[n-1].offset {
		if err := s.loadBlock(offset); err != nil {
			return entry{}, false, err
		}
	}
	i := sort.Search(len(s.block), func(i int) bool { return s.block[i].offset >= offset })
	if i < len(s.block) && s.block[i].offset == offset {
		return s.block[i], true, nil
	}
	return entry{}, false, nil
}

// blockEntries is how many entries are read at once when one is looked up:
// whoever reads one record reads the next ones as well.
const blockEntries = 128

// loadBlock reads the entries around the one of the record at offset.
func (s *sidecar) loadBlock(offset int64) error {
	lo, err := s.search(offset)
	if err != nil {
		return err
	}
	s.block = s.block[:0]
	hi := min(lo+blockEntries, s.count)
	if lo == hi {
		return nil
	}
	if s.buf == nil {
		s.buf = make([]byte, entriesBatch*entryBytes)
	}
	p := s.buf[:(hi-lo)*entryBytes]
	if _, err := s.f.ReadAt(p, lo*entryBytes); err != nil {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	for ; len(p) > 0; p = p[entryBytes:] {
		e, ok, err := s.decode(p)
		if err != nil {
			return err
		}
		if ok {
			s.block = append(s.block, e)
		}
	}
	return nil
}

// search returns the place in front of which all entries are of records in
// front of offset. Damaged entries are passed over.
func (s *sidecar) search(offset int64) (int64, error) {
	lo, hi := int64(0), s.count
	for lo < hi {
		mid := lo + (hi-lo)/2
		e, i, err := s.validFrom(mid, hi)
		switch {
		case err != nil:
			return 0, err
		case i < 0 || e.offset >= offset:
			hi = mid
		default:
			lo = i + 1
		}
	}
	return lo, nil
}

// validFrom returns the first readable entry in [from, to) and its place, or
// -1: a damaged entry must not hide its neighbours.
func (s *sidecar) validFrom(from, to int64) (entry, int64, error) {
	for i := from; i < to; i++ {
		e, ok, err := s.at(i)
		if err != nil {
			return entry{}, -1, err
		}
		if ok {
			return e, i, nil
		}
	}
	return entry{}, -1, nil
}

// below returns how many entries are of records in front of offset.
func (s *sidecar) below(offset int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(false); err != nil || s.f == nil {
		return 0, err
	}
	return s.search(offset)
}

// load returns the readable entries from place first on, sorted by offset;
// whole says that all of them are readable.
func (s *sidecar) load(first int64) (out []entry, whole bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(false); err != nil || s.f == nil {
		return nil, first == 0, err
	}
	buf := make([]byte, entriesBatch*entryBytes)
	for i := first; i < s.count; i += entriesBatch {
		p := buf[:min(s.count-i, entriesBatch)*entryBytes]
		if _, err := s.f.ReadAt(p, i*entryBytes); err != nil {
			return nil, false, fmt.Errorf("read %s: %w", s.name, err)
		}
		for ; len(p) > 0; p = p[entryBytes:] {
			e, ok, err := s.decode(p)
			if err != nil {
				return nil, false, err
			}
			if ok {
				out = append(out, e)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].offset < out[j].offset })
	return out, first <= s.count && int64(len(out)) == s.count-first, nil
}

func (s *sidecar) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}
