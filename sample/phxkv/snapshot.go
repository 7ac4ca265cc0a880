package phxkv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// loadBatchBytes is how much is put into the new database at once.
const loadBatchBytes = 1 << 20

// ErrSnapshot is matched by errors about a snapshot that cannot be loaded,
// since it is damaged or another group's.
var ErrSnapshot = errors.New("not a snapshot of this group")

// Snapshot writes the state of a group to a file while execution goes on.
func (m *Machine) Snapshot(group int) (sm.Snapshot, error) {
	s := m.stores[group]
	if err := s.flush(); err != nil {
		return sm.Snapshot{}, err
	}
	// Between two flushes place and database belong together.
	s.flushing.Lock()
	frozen, err := s.db.GetSnapshot()
	at := s.durable
	s.snapshots++
	dir := fmt.Sprintf("%s-%d%s", s.dir, s.snapshots, forSending)
	s.flushing.Unlock()
	if err != nil {
		return sm.Snapshot{}, fmt.Errorf("snapshot of group %d: %w", group, err)
	}
	defer frozen.Release()
	if at.next == 0 {
		return sm.Snapshot{}, fmt.Errorf("snapshot of group %d: nothing was executed yet", group)
	}
	remove := func() { _ = os.RemoveAll(dir) } // what is left goes at the next start
	if err := os.Mkdir(dir, 0o775); err != nil {
		return sm.Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	if err := writeSnapshot(filepath.Join(dir, snapshotFile), frozen); err != nil {
		remove()
		return sm.Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	return sm.Snapshot{Instance: at.next - 1, Dir: dir, Files: []string{snapshotFile}, Release: remove}, nil
}

// LoadSnapshot replaces the state of a group. The new database is built and
// synced beside the old one; the rename that gives it its number makes it the
// newest, and with that the only one.
func (m *Machine) LoadSnapshot(group int, snap sm.Snapshot) error {
	s := m.stores[group]
	if len(snap.Files) != 1 || snap.Files[0] != snapshotFile {
		return fmt.Errorf("%w: it has the files %q, want %s", ErrSnapshot, snap.Files, snapshotFile)
	}
	s.flushing.Lock()
	defer s.flushing.Unlock()
	next := dirName(s.path, s.group, s.number+1)
	building := next + unfinished
	if err := os.RemoveAll(building); err != nil {
		return fmt.Errorf("loading a snapshot: %w", err)
	}
	at, err := buildDB(building, filepath.Join(snap.Dir, snapshotFile), group)
	if err == nil && at.next != snap.Instance+1 {
		err = fmt.Errorf("%w: it goes up to instance %d, want %d", ErrSnapshot, at.next-1, snap.Instance)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(building))
	}
	if err := errors.Join(os.Rename(building, next), syncPath(s.path)); err != nil {
		return fmt.Errorf("loading a snapshot: %w", err)
	}
	return s.switchTo(next, at)
}

// switchTo makes the store use another database. Readers see the old state or
// the new one.
func (s *store) switchTo(dir string, at place) error {
	db, err := openDB(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken = err // the next start has the new state
		return err
	}
	old, oldDir := s.db, s.dir
	s.db, s.dir, s.number = db, dir, s.number+1
	s.fresh, s.frozen, s.durable = changes{data: map[string]*Data{}, at: at}, changes{}, at
	_, _ = old.Close(), os.RemoveAll(oldDir) // the next start removes it otherwise
	return nil
}

// buildDB fills a new database, which is durable and closed afterwards.
func buildDB(dir, file string, group int) (place, error) {
	db, err := openDB(dir)
	if err != nil {
		return place{}, err
	}
	err = fillDB(db, file, group)
	var at place
	if err == nil {
		at, err = readPlace(db)
	}
	return at, errors.Join(err, db.Close())
}

func fillDB(db *database, file string, group int) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("loading a snapshot: %w", err)
	}
	defer f.Close()
	var batch leveldb.Batch
	bytes, placed := 0, false
	flush := func() error {
		err := db.Write(&batch, synced)
		batch.Reset()
		bytes = 0
		return err
	}
	err = readSnapshot(f, func(key, value []byte) error {
		if string(key) == placeKey {
			placed = true
			_, err := decodePlace(value)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrSnapshot, err)
			}
		} else if err := checkPair(key, value, group); err != nil {
			return err
		}
		batch.Put(key, value)
		if bytes += len(key) + len(value); bytes < loadBatchBytes {
			return nil
		}
		return flush()
	})
	if err == nil && !placed {
		err = fmt.Errorf("%w: it does not say how far it goes", ErrSnapshot)
	}
	if err != nil {
		return err
	}
	return flush()
}

// checkPair refuses what this group would never have stored.
func checkPair(key, value []byte, group int) error {
	name, ok := strings.CutPrefix(string(key), dataPrefix)
	if !ok || GroupOf(name) != group {
		return fmt.Errorf("%w: key %q does not belong here", ErrSnapshot, key)
	}
	if _, err := decodeData(value); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return nil
}
