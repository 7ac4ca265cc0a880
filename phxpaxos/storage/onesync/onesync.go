package onesync

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// FS passes everything to another storage.FS, and gives all syncs of a file
// one result: see the package's comment. Make one with New. It is safe for
// concurrent use as far as the other one is.
type FS struct {
	storage.FS

	// renaming is held for reading while a file is opened and for writing
	// while a name changes, so that a handle gets the state of its own file.
	renaming sync.RWMutex

	mu     sync.Mutex
	states map[string]*state // by path
}

// state is what is known of the syncs of one file or directory.
type state struct {
	mu  sync.Mutex // held during a sync
	err error      // of the first sync that failed

	// Of FS.mu.
	name string // in FS.states; "" when the file was removed or replaced
	refs int    // handles and syncs that use the state
}

// New returns fsys with one result for all syncs of a file.
func New(fsys storage.FS) *FS {
	return &FS{FS: fsys, states: map[string]*state{}}
}

func clean(name string) string { return path.Clean(filepath.ToSlash(name)) }

// acquire returns the state of a path.
func (s *FS) acquire(name string) *state {
	name = clean(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.states[name]
	if st == nil {
		st = &state{name: name}
		s.states[name] = st
	}
	st.refs++
	return st
}

// release ends what acquire began. The state of a file that nothing uses is
// forgotten, unless a sync has failed.
func (s *FS) release(st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.refs--
	// Without users no sync is under way that could set err.
	if st.refs == 0 && st.err == nil && st.name != "" {
		delete(s.states, st.name)
	}
}

// detach takes the states of a path, and with tree set those below it, out of
// the map and returns them by the rest of their path. The caller holds mu.
func (s *FS) detach(name string, tree bool) map[string]*state {
	out := map[string]*state{}
	if st := s.states[name]; st != nil {
		out[""] = st
	}
	if tree {
		prefix := name + "/"
		for other, st := range s.states {
			if strings.HasPrefix(other, prefix) {
				out[other[len(name):]] = st
			}
		}
	}
	for _, st := range out {
		delete(s.states, st.name)
		st.name = ""
	}
	return out
}

// Open implements storage.FS.
func (s *FS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	s.renaming.RLock()
	defer s.renaming.RUnlock()
	f, err := s.FS.Open(name, flags)
	if err != nil {
		return nil, err
	}
	return &file{File: f, fs: s, st: s.acquire(name)}, nil
}

// Rename implements storage.FS.
func (s *FS) Rename(from, to string) error {
	s.renaming.Lock()
	defer s.renaming.Unlock()
	if err := s.FS.Rename(from, to); err != nil {
		return err
	}
	from, to = clean(from), clean(to)
	if from == to {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detach(to, true)
	for rest, st := range s.detach(from, true) {
		st.name = to + rest
		s.states[st.name] = st
	}
	return nil
}

// Remove implements storage.FS.
func (s *FS) Remove(name string) error { return s.remove(name, false, s.FS.Remove) }

// RemoveAll implements storage.FS.
func (s *FS) RemoveAll(name string) error { return s.remove(name, true, s.FS.RemoveAll) }

func (s *FS) remove(name string, tree bool, remove func(string) error) error {
	s.renaming.Lock()
	defer s.renaming.Unlock()
	if err := remove(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detach(clean(name), tree)
	return nil
}

// SyncDir implements storage.FS.
func (s *FS) SyncDir(name string) error {
	st := s.acquire(name)
	defer s.release(st)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.err != nil {
		return st.err
	}
	err := s.FS.SyncDir(name)
	if !unopened(err) {
		st.err = err
	}
	return err
}

// unopened reports whether a directory was not synced because it could not be
// opened.
func unopened(err error) bool {
	var p *fs.PathError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &p) && p.Op == "open"
}

// file is an open file that shares its syncs.
type file struct {
	storage.File
	fs    *FS
	st    *state
	close sync.Once
}

// Sync implements storage.File.
func (f *file) Sync() error {
	f.st.mu.Lock()
	defer f.st.mu.Unlock()
	if f.st.err == nil {
		f.st.err = f.File.Sync()
	}
	return f.st.err
}

// SyncData implements storage.File.
func (f *file) SyncData() error {
	f.st.mu.Lock()
	defer f.st.mu.Unlock()
	if f.st.err == nil {
		f.st.err = f.File.SyncData()
	}
	return f.st.err
}

// Close implements storage.File. No sync of this handle may be under way.
func (f *file) Close() error {
	err := f.File.Close()
	f.close.Do(func() { f.fs.release(f.st) })
	return err
}

// NextData implements storage.DataFinder. Where the file does not know, every
// byte may be data.
func (f *file) NextData(offset int64) (int64, error) {
	if d, ok := f.File.(storage.DataFinder); ok {
		return d.NextData(offset)
	}
	size, err := f.File.Size()
	return min(offset, size), err
}

// DropCache implements storage.CacheDropper where the file does.
func (f *file) DropCache() error { return storage.DropCache(f.File) }
