package osfs

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// lockFile takes two locks on the same open file, because the programs to
// keep out use either: C++ LevelDB asks for an fcntl record lock, goleveldb
// for flock. The record lock is taken for the open file description instead
// of for the process: it conflicts with the classic kind all the same, it
// also keeps out a second opener of this process, and it does not vanish when
// some other descriptor of the file is closed.
func lockFile(f *os.File) error {
	record := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &record)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return storage.ErrInUse
	}
	if err != nil {
		return &os.PathError{Op: "fcntl", Path: f.Name(), Err: err}
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return storage.ErrInUse
	}
	if err != nil {
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}
