package vfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	lstorage "github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// levelFS lets LevelDB run on a storage.FS, so that faults and crashes reach
// it too. It is stricter than goleveldb's own: a new file's name is synced
// with its first sync. The directory's lock is the group's.
type levelFS struct {
	fs  storage.FS
	dir string
}

type nothing struct{}

func (nothing) Unlock() {}

// Lock does nothing: the group holds the directory's LOCK.
func (s *levelFS) Lock() (lstorage.Locker, error) { return nothing{}, nil }

// Log drops LevelDB's chatter; LOG in the directory stays the original's.
func (s *levelFS) Log(string) {}

func (s *levelFS) path(name string) string { return path.Join(s.dir, name) }

const currentName = "CURRENT"

// SetMeta points CURRENT to a manifest, in one step. The manifest is synced
// first: goleveldb 1.0.0 does not do that itself, and a crash would leave an
// index that cannot be opened.
func (s *levelFS) SetMeta(fd lstorage.FileDesc) error {
	if !lstorage.FileDescOk(fd) {
		return lstorage.ErrInvalidFile
	}
	if err := s.syncFile(fd.String()); err != nil {
		return err
	}
	tmp := s.path(fmt.Sprintf("%06d.dbtmp", fd.Num))
	f, err := s.fs.Open(tmp, storage.ReadWrite|storage.Create|storage.Truncate)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(fd.String()+"\n"), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// LevelDB tries again, and needs another file: this one keeps its error.
		return errors.Join(err, s.fs.Remove(tmp))
	}
	if err := s.fs.Rename(tmp, s.path(currentName)); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

func (s *levelFS) syncFile(name string) error {
	f, err := s.fs.Open(s.path(name), storage.ReadWrite)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// GetMeta reads CURRENT.
func (s *levelFS) GetMeta() (lstorage.FileDesc, error) {
	f, err := s.fs.Open(s.path(currentName), storage.ReadOnly)
	if err != nil {
		return lstorage.FileDesc{}, err
	}
	defer f.Close()
	var buf [64]byte
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return lstorage.FileDesc{}, err
	}
	name, whole := bytes.CutSuffix(buf[:n], []byte("\n"))
	fd, ok := parseLevelName(string(name))
	if !whole || !ok || fd.Type != lstorage.TypeManifest {
		return lstorage.FileDesc{}, &lstorage.ErrCorrupted{Err: fmt.Errorf("CURRENT holds %q", buf[:n])}
	}
	if _, err := s.fs.Stat(s.path(fd.String())); err != nil {
		return lstorage.FileDesc{}, err
	}
	return fd, nil
}

// forgetHalfMade removes what a crash left of an index that was about to be
// made: without CURRENT and without a table or journal there was never one.
func (s *levelFS) forgetHalfMade() error {
	if _, err := s.fs.Stat(s.path(currentName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	list, err := s.List(lstorage.TypeAll)
	if err != nil {
		return err
	}
	for _, fd := range list {
		if fd.Type == lstorage.TypeTable || fd.Type == lstorage.TypeJournal {
			return nil
		}
	}
	for _, fd := range list {
		if err := s.Remove(fd); err != nil {
			return err
		}
	}
	return nil
}

func parseLevelName(name string) (lstorage.FileDesc, bool) {
	var fd lstorage.FileDesc
	digits := name
	if rest, ok := strings.CutPrefix(name, "MANIFEST-"); ok {
		fd.Type, digits = lstorage.TypeManifest, rest
	} else {
		base, ext, _ := strings.Cut(name, ".")
		switch ext {
		case "log":
			fd.Type = lstorage.TypeJournal
		case "ldb", "sst":
			fd.Type = lstorage.TypeTable
		case "tmp":
			fd.Type = lstorage.TypeTemp
		default:
			return fd, false
		}
		digits = base
	}
	num, err := strconv.ParseInt(digits, 10, 64)
	fd.Num = num
	return fd, err == nil && num >= 0
}

// List returns LevelDB's files of the given types.
func (s *levelFS) List(types lstorage.FileType) ([]lstorage.FileDesc, error) {
	entries, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []lstorage.FileDesc
	for _, e := range entries {
		if fd, ok := parseLevelName(e.Name); ok && !e.Dir && fd.Type&types != 0 {
			out = append(out, fd)
		}
	}
	return out, nil
}

// oldName is the name that LevelDB gave to tables once.
func oldName(fd lstorage.FileDesc) (string, bool) {
	return fmt.Sprintf("%06d.sst", fd.Num), fd.Type == lstorage.TypeTable
}

// Open opens a file for reading.
func (s *levelFS) Open(fd lstorage.FileDesc) (lstorage.Reader, error) {
	f, err := s.fs.Open(s.path(fd.String()), storage.ReadOnly)
	if old, has := oldName(fd); has && errors.Is(err, fs.ErrNotExist) {
		f, err = s.fs.Open(s.path(old), storage.ReadOnly)
	}
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &levelReader{io.NewSectionReader(f, 0, size), f}, nil
}

// Create makes an empty file.
func (s *levelFS) Create(fd lstorage.FileDesc) (lstorage.Writer, error) {
	f, err := s.fs.Open(s.path(fd.String()), storage.ReadWrite|storage.Create|storage.Truncate)
	if err != nil {
		return nil, err
	}
	return &levelWriter{stor: s, f: f}, nil
}

// Remove removes a file.
func (s *levelFS) Remove(fd lstorage.FileDesc) error {
	err := s.fs.Remove(s.path(fd.String()))
	if old, has := oldName(fd); has && errors.Is(err, fs.ErrNotExist) {
		return s.fs.Remove(s.path(old))
	}
	return err
}

// Rename renames a file.
func (s *levelFS) Rename(from, to lstorage.FileDesc) error {
	if err := s.fs.Rename(s.path(from.String()), s.path(to.String())); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

// Close does nothing: every file is closed by who opened it.
func (s *levelFS) Close() error { return nil }

type levelReader struct {
	*io.SectionReader
	f storage.File
}

func (r *levelReader) Close() error { return r.f.Close() }

// levelWriter appends.
type levelWriter struct {
	stor *levelFS
	f    storage.File

	mu    sync.Mutex
	size  int64
	named bool // its name is durable
}

func (w *levelWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.f.WriteAt(p, w.size)
	w.size += int64(n)
	return n, err
}

func (w *levelWriter) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.f.SyncData(); err != nil {
		return err
	}
	if w.named {
		return nil
	}
	w.named = true
	return w.stor.fs.SyncDir(w.stor.dir)
}

func (w *levelWriter) Close() error { return w.f.Close() }
