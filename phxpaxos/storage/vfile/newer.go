package vfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// The format numbers that this version writes, and the highest that it reads.
// Where a number stands, and the checksum that vouches for it, must stay as
// they are in every later format: an older version reads them to tell a newer
// file from a damaged one.
//
//	durable   the last byte of the magic, "PXD1", in each slot; the checksum at
//	          80 covers the 80 bytes in front
//	N.crc     bits 28 … 30 of the word at 24 of each entry, plus 1; the
//	          checksum at 28 covers the 28 bytes in front
//
// A later format of something else in a group's directory takes another
// number for durable. Both are exported for tools.
const (
	NoteFormat    = 1
	SidecarFormat = 1

	entryFormatShift = 28
	entryFormatMask  = 7
)

// NewerNote returns the format number of a slot of vfile/durable that this
// version does not know, 0 for every other one. It is also for tools.
func NewerNote(slot []byte) uint64 {
	if len(slot) < durableBytes {
		return 0
	}
	le := binary.LittleEndian
	const number = 3 // the byte of the magic
	magic := le.Uint32(slot)
	if (magic^durableMagic)&0xffffff != 0 || slot[number] <= '0'+NoteFormat || le.Uint32(slot[80:]) != checksum.CRC32C(0, slot[:80]) {
		return 0
	}
	return uint64(slot[number] - '0')
}

// NewerEntry returns the format number of an entry of the sidecar of a value
// file that this version does not know, 0 for every other one. It is also for
// tools.
func NewerEntry(b []byte, file int) uint64 {
	le := binary.LittleEndian
	if len(b) < entryBytes || le.Uint32(b[28:]) != checksum.CRC32C(0, b[:28]) {
		return 0
	}
	word := le.Uint32(b[24:]) &^ intentBit
	const low = 1<<entryFormatShift - 1
	if word == uint32(file) || word&low != uint32(file)&low {
		return 0
	}
	return uint64(word>>entryFormatShift&entryFormatMask) + 1
}

// checkNote looks for a note of a newer version, before anything in the
// directory is opened for writing.
func checkNote(fsys storage.FS, dir string) error {
	name := path.Join(dir, durableName)
	f, err := fsys.Open(name, storage.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, durableBytes)
	for slot := range int64(2) {
		n, err := f.ReadAt(b, slot*sectorBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if format := NewerNote(b[:n]); format > 0 {
			return storage.NewerFormat(name, format, NoteFormat)
		}
	}
	return nil
}

// decode reads an entry; ok is false if it is damaged or was never written.
func (s *sidecar) decode(b []byte) (e entry, ok bool, err error) {
	if e, ok = decodeEntry(b, s.id); !ok {
		if format := NewerEntry(b, s.id); format > 0 {
			err = storage.NewerFormat(s.name, format, SidecarFormat)
		}
	}
	return e, ok, err
}

// checkFormat looks at the first and the last entry of a file that was just
// opened, so that a newer one is neither cut nor appended to.
func (s *sidecar) checkFormat() error {
	for _, i := range [...]int64{0, s.count - 1} {
		if i < 0 || i >= s.count {
			continue
		}
		if _, _, err := s.at(i); err != nil {
			return err
		}
	}
	return nil
}

// checkSidecar looks at a sidecar that is about to be removed.
func checkSidecar(fsys storage.FS, dir string, id int) error {
	s := newSidecar(fsys, path.Join(dir, sidecarName(id)), id)
	s.mu.Lock()
	err := s.open(false)
	s.mu.Unlock()
	return errors.Join(err, s.close())
}
