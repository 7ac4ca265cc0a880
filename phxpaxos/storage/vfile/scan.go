package vfile

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Record is one record of a value file.
type Record struct {
	Offset   int64  // of its length word
	Instance uint64 //
	Data     []byte // valid until the next call of the Scanner
}

// Bytes is how much room the record takes in the file.
func (r Record) Bytes() int64 { return headBytes + int64(len(r.Data)) }

// SampledCRC is the checksum that the original keeps of the record in its
// index: it covers every 8th byte.
func (r Record) SampledCRC() uint32 { return sampledCRC(r.Instance, r.Data) }

// BadRecordError says that what lies at Offset cannot be a record. It matches
// storage.ErrDamaged, though it may also be what a crash left of a record
// that nobody was told of.
type BadRecordError struct {
	Offset int64
	Length int32 // the length word, if it is all there
	Why    string
}

func (e *BadRecordError) Error() string {
	return fmt.Sprintf("no record at offset %d: %s", e.Offset, e.Why)
}

// Is makes errors.Is(err, storage.ErrDamaged) true.
func (e *BadRecordError) Is(target error) bool { return target == storage.ErrDamaged }

// scanWindow is how much is read at once.
const scanWindow = 1 << 18

// Scanner walks the records of a value file (spec/storage-api.md section
// 2.4). It checks lengths, not contents: see ValidState and
// Record.SampledCRC. It is not safe for concurrent use.
type Scanner struct {
	r      io.ReaderAt
	size   int64
	offset int64

	window []byte // bytes of the file from base on
	base   int64
}

// NewScanner returns a scanner of a file of size bytes that begins at offset.
func NewScanner(r io.ReaderAt, size, offset int64) *Scanner {
	return &Scanner{r: r, size: size, offset: offset, base: offset}
}

// Offset is where the next record begins, or where the data ends.
func (s *Scanner) Offset() int64 { return s.offset }

// Next returns the next record, io.EOF at the end of the data (the end of the
// file, or a zero length word), a *BadRecordError for what cannot be a
// record, or an error of the file. After an error it stays where it is.
func (s *Scanner) Next() (Record, error) {
	left := s.size - s.offset
	if left <= 0 {
		return Record{}, io.EOF
	}
	if left < lengthBytes {
		tail, err := s.bytes(int(left))
		if err != nil {
			return Record{}, err
		}
		if allZero(tail) {
			return Record{}, io.EOF
		}
		return Record{}, &BadRecordError{Offset: s.offset, Why: fmt.Sprintf("the file ends after %d bytes of it", left)}
	}
	head, err := s.bytes(lengthBytes)
	if err != nil {
		return Record{}, err
	}
	length := int32(binary.LittleEndian.Uint32(head))
	switch {
	case length == 0:
		return Record{}, io.EOF
	case length < keyBytes:
		return Record{}, &BadRecordError{s.offset, length, fmt.Sprintf("length %d is impossible", length)}
	case int64(length) > left-lengthBytes:
		return Record{}, &BadRecordError{s.offset, length, fmt.Sprintf("length %d exceeds the file", length)}
	}
	whole, err := s.bytes(lengthBytes + int(length))
	if err != nil {
		return Record{}, err
	}
	rec := Record{
		Offset:   s.offset,
		Instance: binary.LittleEndian.Uint64(whole[lengthBytes:]),
		Data:     whole[headBytes:],
	}
	s.offset += int64(len(whole))
	return rec, nil
}

// bytes returns the n bytes at the scanner's offset, which are in the file.
func (s *Scanner) bytes(n int) ([]byte, error) {
	at := int(s.offset - s.base)
	if at+n <= len(s.window) {
		return s.window[at : at+n], nil
	}
	want := int(min(max(int64(n), scanWindow), s.size-s.offset))
	if cap(s.window) < want {
		s.window = make([]byte, want)
	}
	s.window, s.base = s.window[:want], s.offset
	if _, err := s.r.ReadAt(s.window, s.offset); err != nil {
		s.window = s.window[:0]
		return nil, fmt.Errorf("read %d bytes at offset %d: %w", want, s.offset, err)
	}
	return s.window[:n], nil
}

// nextData skips what was never written, if the file can tell.
func nextData(r io.ReaderAt, offset int64) (int64, error) {
	if f, ok := r.(storage.DataFinder); ok {
		return f.NextData(offset)
	}
	return offset, nil
}

// zeroFrom reports whether a file holds only zeros from offset on.
func zeroFrom(r io.ReaderAt, size, offset int64) (bool, error) {
	var buf []byte
	for {
		var err error
		if offset, err = nextData(r, offset); err != nil {
			return false, err
		}
		if offset >= size {
			return true, nil
		}
		if buf == nil {
			buf = make([]byte, min(scanWindow, size-offset))
		}
		p := buf[:min(int64(len(buf)), size-offset)]
		if _, err := r.ReadAt(p, offset); err != nil {
			return false, err
		}
		if !allZero(p) {
			return false, nil
		}
		offset += int64(len(p))
	}
}

// validAfter looks for a whole record anywhere behind offset, with an
// instance that could follow last. It is asked about files that others wrote,
// where nothing tells how far they were synced.
func validAfter(r io.ReaderAt, size, offset int64, last uint64, valid func(uint64, []byte) bool) (int64, error) {
	const instancesAhead = 1 << 40 // more were never lost at once
	buf := make([]byte, scanWindow)
	for base := offset + 1; base+headBytes < size; {
		// A length word may lie in front of the first byte that is not zero.
		data, err := nextData(r, base)
		if err != nil {
			return -1, err
		}
		if base = max(base, data-lengthBytes); base+headBytes >= size {
			break
		}
		p := buf[:min(int64(len(buf)), size-base)]
		if _, err := r.ReadAt(p, base); err != nil {
			return -1, err
		}
		for i := 0; i+headBytes < len(p); i++ {
			length := int64(int32(binary.LittleEndian.Uint32(p[i:])))
			at := base + int64(i)
			if length <= keyBytes || length > size-at-lengthBytes {
				continue
			}
			instance := binary.LittleEndian.Uint64(p[i+lengthBytes:])
			if instance < last || instance-last > instancesAhead {
				continue
			}
			rec, err := NewScanner(r, size, at).Next()
			if err != nil {
				return -1, err
			}
			if valid(rec.Instance, rec.Data) {
				return at, nil
			}
		}
		base += int64(max(1, len(p)-headBytes))
	}
	return -1, nil
}
