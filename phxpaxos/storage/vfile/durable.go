package vfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// durable is what file vfile/durable says; doc.go has its format and use. All
// that lies in front of (file, offset) is on disk: records, checksums and
// index.
type durable struct {
	seq       uint64
	file      int   // the current file then
	offset    int64 // where its records ended
	zeroed    int64 // blocks up to here exist
	sideCount int64 // checksums of that file
	clean     bool  // the store was closed, nothing was written since
	cutting   bool  // what lies behind the position is being removed on purpose
	logSize   int64 // of vfile/LOG: whoever opened the directory since has made it longer
	last      tail  // the last record in front of the position
	indexed   bool  // the index has an entry for that record's instance
}

// tail identifies the last record of a log.
type tail struct {
	some     bool
	loc      location
	instance uint64
	crc      uint32 // CRC-32C over the whole record
}

const (
	durableName    = "durable"
	durableMagic   = 0x31445850 // "PXD1"
	durableBytes   = 84
	durableClean   = 1
	durableLast    = 2
	durableIndexed = 4
	durableCutting = 8
)

func (d durable) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, durableBytes)
	flags := flagIf(d.clean, durableClean) | flagIf(d.last.some, durableLast) |
		flagIf(d.indexed, durableIndexed) | flagIf(d.cutting, durableCutting)
	le.PutUint32(b[0:], durableMagic)
	le.PutUint32(b[4:], flags)
	le.PutUint64(b[8:], d.seq)
	le.PutUint64(b[16:], uint64(d.offset))
	le.PutUint64(b[24:], uint64(d.zeroed))
	le.PutUint64(b[32:], uint64(d.sideCount))
	le.PutUint64(b[40:], uint64(d.logSize))
	le.PutUint64(b[48:], d.last.instance)
	le.PutUint32(b[56:], uint32(d.file))
	le.PutUint32(b[60:], uint32(d.last.loc.file))
	le.PutUint32(b[64:], uint32(d.last.loc.offset))
	le.PutUint32(b[68:], d.last.loc.crc)
	le.PutUint32(b[72:], d.last.crc)
	le.PutUint32(b[80:], checksum.CRC32C(0, b[:80]))
	return b
}

func flagIf(on bool, flag uint32) uint32 {
	if on {
		return flag
	}
	return 0
}

func decodeDurable(b []byte) (d durable, ok bool) {
	le := binary.LittleEndian
	if len(b) < durableBytes || le.Uint32(b) != durableMagic ||
		le.Uint32(b[80:]) != checksum.CRC32C(0, b[:80]) {
		return durable{}, false
	}
	flags := le.Uint32(b[4:])
	d = durable{
		seq:       le.Uint64(b[8:]),
		offset:    int64(le.Uint64(b[16:])),
		zeroed:    int64(le.Uint64(b[24:])),
		sideCount: int64(le.Uint64(b[32:])),
		logSize:   int64(le.Uint64(b[40:])),
		file:      int(int32(le.Uint32(b[56:]))),
		clean:     flags&durableClean != 0,
		indexed:   flags&durableIndexed != 0,
		cutting:   flags&durableCutting != 0,
		last: tail{
			some:     flags&durableLast != 0,
			instance: le.Uint64(b[48:]),
			loc: location{
				file:   int32(le.Uint32(b[60:])),
				offset: int32(le.Uint32(b[64:])),
				crc:    le.Uint32(b[68:]),
			},
			crc: le.Uint32(b[72:]),
		},
	}
	sane := d.file >= 0 && d.offset >= 0 && d.sideCount >= 0 && d.last.loc.file >= 0 && d.last.loc.offset >= 0
	return d, sane
}

// durableFile writes to two slots in turn, each in a sector of its own, so
// that one of them is always whole.
type durableFile struct {
	f   storage.File
	seq uint64
}

// openDurable opens the file and returns the newest slot; found is false if
// there is none.
func openDurable(fsys storage.FS, dir string) (file *durableFile, newest durable, found bool, err error) {
	f, err := fsys.Open(path.Join(dir, durableName), storage.ReadWrite|storage.Create)
	if err != nil {
		return nil, durable{}, false, err
	}
	file = &durableFile{f: f}
	b := make([]byte, durableBytes)
	for slot := range int64(2) {
		if _, err := f.ReadAt(b, slot*sectorBytes); err != nil {
			if errors.Is(err, io.EOF) {
				continue
			}
			f.Close()
			return nil, durable{}, false, fmt.Errorf("read %s: %w", durableName, err)
		}
		if d, ok := decodeDurable(b); ok && (!found || d.seq > newest.seq) {
			newest, found = d, true
		}
	}
	file.seq = newest.seq
	return file, newest, found, nil
}

func (f *durableFile) write(d durable) error {
	f.seq++
	d.seq = f.seq
	if _, err := f.f.WriteAt(d.encode(), int64(d.seq%2)*sectorBytes); err != nil {
		return fmt.Errorf("write %s: %w", durableName, err)
	}
	if err := f.f.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", durableName, err)
	}
	return nil
}
