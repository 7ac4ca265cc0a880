package osfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// DropCache implements storage.CacheDropper.
func (f *file) DropCache() error {
	if err := unix.Fadvise(int(f.f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return &os.PathError{Op: "fadvise", Path: f.f.Name(), Err: err}
	}
	return nil
}
