// Package smallfile reads and writes the small durable files that this library
// adds to a directory: facts of a few bytes that are replaced as a whole. It
// may change between versions; the bytes of a file may not.
//
// # Format
//
// Numbers are little-endian.
//
//	0       "phxsmall"
//	8       uint16 format number of the payload, from 1
//	10      uint16 k, bytes of the kind, 1 to KindBytesMax
//	12      uint32 n, bytes of the payload, 0 to PayloadBytesMax
//	16      kind: what the file is for, such as "identity"
//	16+k    payload
//	16+k+n  uint32 CRC-32C of all bytes before
//
// The file ends there. This frame never changes, so that every version can
// tell a file of a newer version, whose checksum is right, from a damaged one.
// What may change is the payload, and with it the format number.
//
// # Crashes
//
// Write goes through a temporary file, name + ".new", which it syncs and
// renames. After a crash the file is there with its old or with its new
// content, whole; a temporary file that is left over is ignored by Read and
// replaced by the next Write.
package smallfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Limits of a file.
const (
	KindBytesMax    = 64
	PayloadBytesMax = 1 << 20
)

// TemporarySuffix is appended to the path to name the temporary file.
const TemporarySuffix = ".new"

const (
	magic      = "phxsmall"
	headBytes  = 16
	sumBytes   = 4
	fileMaxLen = headBytes + KindBytesMax + PayloadBytesMax + sumBytes
)

// Write replaces the file at path, which uses slashes, or creates it. When it
// returns nil, the file and its name are durable. After an error the file has
// its old or its new content, and which one may be decided only by a crash.
//
// The directory must exist. kind has 1 to KindBytesMax bytes, format is 1 or
// more, payload has at most PayloadBytesMax bytes; anything else is an error
// that matches storage.ErrRecord, and nothing is written. Write blocks on the
// disk. Calls for the same path must not overlap; other calls may.
func Write(fsys storage.FS, path string, kind string, format uint16, payload []byte) error {
	if err := valid(kind, format, payload); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := replace(fsys, path, Encode(kind, format, payload)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func valid(kind string, format uint16, payload []byte) error {
	switch {
	case kind == "" || len(kind) > KindBytesMax:
		return fmt.Errorf("kind %q has %d bytes, must have 1 to %d: %w", kind, len(kind), KindBytesMax, storage.ErrRecord)
	case format == 0:
		return fmt.Errorf("format number 0, must be 1 or more: %w", storage.ErrRecord)
	case len(payload) > PayloadBytesMax:
		return fmt.Errorf("payload of %d bytes, must have at most %d: %w", len(payload), PayloadBytesMax, storage.ErrRecord)
	}
	return nil
}

func replace(fsys storage.FS, name string, content []byte) error {
	temporary := name + TemporarySuffix
	f, err := fsys.Open(temporary, storage.ReadWrite|storage.Create|storage.Truncate)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, name); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// Read reads a file of the given kind. newest is the highest format number
// that the caller understands.
//
// Errors match fs.ErrNotExist when there is no file, storage.ErrDamaged when
// its bytes are not what Write wrote or it is of another kind, and
// storage.ErrNewerFormat when it is whole and its format number is above
// newest; format is then the number found. Every other error is that of the
// file system. Read changes nothing, blocks on the disk, and may be called by
// any goroutine.
func Read(fsys storage.FS, path, kind string, newest uint16) (format uint16, payload []byte, err error) {
	content, err := readAll(fsys, path)
	if err != nil {
		return 0, nil, fmt.Errorf("read %s: %w", path, err)
	}
	if format, payload, err = Decode(content, kind, newest); err != nil {
		return format, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return format, payload, nil
}

// Decode takes the bytes of a file apart, as Read does, for those who keep
// them elsewhere. The payload is a part of b. Errors match storage.ErrDamaged
// or storage.ErrNewerFormat.
func Decode(b []byte, kind string, newest uint16) (format uint16, payload []byte, err error) {
	found, format, payload, err := decode(b)
	switch {
	case err != nil:
		return 0, nil, err
	case found != kind:
		return 0, nil, fmt.Errorf("it is a file of kind %q, not %q: %w", found, kind, storage.ErrDamaged)
	case format > newest:
		return format, nil, fmt.Errorf("its format number is %d, and this version reads up to %d; install the newer version again: %w",
			format, newest, storage.ErrNewerFormat)
	}
	return format, payload, nil
}

// readAll reads the file, and one byte more than the longest one has.
func readAll(fsys storage.FS, name string) (content []byte, err error) {
	f, err := fsys.Open(name, storage.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	content = make([]byte, min(size, fileMaxLen+1))
	n, err := f.ReadAt(content, 0)
	if errors.Is(err, io.EOF) {
		err = nil // what is missing shows in the checksum
	}
	return content[:n], err
}

// Encode returns the bytes that Write writes. The arguments must be such that
// Write takes them.
func Encode(kind string, format uint16, payload []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, headBytes+len(kind)+len(payload)+sumBytes)
	b = append(b, magic...)
	b = le.AppendUint16(b, format)
	b = le.AppendUint16(b, uint16(len(kind)))
	b = le.AppendUint32(b, uint32(len(payload)))
	b = append(b, kind...)
	b = append(b, payload...)
	return le.AppendUint32(b, checksum.CRC32C(0, b))
}

// decode takes a file apart. The payload is a part of b.
func decode(b []byte) (kind string, format uint16, payload []byte, err error) {
	le := binary.LittleEndian
	if len(b) < headBytes+sumBytes || string(b[:len(magic)]) != magic {
		return "", 0, nil, fmt.Errorf("%d bytes that do not begin as a file of this library: %w", len(b), storage.ErrDamaged)
	}
	format = le.Uint16(b[8:])
	kindBytes, payloadBytes := uint64(le.Uint16(b[10:])), uint64(le.Uint32(b[12:]))
	if want := headBytes + kindBytes + payloadBytes + sumBytes; want != uint64(len(b)) {
		return "", 0, nil, fmt.Errorf("%d bytes where its header says %d: %w", len(b), want, storage.ErrDamaged)
	}
	body := b[:len(b)-sumBytes]
	if got, want := checksum.CRC32C(0, body), le.Uint32(b[len(body):]); got != want {
		return "", 0, nil, fmt.Errorf("its checksum is wrong: %w", storage.ErrDamaged)
	}
	kind, payload = string(body[headBytes:headBytes+kindBytes]), body[headBytes+kindBytes:]
	if err := valid(kind, format, payload); err != nil {
		return "", 0, nil, fmt.Errorf("%w: %w", err, storage.ErrDamaged)
	}
	return kind, format, payload, nil
}
