package phxpaxos

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// The file group.NewcomerFile stands in a group's directory as long as the node
// may not vote, see group.Newcomer. The original's layout has no variable for
// it, and its nodes and tools pass over files that they do not know. A log
// storage without a directory has no such file: what it keeps does not outlive
// the process anyway, or its owner has to say so by Options.FirstStart.

func (e env) marked() (bool, error) {
	fsys, name := e.groupFile(group.NewcomerFile)
	if name == "" {
		return false, nil
	}
	found, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && found.Size > 0 {
		// An empty file is format 1; what a later one says is not known here.
		return false, storage.NewerFormat(name, 2, 1)
	}
	return err == nil, err
}

// setMark makes or removes the file, durably.
func (e env) setMark(on bool) (err error) {
	disk, name := e.groupFile(group.NewcomerFile)
	if name == "" {
		return nil
	}
	if on {
		var f storage.File
		if err = disk.MkdirAll(path.Dir(name)); err == nil {
			f, err = disk.Open(name, storage.Create)
		}
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
	} else if err = disk.Remove(name); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = disk.SyncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}
