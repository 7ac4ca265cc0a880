package vfile

import (
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// valueFile is an open value file with its checksums. What it points to
// stays usable until it is released, also when the file is removed meanwhile.
type valueFile struct {
	id   int
	f    storage.File
	size int64
	side *sidecar

	refs int // users now; the fields below belong to fileSet
	used uint64
}

// sync makes what is in the file durable. After a failure it fails always:
// see package onesync.
func (v *valueFile) sync() error {
	if err := v.f.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", valueName(v.id), err)
	}
	return nil
}

// filesOpenMax is how many value files a group keeps open beside those in
// use: the current one, the one that a learner is taught from, and one more.
const filesOpenMax = 3

// fileSet keeps the value files of a group open. It never creates one. It is
// safe for concurrent use.
type fileSet struct {
	fs  storage.FS
	dir string

	mu    sync.Mutex
	clock uint64
	open  map[int]*valueFile
}

func newFileSet(fsys storage.FS, dir string) *fileSet {
	return &fileSet{fs: fsys, dir: dir, open: map[int]*valueFile{}}
}

// acquire opens file id, or matches fs.ErrNotExist. Give it back with release.
func (s *fileSet) acquire(id int) (*valueFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	if v, ok := s.open[id]; ok {
		v.refs++
		v.used = s.clock
		return v, nil
	}
	f, err := s.fs.Open(path.Join(s.dir, valueName(id)), storage.ReadWrite)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	v := &valueFile{id: id, f: f, size: size, refs: 1, used: s.clock}
	v.side = newSidecar(s.fs, path.Join(s.dir, sidecarName(id)), id)
	s.open[id] = v
	s.evict()
	return v, nil
}

func (s *fileSet) release(v *valueFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.refs--
	if s.open[v.id] != v && v.refs == 0 {
		v.close() // it was dropped while somebody read
	}
}

// evict closes the files that were not used for longest.
func (s *fileSet) evict() {
	for len(s.open) > filesOpenMax {
		var oldest *valueFile
		for _, v := range s.open {
			if v.refs == 0 && (oldest == nil || v.used < oldest.used) {
				oldest = v
			}
		}
		if oldest == nil {
			return
		}
		delete(s.open, oldest.id)
		oldest.close()
	}
}

// drop forgets a file, which is closed when nobody uses it any more.
func (s *fileSet) drop(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.open[id]
	if !ok {
		return
	}
	delete(s.open, id)
	if v.refs == 0 {
		v.close()
	}
}

// closeAll drops every file.
func (s *fileSet) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.open {
		delete(s.open, id)
		if v.refs == 0 {
			v.close()
		}
	}
}

// close errors are of no use: what had to be durable was synced before.
func (v *valueFile) close() {
	v.f.Close()
	v.side.close()
}

// create makes value file id, size bytes long and durable, and acquires it.
// A file that is there already and not empty is not touched.
func (s *fileSet) create(id int, size int64) (*valueFile, error) {
	name := path.Join(s.dir, valueName(id))
	f, err := s.fs.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		return nil, err
	}
	err = func() error {
		if old, err := f.Size(); err != nil {
			return err
		} else if old != 0 {
			return fmt.Errorf("%s exists already and holds %d bytes: %w", name, old, storage.ErrDamaged)
		}
		if err := f.Truncate(size); err != nil {
			return err
		}
		return f.Sync()
	}()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return nil, err
	}
	return s.acquire(id)
}
