package sharedlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// Store is a storage.LogStorage that keeps all groups in one log. Open makes
// one. Locks are taken in the order life, wmu, prep, zmu, mu, files.
type Store struct {
	opts Options
	root string // as given
	dir  string // root/shared
	lock io.Closer
	id   identity

	count int // of groups that were asked for

	life   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool

	orderly bool // the last life ended with Close

	qmu   sync.Mutex
	queue []*request // variables that wait to be written

	wmu sync.Mutex // appending
	w   writer     // wmu
	z   zeroing

	rebuild sync.Mutex // making an index file again
	prep    sync.Mutex // making the next segment

	mu     sync.RWMutex
	next   *prepared
	last   uint64      // number of the newest segment
	groups []*groupLog // at least count; written only by Open
	segs   []*segment
	oldest uint64 // number of segs[0]
	failed error  // a write failed: nothing is written any more

	files   sync.Mutex
	opened  map[*segment]struct{}
	open    int
	tick    uint64
	spares  []uint64   // Store.prep: segments whose files can be used again
	retired []*segment // freed, and nobody reads them: their files can be used again

	choring sync.Mutex // a round of chores

	ready atomic.Bool // next is there
	busy  atomic.Bool // there may be something to do in the background
	back  *background // nil in a deterministic store
}

// groupLog is what is known of one group; Store.mu guards it.
type groupLog struct {
	id     int
	broken error // recovery found its records damaged: every call returns it
	number uint32
	mark   mark
	floor  uint64 // nothing below it is found
	at     uint64 // the segment of its newest record, which proves mark
	lastIn uint64 // the segment of its last record of any kind
	lastAt int64  // the offset in it
	spans  []span // by segment
	vars   [variables]variable

	// Of the writer, within one commit.
	staged  mark
	refused error
	touched bool
	bytes   int
}

var errReadOnly = errors.New("the log was opened for reading only")

var _ storage.LogStorage = (*Store)(nil)

// Open opens the logs of groups 0 … groups-1 (1 … 100000) in dir, which is
// made if it does not exist, and recovers them: see the package's comment. It
// blocks on the disk; at most the last segment and those without an index
// file are read.
//
// A group whose records are damaged does not keep the others from working:
// Open succeeds, Err returns the group's error, and so does every other call
// for it. Only if no group can be recovered does Open fail with that error.
// It also fails with storage.ErrInUse if another process, or another Store of
// this one, has the directory open, with storage.ErrNewerFormat if a newer
// version has written a file or record, and if the directory holds a log of
// the original's layout.
func Open(dir string, groups int, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, errors.New("sharedlog: directory must not be empty")
	}
	if groups < 1 || groups > groupsMax {
		return nil, fmt.Errorf("sharedlog: groups is %d, must be 1 … %d", groups, groupsMax)
	}
	root := filepath.ToSlash(dir)
	s := &Store{opts: opts, root: root, dir: path.Join(root, subdirName), count: groups, opened: map[*segment]struct{}{}}
	s.grow(groups)
	if err := s.openAll(); err != nil {
		s.release()
		return nil, fmt.Errorf("sharedlog: %w", err)
	}
	if !opts.Deterministic && !opts.ReadOnly {
		s.back = startBackground(s)
		s.busy.Store(true) // segments of the last life may lack their index files
		s.wake()
	}
	return s, nil
}

func (s *Store) openAll() error {
	fsys := s.opts.FS
	if e, err := fsys.Stat(path.Join(s.root, guardName)); err == nil && e.Dir {
		return s.makeGuard() // which says what is wrong
	}
	is, err := Is(fsys, s.root)
	if err != nil {
		return err
	}
	if s.opts.ReadOnly {
		if !is {
			return fmt.Errorf("%s holds no shared log: %w", s.root, fs.ErrNotExist)
		}
		s.failed = errReadOnly
	} else if err := fsys.MkdirAll(s.dir); err != nil {
		return err
	}
	s.lock, err = fsys.Lock(path.Join(s.dir, "LOCK"))
	if errors.Is(err, storage.ErrInUse) {
		return fmt.Errorf("%s is locked: stop the node or tool that uses it, or choose another directory: %w", s.root, err)
	}
	if err != nil {
		return err
	}
	if err := s.readIdentity(); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	for _, g := range s.groups[:s.count] {
		if g.broken == nil || s.opts.ReadOnly {
			return nil
		}
	}
	return s.groups[0].broken
}

// grow makes groups up to a number. A log may hold more groups than are asked
// for: nothing of them may get lost.
func (s *Store) grow(groups int) {
	for i := len(s.groups); i < groups; i++ {
		s.groups = append(s.groups, &groupLog{id: i})
	}
}

// release gives everything back without writing.
func (s *Store) release() error {
	s.files.Lock()
	for seg := range s.opened {
		closeFiles(seg)
	}
	clear(s.opened)
	s.files.Unlock()
	var err error
	if s.w.f != nil {
		err = s.w.f.Close()
		s.w.f = nil
	}
	if s.next != nil {
		err = errors.Join(err, s.next.f.Close())
		s.next = nil
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
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
func (s *Store) enterGroup(group int) (*groupLog, error) {
	if err := s.inRange(group); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	return s.groups[group], nil
}

func (s *Store) inRange(group int) error {
	if group < 0 || group >= s.count {
		return fmt.Errorf("group %d of %d: %w", group, s.count, storage.ErrGroup)
	}
	return nil
}

// Root implements identity.Rooted.
func (s *Store) Root() (storage.FS, string) { return s.opts.FS, s.root }

// Groups returns how many groups the store was opened for.
func (s *Store) Groups() int { return s.count }

// Closed reports whether the life before this one ended in order, or there
// was none. It is for tools.
func (s *Store) Closed() bool { return s.orderly }

// Found returns how many groups the log holds, maybe more than Open was asked
// for: the highest one with a record, and one. It is for tools.
func (s *Store) Found() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := len(s.groups) - 1; i >= 0; i-- {
		if s.groups[i].lastIn > 0 {
			return i + 1
		}
	}
	return 0
}

// Dir returns a directory for the checkpoint files of a group, or "" if there
// is no such group. It does not exist until somebody makes it.
func (s *Store) Dir(group int) string {
	if s.inRange(group) != nil {
		return ""
	}
	return filepath.FromSlash(path.Join(s.root, groupsName, fmt.Sprint(group)))
}

// Err says why a group does not work: its records are damaged, or a write
// failed (then the error matches storage.ErrFailed). nil means that it works.
func (s *Store) Err(group int) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.opts.ReadOnly {
		return g.broken
	}
	return errors.Join(g.broken, s.failed)
}

// fail makes the store refuse writes. The first reason stays.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("%w: %w", storage.ErrFailed, err)
	}
	return s.failed
}

// unusable returns why a group cannot be written, or nil.
func (s *Store) unusable(g *groupLog) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g.broken != nil {
		return g.broken
	}
	return s.failed
}

// Close makes everything durable and releases the directory. It waits for the
// calls under way. After a failure nothing more is made durable, and the
// failure is returned. Closing twice returns storage.ErrClosed.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return storage.ErrClosed
	}
	s.closed = true
	if s.back != nil {
		s.back.stop()
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	err := s.finish()
	if err = errors.Join(err, s.release()); err != nil {
		return fmt.Errorf("sharedlog: close: %w", err)
	}
	return nil
}

// finish writes the end of an orderly life. The caller holds wmu.
func (s *Store) finish() error {
	if !s.w.dirty {
		return nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.stage(&Header{Kind: Close}, nil); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.sync()
}
