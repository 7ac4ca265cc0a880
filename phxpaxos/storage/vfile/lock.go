package vfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Names beside g<i>: what Clear leaves, and what it is building.
const (
	backupSuffix = ".bak"
	newSuffix    = ".new"
)

// lockGroup takes the directory of a group, which is made if need be, and
// ends a Clear that a crash cut short. The lock is the LOCK file of LevelDB,
// so that an original node and this one keep each other out.
//
// Clear builds g.new completely, renames g to g.bak and g.new to g. So:
//
//	g exists                      g.new, if any, is unfinished: it is removed
//	g is missing, g.new exists    the second rename is made up for
//	g is missing, g.bak exists    an original node died in its ClearAllLog:
//	                              the log that it moved away is put back,
//	                              because it holds the node's promises
func lockGroup(fsys storage.FS, dir string) (io.Closer, error) {
	for _, from := range []string{dir, dir + newSuffix, dir + backupSuffix} {
		e, err := fsys.Stat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !e.Dir {
			return nil, fmt.Errorf("%s is not a directory", from)
		}
		return adopt(fsys, dir, from)
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	return adopt(fsys, dir, dir)
}

// adopt locks directory from and makes it directory dir.
func adopt(fsys storage.FS, dir, from string) (io.Closer, error) {
	lock, err := lockDirectory(fsys, from)
	if err != nil {
		return nil, err
	}
	if from == dir {
		err = fsys.RemoveAll(dir + newSuffix)
	} else {
		err = fsys.Rename(from, dir)
		if err == nil {
			err = fsys.SyncDir(path.Dir(dir))
		}
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

func lockDirectory(fsys storage.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(path.Join(dir, "LOCK"))
	if errors.Is(err, storage.ErrInUse) {
		return nil, fmt.Errorf("%s is locked: stop the node or tool that uses it, or choose another directory: %w", dir, err)
	}
	return lock, err
}
