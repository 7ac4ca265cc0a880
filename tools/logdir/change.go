package logdir

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// OpenForChange opens groups 0 … group of a storage directory with a node's
// own store, which repairs them first if a crash left something to repair.
// Unlike vfile.Open it never creates a group, keeps the size of the files,
// and fails if the wanted group cannot be recovered. It fails with an error
// that matches storage.ErrInUse while a node has the directory.
func OpenForChange(dir string, group int) (*vfile.Store, error) {
	for i := range group + 1 {
		if err := exists(GroupDir(dir, i)); err != nil {
			return nil, err
		}
	}
	g, err := Open(dir, group)
	if err != nil {
		return nil, err
	}
	size, err := g.CurrentFileBytes()
	g.Close()
	if err != nil {
		return nil, err
	}
	s, err := vfile.Open(dir, group+1, vfile.Options{FileBytesMax: fileBytes(size)})
	if err != nil {
		return nil, err
	}
	if err := s.Err(group); err != nil {
		s.Close()
		return nil, fmt.Errorf("recover: %w", err)
	}
	return s, nil
}

// fileBytes is the size that value files of a directory have, by the size of
// the current one. A file that was cut says nothing: then the default it is.
func fileBytes(current int64) int64 {
	const least, most = 4096, 1<<31 - 1
	if current < least || current > most {
		return 0
	}
	return current
}
