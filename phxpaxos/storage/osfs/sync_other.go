//go:build !linux

package osfs

import (
	"errors"
	"os"
	"syscall"
)

func syncData(f *os.File) error { return f.Sync() }

// syncDirectory passes over systems on which a directory cannot be synced.
func syncDirectory(d *os.File) error {
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
