package logdir

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// lockShared takes both kinds of lock that nodes take: original ones an fcntl
// record lock, ours that and flock. The record lock belongs to the open file,
// so that it also meets the stores of this process.
func lockShared(f *os.File) error {
	record := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &record)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return storage.ErrInUse
	}
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return storage.ErrInUse
	} else if err != nil {
		return err
	}
	return nil
}
