package vfile

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

const metaBytes = 8

// decodeMeta reads the id of the current file (spec/storage-api.md section
// 2.4): nothing means 0, four bytes alone are taken without a check.
func decodeMeta(b []byte) (id int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if len(b) < 4 {
		return 0, false
	}
	if len(b) >= metaBytes && binary.LittleEndian.Uint32(b[4:]) != crc32.ChecksumIEEE(b[:4]) {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b)
	return int(n), n <= math.MaxInt32
}

func encodeMeta(id int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(id))
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func readMeta(fsys storage.FS, dir string) (id int, ok bool, err error) {
	f, err := fsys.Open(path.Join(dir, "meta"), storage.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, false, err
	}
	b := make([]byte, min(size, metaBytes))
	if len(b) > 0 {
		if _, err := f.ReadAt(b, 0); err != nil {
			return 0, false, err
		}
	}
	id, ok = decodeMeta(b)
	return id, ok, nil
}

// writeMeta makes id the current file, durably.
func writeMeta(fsys storage.FS, dir string, id int) error {
	f, err := fsys.Open(path.Join(dir, "meta"), storage.ReadWrite|storage.Create)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(encodeMeta(id), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func valueName(id int) string   { return strconv.Itoa(id) + ".f" }
func sidecarName(id int) string { return strconv.Itoa(id) + ".crc" }

// fileNumber takes names like "12.f" apart.
func fileNumber(name, suffix string) (int, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || digits == "" || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 32)
	return int(id), err == nil && id >= 0
}
