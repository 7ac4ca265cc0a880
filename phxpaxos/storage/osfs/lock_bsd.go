//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// lockFile uses flock alone: on these systems flock and fcntl locks exclude
// each other.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return storage.ErrInUse
	}
	if err != nil {
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}
