package memfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// ErrCrashed is returned by files that were open when the process or the
// power went away, and by everything between CrashAfter's point and Crash.
var ErrCrashed = errors.New("memfs: crashed")

// FS is a file system in memory as one process sees it: after Crash or Kill
// it is dead, and so is every file opened by it. Make the first one with New.
// It is safe for concurrent use.
type FS struct {
	*disk
	life int
}

// disk is what outlives a crash.
type disk struct {
	mu     sync.Mutex
	root   *node
	lastID int
	lives  int // of them only the last one is not dead
	locked map[*node]bool
	faults faults
}

var _ storage.FS = (*FS)(nil)

// node is a file or a directory.
type node struct {
	id  int
	dir bool

	names  map[string]*node // directory: as seen
	onDisk map[string]*node // directory: as it is after a loss of power
	moves  []move           // directory: what leads from onDisk to names

	cache   content  // file: as seen
	disk    content  // file: as it is after a loss of power
	pending []change // file: what has been written and not synced
	lost    *loss    // file: a writeback error that no sync has reported yet
}

// move is one change of a directory: a name goes, a name comes, or both.
type move struct {
	gone string
	come string
	node *node
}

func (m move) apply(names map[string]*node) {
	if m.gone != "" {
		delete(names, m.gone)
	}
	if m.come != "" {
		names[m.come] = m.node
	}
}

// New returns an empty file system.
func New() *FS {
	s := &FS{disk: &disk{locked: map[*node]bool{}}}
	s.faults.room = -1
	s.root = s.newNode(true)
	return s
}

func (s *disk) newNode(dir bool) *node {
	s.lastID++
	n := &node{id: s.lastID, dir: dir}
	if dir {
		n.names, n.onDisk = map[string]*node{}, map[string]*node{}
	}
	return n
}

func (n *node) move(m move) {
	m.apply(n.names)
	n.moves = append(n.moves, m)
}

func (n *node) syncNames() {
	for _, m := range n.moves {
		m.apply(n.onDisk)
	}
	n.moves = nil
}

func parts(name string) []string {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

func (s *disk) find(name string) (*node, error) {
	n := s.root
	for _, p := range parts(name) {
		if !n.dir {
			return nil, fmt.Errorf("memfs: %s: not a directory", name)
		}
		next, ok := n.names[p]
		if !ok {
			return nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
		}
		n = next
	}
	return n, nil
}

// parent returns the directory of a name and the last part of it.
func (s *disk) parent(name string) (*node, string, error) {
	p := parts(name)
	if len(p) == 0 {
		return nil, "", fmt.Errorf("memfs: %q names the root", name)
	}
	dir, err := s.find(strings.Join(p[:len(p)-1], "/"))
	if err != nil {
		return nil, "", err
	}
	if !dir.dir {
		return nil, "", fmt.Errorf("memfs: %s: not in a directory", name)
	}
	return dir, p[len(p)-1], nil
}

// Open opens a file.
func (s *FS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(OpOpen, name); err != nil {
		return nil, err
	}
	dir, base, err := s.parent(name)
	if err != nil {
		return nil, err
	}
	n, ok := dir.names[base]
	switch {
	case ok && n.dir:
		return nil, fmt.Errorf("memfs: %s is a directory", name)
	case ok && flags&storage.Exclusive != 0:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case !ok && flags&storage.Create == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case !ok:
		if err := s.check(OpCreate, name); err != nil {
			return nil, err
		}
		n = s.newNode(false)
		dir.move(move{come: base, node: n})
	}
	if flags&storage.Truncate != 0 && n.cache.size > 0 {
		n.change(change{truncate: true})
	}
	writable := flags&(storage.ReadWrite|storage.Create|storage.Truncate) != 0
	return &file{fs: s, n: n, name: name, writable: writable}, nil
}

// MkdirAll creates a directory with its parents.
func (s *FS) MkdirAll(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != s.lives {
		return ErrCrashed
	}
	n := s.root
	for _, p := range parts(name) {
		if !n.dir {
			return fmt.Errorf("memfs: %s: not a directory", name)
		}
		next, ok := n.names[p]
		if !ok {
			if err := s.check(OpCreate, name); err != nil {
				return err
			}
			next = s.newNode(true)
			n.move(move{come: p, node: next})
			n.syncNames()
		}
		n = next
	}
	if !n.dir {
		return fmt.Errorf("memfs: %s is not a directory", name)
	}
	return nil
}

// ReadDir lists a directory, sorted by name.
func (s *FS) ReadDir(name string) ([]storage.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(OpRead, name); err != nil {
		return nil, err
	}
	n, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, fmt.Errorf("memfs: %s: not a directory", name)
	}
	out := make([]storage.Entry, 0, len(n.names))
	for _, base := range sorted(n.names) {
		out = append(out, n.names[base].entry(base))
	}
	return out, nil
}

func sorted(names map[string]*node) []string {
	out := make([]string, 0, len(names))
	for base := range names {
		out = append(out, base)
	}
	sort.Strings(out)
	return out
}

func (n *node) entry(base string) storage.Entry {
	return storage.Entry{Name: base, Size: n.cache.size, Dir: n.dir}
}

// Stat describes a file or directory.
func (s *FS) Stat(name string) (storage.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(OpRead, name); err != nil {
		return storage.Entry{}, err
	}
	n, err := s.find(name)
	if err != nil {
		return storage.Entry{}, err
	}
	return n.entry(path.Base(name)), nil
}

// Remove removes a file or an empty directory.
func (s *FS) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != s.lives {
		return ErrCrashed
	}
	dir, base, err := s.parent(name)
	if err != nil {
		return err
	}
	n, ok := dir.names[base]
	if !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if n.dir && len(n.names) > 0 {
		return fmt.Errorf("memfs: %s is not empty", name)
	}
	if err := s.check(OpRemove, name); err != nil {
		return err
	}
	dir.move(move{gone: base})
	return nil
}

// RemoveAll removes a tree, name by name.
func (s *FS) RemoveAll(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != s.lives {
		return ErrCrashed
	}
	dir, base, err := s.parent(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.removeAll(dir, base, name)
}

func (s *FS) removeAll(dir *node, base, name string) error {
	n, ok := dir.names[base]
	if !ok {
		return nil
	}
	for _, child := range sorted(n.names) {
		if err := s.removeAll(n, child, path.Join(name, child)); err != nil {
			return err
		}
	}
	if err := s.check(OpRemove, name); err != nil {
		return err
	}
	dir.move(move{gone: base})
	return nil
}

// Rename renames within a directory.
func (s *FS) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != s.lives {
		return ErrCrashed
	}
	dir, base, err := s.parent(from)
	if err != nil {
		return err
	}
	toDir, toBase, err := s.parent(to)
	if err != nil {
		return err
	}
	n, ok := dir.names[base]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if dir != toDir {
		return fmt.Errorf("memfs: rename %s to %s: %w", from, to, errors.ErrUnsupported)
	}
	if old, ok := dir.names[toBase]; ok && (old.dir != n.dir || len(old.names) > 0) {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	if err := s.check(OpRename, from); err != nil {
		return err
	}
	dir.move(move{gone: base, come: toBase, node: n})
	return nil
}

// SyncDir makes the names in a directory durable.
func (s *FS) SyncDir(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != s.lives {
		return ErrCrashed
	}
	n, err := s.find(name)
	if err != nil {
		return err
	}
	if err := s.check(OpSyncDir, name); err != nil {
		return err
	}
	n.syncNames()
	return nil
}

// Lock takes the lock on a file.
func (s *FS) Lock(name string) (io.Closer, error) {
	f, err := s.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := f.(*file).n
	if s.life != s.lives {
		return nil, ErrCrashed
	}
	if s.locked[n] {
		return nil, fmt.Errorf("memfs: lock %s: %w", name, storage.ErrInUse)
	}
	s.locked[n] = true
	return &lock{fs: s, n: n}, nil
}

type lock struct {
	fs *FS
	n  *node
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.fs.life == l.fs.lives { // else it went with the process
		delete(l.fs.locked, l.n)
	}
	return nil
}
