package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData skips what a reader does not need, such as the time stamps: into
// blocks that exist already it costs half of a full sync.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}

func syncDirectory(d *os.File) error { return d.Sync() }

// NextData implements storage.DataFinder. It moves the file's own position,
// which nothing here uses.
func (f *file) NextData(offset int64) (int64, error) {
	size, err := f.Size()
	if err != nil || offset >= size {
		return size, err
	}
	at, err := unix.Seek(int(f.f.Fd()), offset, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return size, nil
	case errors.Is(err, unix.EINVAL):
		return offset, nil // a file system without holes
	case err != nil:
		return 0, &os.PathError{Op: "lseek", Path: f.f.Name(), Err: err}
	}
	return at, nil
}
