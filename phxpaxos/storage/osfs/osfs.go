// Package osfs is the real file system behind storage.FS. It is promised to
// users. All methods may be called by any goroutine.
//
// Files are created with mode 0600 and directories with 0755, less the umask.
// Where the system has fdatasync it is used for SyncData.
package osfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// FS is the file system of the operating system. The zero value is ready.
type FS struct{}

var _ storage.FS = FS{}

// Open opens a file.
func (FS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	mode := os.O_RDONLY
	if flags&(storage.ReadWrite|storage.Create|storage.Truncate) != 0 {
		mode = os.O_RDWR
	}
	if flags&storage.Create != 0 {
		mode |= os.O_CREATE
	}
	if flags&storage.Exclusive != 0 {
		mode |= os.O_EXCL
	}
	if flags&storage.Truncate != 0 {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(name, mode, 0o600)
	if err != nil {
		return nil, err
	}
	return &file{f}, nil
}

// MkdirAll creates a directory and its missing parents and syncs the
// directories that got a new name in them.
func (s FS) MkdirAll(name string) error {
	name = filepath.Clean(name)
	if st, err := os.Stat(name); err == nil {
		if !st.IsDir() {
			return fmt.Errorf("%s is not a directory", name)
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(name)
	if parent != name {
		if err := s.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.SyncDir(parent)
}

// ReadDir lists a directory, sorted by name.
func (FS) ReadDir(name string) ([]storage.Entry, error) {
	list, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	out := make([]storage.Entry, 0, len(list))
	for _, d := range list {
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, storage.Entry{Name: d.Name(), Size: info.Size(), Dir: d.IsDir()})
	}
	return out, nil
}

// Stat describes a file or directory.
func (FS) Stat(name string) (storage.Entry, error) {
	info, err := os.Stat(name)
	if err != nil {
		return storage.Entry{}, err
	}
	return storage.Entry{Name: info.Name(), Size: info.Size(), Dir: info.IsDir()}, nil
}

// Regular reports whether name is a regular file; a link to one is not.
func (FS) Regular(name string) (bool, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return false, err
	}
	return info.Mode().IsRegular(), nil
}

// Remove removes a file or an empty directory.
func (FS) Remove(name string) error { return os.Remove(name) }

// RemoveAll removes a tree.
func (FS) RemoveAll(name string) error { return os.RemoveAll(name) }

// Rename renames within a directory.
func (FS) Rename(from, to string) error { return os.Rename(from, to) }

// SyncDir makes the names in a directory durable.
func (FS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(d), d.Close())
}

// Lock takes the lock on a file; see the platform's lockFile for what it
// keeps out.
func (FS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return &lock{f: f}, nil
}

// lock holds a locked file. Its locks belong to the open file, so that
// closing it is what gives them back.
type lock struct {
	once sync.Once
	f    *os.File
	err  error
}

func (l *lock) Close() error {
	l.once.Do(func() { l.err = l.f.Close() })
	return l.err
}

type file struct{ f *os.File }

func (f *file) ReadAt(p []byte, off int64) (int, error)  { return f.f.ReadAt(p, off) }
func (f *file) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }
func (f *file) Truncate(size int64) error                { return f.f.Truncate(size) }
func (f *file) Sync() error                              { return f.f.Sync() }
func (f *file) SyncData() error                          { return syncData(f.f) }
func (f *file) Close() error                             { return f.f.Close() }

func (f *file) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
