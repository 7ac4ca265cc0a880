package phxkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// originalCheckpoint is where an original node keeps the instance of its last
// checkpoint: one number for all groups, though their instances differ.
const originalCheckpoint = "\xff\xff\xff\xff\xff\xff\xff\xff"

// importOriginal makes the databases of the groups from the one of an original
// node at the same path. It only reads that one, and the node's log, and does
// nothing for a group that has a database.
//
// The original's database does not say which instance it has reached. Where
// the log is whole, the group starts empty and executes it: that is exact.
// Otherwise it starts with the values, and executes what is behind the
// original's checkpoint again, as the original does.
func importOriginal(path, logPath string) error {
	if _, err := os.Stat(filepath.Join(path, "CURRENT")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var missing []int
	for group := range Groups {
		dir, _, err := newestDir(path, group)
		if err != nil {
			return err
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, group)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	original, err := leveldb.OpenFile(path, &opt.Options{ReadOnly: true, ErrorIfMissing: true})
	if err != nil {
		return fmt.Errorf("the original's database in %s: %w", path, err)
	}
	defer original.Close()
	logs, err := surveyLogs(logPath)
	if err != nil {
		return err
	}
	for _, group := range missing {
		if err := importGroup(original, path, group, logs[group]); err != nil {
			return fmt.Errorf("taking over the original's database in %s: %w", path, err)
		}
	}
	return nil
}

// logBounds is what a group's log holds.
type logBounds struct {
	any      bool
	min, max uint64
}

// surveyLogs looks at a log directory, which need not exist.
func surveyLogs(path string) (logs [Groups]logBounds, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return logs, nil
	}
	store, err := vfile.Open(path, Groups, vfile.Options{})
	if err != nil {
		return logs, fmt.Errorf("the log in %s: %w", path, err)
	}
	for group := range logs {
		if logs[group], err = surveyLog(store, group); err != nil {
			return logs, errors.Join(fmt.Errorf("the log in %s: %w", path, err), store.Close())
		}
	}
	return logs, store.Close()
}

func surveyLog(store storage.LogStorage, group int) (b logBounds, err error) {
	b.max, err = store.Max(group)
	if errors.Is(err, storage.ErrNotFound) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	b.any = true
	v, err := store.Variable(group, storage.MinChosen)
	if errors.Is(err, storage.ErrNotFound) {
		return b, nil
	}
	if err == nil && len(v) == 8 {
		b.min = binary.LittleEndian.Uint64(v)
	}
	return b, err
}

// importGroup makes the database of one group, in one step.
func importGroup(original *leveldb.DB, path string, group int, log logBounds) error {
	dir := dirName(path, group, 0)
	db, err := openDB(dir + unfinished)
	if err != nil {
		return err
	}
	if whole := log.any && log.min == 0; !whole {
		err = copyGroup(original, db, group, log)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(dir+unfinished, dir), syncPath(path))
}

func copyGroup(original *leveldb.DB, db *database, group int, log logBounds) error {
	rows := original.NewIterator(nil, nil)
	defer rows.Release()
	var batch leveldb.Batch
	for rows.Next() {
		key, value := rows.Key(), rows.Value()
		switch {
		case string(key) == originalCheckpoint && len(value) == 8:
			at := place{next: binary.LittleEndian.Uint64(value) + 1}
			if log.any {
				at.next = min(at.next, log.max) // it may be another group's
			}
			batch.Put([]byte(placeKey), at.encode())
		case GroupOf(string(key)) == group:
			if _, err := decodeData(value); err != nil {
				return fmt.Errorf("key %q: %w", key, err)
			}
			batch.Put(append([]byte(dataPrefix), key...), value)
		}
		if len(batch.Dump()) >= loadBatchBytes {
			if err := db.Write(&batch, synced); err != nil {
				return err
			}
			batch.Reset()
		}
	}
	return errors.Join(rows.Error(), db.Write(&batch, synced))
}
