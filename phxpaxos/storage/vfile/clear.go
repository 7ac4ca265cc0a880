package vfile

import (
	"errors"
	"fmt"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
)

// Clear implements storage.LogStorage as the original's ClearAllLog does
// (spec/storage-api.md section 2.9): the directory g<i> becomes g<i>.bak,
// replacing an older one, and a fresh g<i> gets the variables and the stamp of
// package identity. The fresh one
// is complete and durable before the old one moves; see lockGroup for what a
// crash leaves.
func (s *Store) Clear(group int) error {
	g, err := s.enterGroup(group)
	if err != nil {
		return err
	}
	defer s.life.RUnlock()
	g.wmu.Lock()
	defer g.wmu.Unlock()
	g.imu.Lock()
	defer g.imu.Unlock()
	if err := g.unusable(); err != nil {
		return err
	}
	if err := g.clear(); err != nil {
		return g.fail(fmt.Errorf("clear: %w", err))
	}
	return nil
}

func (g *group) clear() error {
	if err := g.checkpointLocked(true); err != nil {
		return err
	}
	fsys := g.opts.FS
	fresh := newGroup(g.id, g.path+newSuffix, g.opts)
	if err := fsys.RemoveAll(fresh.path); err != nil {
		return err
	}
	lock, err := g.buildFresh(fresh)
	if err != nil {
		return err
	}
	if err := g.swap(fresh); err != nil {
		lock.Close()
		return err
	}
	old := g.lock
	g.lock = lock
	return old.Close()
}

// closer is io.Closer; a lock that is held.
type closer interface{ Close() error }

// buildFresh makes an empty group with the variables of g, and closes it
// again; its directory stays locked.
func (g *group) buildFresh(fresh *group) (closer, error) {
	fsys := g.opts.FS
	if err := fsys.MkdirAll(fresh.dir); err != nil {
		return nil, err
	}
	lock, err := lockDirectory(fsys, fresh.path)
	if err != nil {
		return nil, err
	}
	err = func() error {
		if fresh.open(); fresh.broken != nil {
			return fresh.broken
		}
		for _, key := range []uint64{keySystemVariables, keyMasterVariables} {
			value, err := g.variable(key)
			if errors.Is(err, storage.ErrNotFound) {
				continue
			}
			if err == nil {
				err = fresh.index.set(key, value)
			}
			if err != nil {
				return errors.Join(err, fresh.shut())
			}
		}
		return errors.Join(fresh.checkpoint(true), fresh.shut(), identity.CopyStamp(fsys, g.path, fresh.path), fsys.SyncDir(fresh.path))
	}()
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// swap puts the fresh directory in the place of the old one and opens it.
// Readers wait.
func (g *group) swap(fresh *group) error {
	fsys := g.opts.FS
	if err := fsys.RemoveAll(g.path + backupSuffix); err != nil {
		return err
	}
	root := path.Dir(g.path)
	if err := fsys.SyncDir(root); err != nil {
		return err
	}
	g.zmu.Lock()
	defer g.zmu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.shut(); err != nil {
		return g.stopReading(err)
	}
	for _, move := range [][2]string{{g.path, g.path + backupSuffix}, {fresh.path, g.path}} {
		if err := fsys.Rename(move[0], move[1]); err != nil {
			return g.stopReading(err)
		}
		if err := fsys.SyncDir(root); err != nil {
			return g.stopReading(err)
		}
	}
	g.reset()
	if err := g.recover(); err != nil {
		g.shut()
		return g.stopReading(err)
	}
	return nil
}

// stopReading marks a group that has no open files any more. The caller holds
// mu.
func (g *group) stopReading(err error) error {
	g.broken = fmt.Errorf("group %d: %w: %w", g.id, storage.ErrFailed, err)
	return err
}

// reset forgets the log in memory. The caller holds all locks.
func (g *group) reset() {
	clear(g.active)
	clear(g.flushing)
	g.end, g.last = 0, tail{}
	g.max, g.hasMax = 0, false
	g.floor, g.trimmed, g.oldest, g.since = 0, 0, 0, 0
	g.second = firstRecord{}
	g.zeroed.Store(0)
}
