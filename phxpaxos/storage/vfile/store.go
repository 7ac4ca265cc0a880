package vfile

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// groupsMax is the original's limit.
const groupsMax = 100000

// Store is a storage.LogStorage in the original's layout. Open makes one.
type Store struct {
	opts   Options
	root   string // the directory, with slashes
	groups []*group

	life   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool

	writing sync.Mutex // Write is for one goroutine at a time; this makes a mistake harmless
	touched []*group   // of the Write under way
	syncs   syncPool
	back    *background // nil in a deterministic store
}

var _ storage.LogStorage = (*Store)(nil)

// Open opens the logs of groups 0 … groups-1 (1 … 100000) in dir, which is
// made if it does not exist, and recovers them: see the package's comment. It
// blocks on the disk; how long depends on what was written since the index
// was last made durable.
//
// A group that cannot be recovered does not keep the others from working:
// Open succeeds, Err returns the group's error, and so does every other call
// for it. Only if no group can be recovered does Open fail with that error.
// It also fails with storage.ErrInUse if another process, or another Store of
// this one, has the directory open, and with storage.ErrNewerFormat if a newer
// version has written a file of any group.
func Open(dir string, groups int, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, errors.New("vfile: directory must not be empty")
	}
	if groups < 1 || groups > groupsMax {
		return nil, fmt.Errorf("vfile: groups is %d, must be 1 … %d", groups, groupsMax)
	}
	dir = filepath.ToSlash(dir)
	if err := opts.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("vfile: make directory %s: %w", dir, err)
	}
	s := &Store{opts: opts, root: dir, groups: make([]*group, groups)}
	for i := range s.groups {
		s.groups[i] = newGroup(i, path.Join(dir, fmt.Sprintf("g%d", i)), &s.opts)
	}
	if err := s.openGroups(); err != nil {
		for _, g := range s.groups {
			g.close(false)
		}
		return nil, err
	}
	if !opts.Deterministic {
		s.syncs.start(opts.SyncParallel - 1)
		s.back = startBackground(s.groups)
	}
	return s, nil
}

func (s *Store) openGroups() error {
	errs := make([]error, len(s.groups))
	s.each(func(g *group) { errs[g.id] = g.lockAndOpen() })
	broken := 0
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("vfile: group %d: %w", i, err)
		}
		if errors.Is(s.groups[i].broken, storage.ErrNewerFormat) {
			return fmt.Errorf("vfile: %w", s.groups[i].broken)
		}
		if s.groups[i].broken != nil {
			broken++
		}
	}
	if broken == len(s.groups) {
		return s.groups[0].broken
	}
	return nil
}

// each calls fn for all groups, several at once unless the store is
// deterministic.
func (s *Store) each(fn func(*group)) {
	if s.opts.Deterministic {
		for _, g := range s.groups {
			fn(g)
		}
		return
	}
	var wg sync.WaitGroup
	next := make(chan *group)
	for range min(openParallel(), len(s.groups)) {
		wg.Go(func() {
			for g := range next {
				fn(g)
			}
		})
	}
	for _, g := range s.groups {
		next <- g
	}
	close(next)
	wg.Wait()
}

// enter begins a call; the caller ends it with s.life.RUnlock.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return storage.ErrClosed
	}
	return nil
}

// enterGroup begins a call for one group.
func (s *Store) enterGroup(group int) (*group, error) {
	if group < 0 || group >= len(s.groups) {
		return nil, fmt.Errorf("group %d of %d: %w", group, len(s.groups), storage.ErrGroup)
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	return s.groups[group], nil
}

// Root implements identity.Rooted.
func (s *Store) Root() (storage.FS, string) { return s.opts.FS, s.root }

// Groups returns how many groups the store was opened for.
func (s *Store) Groups() int { return len(s.groups) }

// Dir returns the directory of a group, or "" if there is no such group.
func (s *Store) Dir(group int) string {
	if group < 0 || group >= len(s.groups) {
		return ""
	}
	return filepath.FromSlash(s.groups[group].path)
}

// Err says why a group does not work: it could not be recovered, or a write
// failed (then the error matches storage.ErrFailed). nil means that it works.
func (s *Store) Err(group int) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	g.mu.RLock()
	defer g.mu.RUnlock()
	return errors.Join(g.broken, g.failed)
}

// Locate returns the number of the value file that holds the newest record of
// an instance and the offset in it, for tools. It matches storage.ErrNotFound
// if there is none.
func (s *Store) Locate(group int, instance uint64) (file int, offset int64, err error) {
	g, err := s.enterGroup(group)
	if err != nil {
		return 0, 0, err
	}
	defer s.life.RUnlock()
	g.mu.RLock()
	defer g.mu.RUnlock()
	loc, err := g.find(instance)
	return int(loc.file), int64(loc.offset), err
}

// Close makes everything durable and releases the directory. It waits for
// the calls under way. Of a group that has failed nothing more is made
// durable, and its error is among those returned. Closing twice returns
// storage.ErrClosed.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return storage.ErrClosed
	}
	s.closed = true
	if s.back != nil {
		s.back.stop()
		s.syncs.stop()
	}
	errs := make([]error, len(s.groups))
	s.each(func(g *group) { errs[g.id] = g.close(true) })
	return errors.Join(errs...)
}
