package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// smallFile is a file that a node keeps next to its records, the same in both
// layouts.
type smallFile struct {
	name   string
	kind   string // of package smallfile; "" for a file that is empty
	format uint16
}

var (
	// groupFiles are in the directory of each group. Without the ledger a log
	// that is trimmed beyond the checkpoint of a state machine could not be
	// started from. Without the newcomer's mark a node would vote that may have
	// forgotten its promises.
	groupFiles = []smallFile{
		{ledger.FileName, ledger.FileKind, ledger.Format},
		{name: group.NewcomerFile, format: 1},
	}
	// featuresFile is in the directory of the log: the level of the features, an
	// operator's limit, and the cluster.
	featuresFile = smallFile{feature.FileName, feature.FileKind, feature.Format}
)

// read returns what the file in a directory holds; ok says that there is one.
// One of a later format is an error, since it may have to change with the
// layout.
func (f smallFile) read(dir string) (payload []byte, ok bool, err error) {
	name := filepath.ToSlash(filepath.Join(dir, f.name))
	if f.kind == "" {
		if payload, err = os.ReadFile(name); len(payload) > 0 {
			err = storage.NewerFormat(name, uint64(f.format)+1, uint64(f.format))
		}
	} else {
		_, payload, err = smallfile.Read(osfs.FS{}, name, f.kind, f.format)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return payload, err == nil, err
}

// copy copies the file, if there is one, from one directory to another, which
// it makes. The copy is durable.
func (f smallFile) copy(from, to string) error {
	payload, ok, err := f.read(from)
	if err != nil || !ok {
		return err
	}
	var disk osfs.FS
	to = filepath.ToSlash(to)
	if err := disk.MkdirAll(to); err != nil {
		return err
	}
	name := filepath.ToSlash(filepath.Join(to, f.name))
	if f.kind != "" {
		return smallfile.Write(disk, name, f.kind, f.format, payload)
	}
	empty, err := disk.Open(name, storage.Create)
	if err != nil {
		return err
	}
	return errors.Join(empty.Sync(), empty.Close(), disk.SyncDir(to))
}

// compare says how the files in two directories differ.
func (f smallFile) compare(from, written string) error {
	a, okA, errA := f.read(from)
	b, okB, errB := f.read(written)
	if errA != nil || errB != nil || okA != okB || !bytes.Equal(a, b) {
		return errors.Join(fmt.Errorf("%s is %x (there: %v), was %x (there: %v)", f.name, b, okB, a, okA), errA, errB)
	}
	return nil
}
