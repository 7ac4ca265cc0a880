package logdir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// NoteName is the path of the note in a group's directory.
const NoteName = "vfile/durable"

// Note is what this library writes down of how far everything is on disk:
// records, their checksums and the index, all in front of (File, Offset).
type Note struct {
	Seq     uint64
	File    int   // the current file then
	Offset  int64 // where its records ended
	Entries int64 // of that file's sidecar, in front of Offset
	LogSize int64 // of vfile/LOG: an original node makes it longer
	Clean   bool  // the store was closed
	Cutting bool  // what lies behind the position is being removed on purpose
	HasLast bool  // there is a record in front of the position
	Last    NoteLast
	Indexed bool // the index has Last.Instance
}

// NoteLast names the last record in front of a note's position.
type NoteLast struct {
	Instance uint64
	At       Location
	Full     uint32 // CRC-32C over the whole record
}

// Slot is one of the two places that the note is written to in turn.
type Slot struct {
	Offset int64
	Used   bool // something was written there
	OK     bool
	Note   Note
}

const (
	noteMagic      = 0x31445850 // "PXD1"
	noteBytes      = 84
	noteSlotBytes  = 512
	noteClean      = 1
	noteLast       = 2
	noteIndexed    = 4
	noteCutting    = 8
	noteCRCAt      = 80
	noteSlots      = 2
	noteFileOffset = 56
)

// DecodeNote reads one slot.
func DecodeNote(b []byte) (n Note, ok bool) {
	le := binary.LittleEndian
	if len(b) < noteBytes || le.Uint32(b) != noteMagic ||
		le.Uint32(b[noteCRCAt:]) != crc32.Checksum(b[:noteCRCAt], castagnoli) {
		return Note{}, false
	}
	flags := le.Uint32(b[4:])
	n = Note{
		Seq:     le.Uint64(b[8:]),
		Offset:  int64(le.Uint64(b[16:])),
		Entries: int64(le.Uint64(b[32:])),
		LogSize: int64(le.Uint64(b[40:])),
		File:    int(int32(le.Uint32(b[noteFileOffset:]))),
		Clean:   flags&noteClean != 0,
		Cutting: flags&noteCutting != 0,
		HasLast: flags&noteLast != 0,
		Indexed: flags&noteIndexed != 0,
		Last: NoteLast{
			Instance: le.Uint64(b[48:]),
			At: Location{
				File:   int(int32(le.Uint32(b[60:]))),
				Offset: int64(int32(le.Uint32(b[64:]))),
				CRC:    le.Uint32(b[68:]),
			},
			Full: le.Uint32(b[72:]),
		},
	}
	sane := n.File >= 0 && n.Offset >= 0 && n.Entries >= 0 && n.Last.At.File >= 0 && n.Last.At.Offset >= 0
	return n, sane
}

// readSlots reads both slots; there reports whether the file exists.
func readSlots(groupDir string) (slots [noteSlots]Slot, there bool, err error) {
	f, err := os.Open(filepath.Join(groupDir, NoteName))
	if errors.Is(err, fs.ErrNotExist) {
		return slots, false, nil
	}
	if err != nil {
		return slots, false, err
	}
	defer f.Close()
	for i := range slots {
		s := &slots[i]
		s.Offset = int64(i) * noteSlotBytes
		b := make([]byte, noteBytes)
		n, err := f.ReadAt(b, s.Offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return slots, true, fmt.Errorf("read %s: %w", NoteName, err)
		}
		if format := vfile.NewerNote(b[:n]); format > 0 {
			return slots, true, storage.NewerFormat(NoteName, format, vfile.NoteFormat)
		}
		s.Used = !allZero(b[:n])
		s.Note, s.OK = DecodeNote(b[:n])
	}
	return slots, true, nil
}

func allZero(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != 0 {
			return false
		}
		p = p[8:]
	}
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
