package phxpaxos

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// The ledger of a group (package ledger) is a file in the group's directory.
// Original nodes and tools pass over it. A log storage without a directory
// keeps none; there a state machine without recent entries holds the log.

// ledgerPath is the file's path, or "".
func (e env) ledgerPath() string {
	if dir := e.store.Dir(e.index); dir != "" {
		return path.Join(dir, ledger.FileName)
	}
	return ""
}

func (e env) readLedger() (data []byte, ok bool, err error) {
	name := e.ledgerPath()
	if name == "" {
		return nil, false, nil
	}
	_, data, err = smallfile.Read(osfs.FS{}, name, ledger.FileKind, ledger.Format)
	switch {
	case err == nil:
		return data, true, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("%w: %w", ErrStorage, err)
}

func (e env) writeLedger(data []byte) error {
	name := e.ledgerPath()
	if name == "" {
		return fmt.Errorf("%w: the log storage has no directory for %s", ErrStorage, ledger.FileName)
	}
	var disk osfs.FS
	err := disk.MkdirAll(path.Dir(name))
	if err == nil {
		err = smallfile.Write(disk, name, ledger.FileKind, ledger.Format, data)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}
