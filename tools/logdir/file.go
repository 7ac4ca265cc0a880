package logdir

import (
	"encoding/binary"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// File is a value file, open for reading.
type File struct {
	storage.File
	ID   int
	Size int64
}

// OpenFile opens value file id in a group's directory.
func OpenFile(groupDir string, id int) (*File, error) {
	f, err := osfs.FS{}.Open(filepath.Join(groupDir, ValueName(id)), storage.ReadOnly)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{File: f, ID: id, Size: size}, nil
}

// Records returns a scanner that begins at offset.
func (f *File) Records(offset int64) *vfile.Scanner { return vfile.NewScanner(f.File, f.Size, offset) }

// window is how much is read at once when looking for something.
const window = 1 << 18

// nextData skips what was never written, if the file can tell.
func (f *File) nextData(offset int64) (int64, error) {
	if d, ok := f.File.(storage.DataFinder); ok {
		return d.NextData(offset)
	}
	return offset, nil
}

// DataEnd returns where, from offset on, the last byte that is not zero ends;
// offset itself if all are zero.
func (f *File) DataEnd(offset int64) (int64, error) {
	end, at := offset, offset
	buf := make([]byte, window)
	for {
		var err error
		if at, err = f.nextData(at); err != nil || at >= f.Size {
			return end, err
		}
		p := buf[:min(int64(len(buf)), f.Size-at)]
		if _, err := f.ReadAt(p, at); err != nil {
			return end, err
		}
		for i := len(p) - 1; i >= 0; i-- {
			if p[i] != 0 {
				end = at + int64(i) + 1
				break
			}
		}
		at += int64(len(p))
	}
}

// instancesAhead bounds how far the instances of a log were ever apart.
const instancesAhead = 1 << 40

// RecordBehind looks for a whole record anywhere behind offset, of an
// instance that may follow last. It returns -1 if there is none. What is
// inside a damaged value may look like a record: better marks, such as the
// index, come first.
func (f *File) RecordBehind(offset int64, last uint64) (int64, error) {
	buf := make([]byte, window)
	for base := offset + 1; base+12 < f.Size; {
		data, err := f.nextData(base)
		if err != nil {
			return -1, err
		}
		// A length word may lie in front of the first byte that is not zero.
		if base = max(base, data-4); base+12 >= f.Size {
			break
		}
		p := buf[:min(int64(len(buf)), f.Size-base)]
		if _, err := f.ReadAt(p, base); err != nil {
			return -1, err
		}
		for i := 0; i+12 < len(p); i++ {
			length := int64(int32(binary.LittleEndian.Uint32(p[i:])))
			if length <= 8 || length > f.Size-base-int64(i)-4 {
				continue
			}
			instance := binary.LittleEndian.Uint64(p[i+4:])
			if instance < last || instance-last > instancesAhead {
				continue
			}
			if at := base + int64(i); f.ValidAt(at) {
				return at, nil
			}
		}
		base += int64(max(1, len(p)-12))
	}
	return -1, nil
}

// ValidAt reports whether a whole record begins at offset.
func (f *File) ValidAt(offset int64) bool {
	rec, err := f.Records(offset).Next()
	return err == nil && vfile.ValidState(rec.Instance, rec.Data)
}

// LacksSector reports whether a record holds a whole sector of zeros: what a
// disk leaves where it never wrote. This library announces such records in
// the sidecar before it writes them.
func LacksSector(rec vfile.Record) bool {
	const sector = 512
	const head = 12
	end := rec.Offset + head + int64(len(rec.Data))
	for from := (rec.Offset + sector - 1) / sector * sector; from+sector <= end; from += sector {
		at := from - rec.Offset - head
		if at >= 0 && allZero(rec.Data[at:at+sector]) {
			return true
		}
	}
	return false
}
