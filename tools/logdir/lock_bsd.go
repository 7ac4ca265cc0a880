//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package logdir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// lockShared uses flock alone: on these systems flock and fcntl locks exclude
// each other.
func lockShared(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return storage.ErrInUse
	}
	return err
}
