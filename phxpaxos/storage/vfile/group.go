package vfile

import (
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"sync/atomic"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// group is the log of one group. Locks are taken in the order of the fields:
// wmu, imu, zmu, mu. What belongs to which is said at each field; cur, end
// and last are written under wmu and mu, so that either suffices to read.
type group struct {
	id   int
	path string // <dir>/g<id>
	dir  string // <dir>/g<id>/vfile
	opts *Options
	lock io.Closer // on LOCK, as LevelDB of the original has it

	wmu sync.Mutex // appending
	st  staging    // wmu

	imu     sync.Mutex // writing to the index, checkpoints, trimming
	ops     []indexOp  // imu
	durable *durableFile
	noted   durable // imu: what the durable file says
	logSize int64   // imu: size of vfile/LOG when the group was opened

	zmu    sync.Mutex   // writing zeros ahead
	zeroed atomic.Int64 // blocks of cur exist up to here; raised under zmu

	mu       sync.RWMutex
	broken   error // recovery failed: every call returns it
	failed   error // a write failed: nothing is written any more
	index    index
	files    *fileSet
	cur      *valueFile // records are appended to it; pinned
	end      int64      // of the records in cur
	last     tail       // the newest record in the order of the files
	active   map[uint64]location
	flushing map[uint64]location // on its way to the index
	max      uint64
	hasMax   bool
	floor    uint64 // nothing below it is found
	trimmed  uint64 // no key below it is in the index; written under imu and mu
	oldest   int    // lowest value file; written under imu and mu
	second   firstRecord
	since    int64 // bytes written since the last checkpoint

	queued  atomic.Bool // waits for the background
	zqueued atomic.Bool
}

func newGroup(id int, dir string, opts *Options) *group {
	g := &group{id: id, opts: opts, active: map[uint64]location{}, flushing: map[uint64]location{}}
	g.setPath(dir)
	return g
}

func (g *group) setPath(dir string) {
	g.path = dir
	g.dir = path.Join(dir, "vfile")
}

// lockAndOpen takes the directory and recovers what is in it. It returns an
// error only if the directory cannot be had; damage ends up in g.broken.
func (g *group) lockAndOpen() error {
	lock, err := lockGroup(g.opts.FS, g.path)
	if err != nil {
		return err
	}
	g.lock = lock
	if err := g.opts.FS.MkdirAll(g.dir); err != nil {
		return err
	}
	g.open()
	return nil
}

// open opens index and files and recovers them; g.lock is held.
func (g *group) open() {
	if err := g.recover(); err != nil {
		g.broken = fmt.Errorf("group %d: %w", g.id, err)
		if errors.Is(err, storage.ErrDamaged) {
			g.opts.observe(event.Event{Kind: event.RecordDamaged, Group: g.id, Err: err})
		}
		g.shut()
	}
}

func (g *group) openIndex() error {
	var err error
	if g.opts.Deterministic {
		g.index, err = asIndex(openFlatIndex(g.opts.FS, g.path))
	} else {
		g.index, err = asIndex(openLevelIndex(g.opts.FS, g.path))
	}
	return err
}

// asIndex keeps a nil pointer from becoming an index that is not nil.
func asIndex[T index](x T, err error) (index, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

// shut closes index and files without making anything durable.
func (g *group) shut() error {
	var errs []error
	if g.index != nil {
		errs = append(errs, g.index.close())
		g.index = nil
	}
	if g.cur != nil {
		g.files.release(g.cur)
		g.cur = nil
	}
	if g.files != nil {
		g.files.closeAll()
	}
	if g.durable != nil {
		errs = append(errs, g.durable.f.Close())
		g.durable = nil
	}
	return errors.Join(errs...)
}

// close ends the group; with orderly set and nothing wrong, so that the next
// open finds everything in its place.
func (g *group) close(orderly bool) error {
	var err error
	if orderly && g.broken == nil {
		if err = g.failed; err == nil {
			err = g.checkpoint(true)
		}
	}
	err = errors.Join(err, g.shut())
	if g.lock != nil {
		err = errors.Join(err, g.lock.Close())
		g.lock = nil
	}
	if err != nil {
		return fmt.Errorf("close group %d: %w", g.id, err)
	}
	return nil
}

// fail makes the group refuse writes. The first reason stays.
func (g *group) fail(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = fmt.Errorf("group %d: %w: %w", g.id, storage.ErrFailed, err)
	}
	return g.failed
}

// unusable returns why the group cannot be written, or nil.
func (g *group) unusable() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.broken != nil {
		return g.broken
	}
	return g.failed
}

// find returns where the newest record of an instance lies. The caller holds
// mu.
func (g *group) find(instance uint64) (location, error) {
	if g.broken != nil {
		return location{}, g.broken
	}
	if instance < g.floor || instance > instanceMax {
		return location{}, storage.ErrNotFound
	}
	if loc, ok := g.active[instance]; ok {
		return loc, nil
	}
	if loc, ok := g.flushing[instance]; ok {
		return loc, nil
	}
	loc, ok, err := locate(g.index, instance)
	if errors.Is(err, errAbsent) {
		g.opts.observe(event.Event{Kind: event.IndexNotFound, Group: g.id, Instance: instance})
		return location{}, storage.ErrNotFound
	}
	if err != nil {
		g.opts.observe(event.Event{Kind: event.IndexReadFail, Group: g.id, Instance: instance, Err: err})
		return location{}, err
	}
	if !ok {
		return location{}, fmt.Errorf("index of %s: instance %d has no location: %w", g.path, instance, storage.ErrDamaged)
	}
	if int(loc.file) < g.oldest {
		return location{}, storage.ErrNotFound // its file was trimmed away
	}
	return loc, nil
}

func (g *group) damaged(file int, offset int64, format string, args ...any) error {
	return fmt.Errorf("%s offset %d: %s: %w", path.Join(g.dir, valueName(file)), offset, fmt.Sprintf(format, args...), storage.ErrDamaged)
}
