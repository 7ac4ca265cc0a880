package phxpaxos

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// The ledger of a group (package ledger) is a file in the group's directory,
// on the log's file system. Original nodes and tools pass over it. A log storage without a directory
// keeps none; there a state machine without recent entries holds the log.

// groupFile is the path of a file in the group's directory, and the file system
// of the log, which need not be the machine's disk. The path is "" if the
// storage has no directory.
func (e env) groupFile(name string) (storage.FS, string) {
	dir := e.store.Dir(e.index)
	if dir == "" {
		return nil, ""
	}
	name = path.Join(filepath.ToSlash(dir), name)
	if rooted, ok := e.store.(identity.Rooted); ok {
		fsys, _ := rooted.Root()
		return fsys, name
	}
	return osfs.FS{}, name
}

func (e env) readLedger() (data []byte, ok bool, err error) {
	fsys, name := e.groupFile(ledger.FileName)
	if name == "" {
		return nil, false, nil
	}
	_, data, err = smallfile.Read(fsys, name, ledger.FileKind, ledger.Format)
	switch {
	case err == nil:
		return data, true, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("%w: %w", ErrStorage, err)
}

func (e env) writeLedger(data []byte) error {
	fsys, name := e.groupFile(ledger.FileName)
	if name == "" {
		return fmt.Errorf("%w: the log storage has no directory for %s", ErrStorage, ledger.FileName)
	}
	err := fsys.MkdirAll(path.Dir(name))
	if err == nil {
		err = smallfile.Write(fsys, name, ledger.FileKind, ledger.Format, data)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}
