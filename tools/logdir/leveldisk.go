package logdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	lstorage "github.com/syndtr/goleveldb/leveldb/storage"
)

// levelDisk lets LevelDB read a directory that it must not change. LevelDB's
// own read-only mode creates LOCK if it is missing; this creates nothing.
type levelDisk struct{ dir string }

var (
	_           lstorage.Storage = levelDisk{}
	errReadOnly                  = errors.New("the index is open for reading")
)

type noLock struct{}

func (noLock) Unlock() {}

// Lock does nothing: the directory's lock is held by who reads it.
func (levelDisk) Lock() (lstorage.Locker, error) { return noLock{}, nil }

// Log drops LevelDB's chatter.
func (levelDisk) Log(string) {}

// SetMeta and the other changes are refused.
func (levelDisk) SetMeta(lstorage.FileDesc) error { return errReadOnly }
func (levelDisk) Create(lstorage.FileDesc) (lstorage.Writer, error) {
	return nil, errReadOnly
}
func (levelDisk) Remove(lstorage.FileDesc) error      { return errReadOnly }
func (levelDisk) Rename(_, _ lstorage.FileDesc) error { return errReadOnly }
func (levelDisk) Close() error                        { return nil }

const currentName = "CURRENT"

// GetMeta reads CURRENT.
func (d levelDisk) GetMeta() (lstorage.FileDesc, error) {
	b, err := os.ReadFile(filepath.Join(d.dir, currentName))
	if err != nil {
		return lstorage.FileDesc{}, err
	}
	name, whole := bytes.CutSuffix(b, []byte("\n"))
	fd, ok := levelFile(string(name))
	if !whole || !ok || fd.Type != lstorage.TypeManifest {
		return lstorage.FileDesc{}, &lstorage.ErrCorrupted{Err: fmt.Errorf("CURRENT holds %q", b[:min(len(b), 64)])}
	}
	if _, err := os.Stat(filepath.Join(d.dir, fd.String())); err != nil {
		return lstorage.FileDesc{}, err
	}
	return fd, nil
}

// levelFile takes the name of one of LevelDB's files apart.
func levelFile(name string) (fd lstorage.FileDesc, ok bool) {
	digits, found := strings.CutPrefix(name, "MANIFEST-")
	if found {
		fd.Type = lstorage.TypeManifest
	} else {
		var ext string
		digits, ext, _ = strings.Cut(name, ".")
		switch ext {
		case "log":
			fd.Type = lstorage.TypeJournal
		case "ldb", "sst":
			fd.Type = lstorage.TypeTable
		default:
			return fd, false
		}
	}
	n := 0
	if _, err := fmt.Sscanf(digits, "%d", &n); err != nil || n < 0 || strings.Trim(digits, "0123456789") != "" {
		return fd, false
	}
	fd.Num = int64(n)
	return fd, true
}

// List returns LevelDB's files of the given types.
func (d levelDisk) List(types lstorage.FileType) ([]lstorage.FileDesc, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var out []lstorage.FileDesc
	for _, e := range entries {
		if fd, ok := levelFile(e.Name()); ok && !e.IsDir() && fd.Type&types != 0 {
			out = append(out, fd)
		}
	}
	return out, nil
}

// Open opens a file. Tables were called .sst once.
func (d levelDisk) Open(fd lstorage.FileDesc) (lstorage.Reader, error) {
	f, err := os.Open(filepath.Join(d.dir, fd.String()))
	if errors.Is(err, fs.ErrNotExist) && fd.Type == lstorage.TypeTable {
		f, err = os.Open(filepath.Join(d.dir, fmt.Sprintf("%06d.sst", fd.Num)))
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}
