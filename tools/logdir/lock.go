package logdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// lockName is the file that LevelDB, and with it every node, locks.
const lockName = "LOCK"

// Lock keeps nodes out of a group's directory until the result is closed.
// Other readers are let in. It creates nothing: a directory without a LOCK is
// in nobody's use. It does not wait; it fails with an error that matches
// storage.ErrInUse while a node or a writing tool has the directory.
func Lock(groupDir string) (io.Closer, error) {
	name := filepath.Join(groupDir, lockName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return unlocked{}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := lockShared(f); err != nil {
		f.Close()
		if errors.Is(err, storage.ErrInUse) {
			return nil, fmt.Errorf("%s is locked: stop the node or tool that uses it: %w", groupDir, err)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

type unlocked struct{}

func (unlocked) Close() error { return nil }
