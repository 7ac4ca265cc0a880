package logdir

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/syndtr/goleveldb/leveldb"
	lerrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	lstorage "github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// comparer orders keys as the original does (spec/storage-api.md section
// 2.2).
type comparer struct{}

func (comparer) Name() string                    { return "PaxosComparator" }
func (comparer) Separator(_, _, _ []byte) []byte { return nil }
func (comparer) Successor(_, _ []byte) []byte    { return nil }
func (comparer) Compare(a, b []byte) int {
	if len(a) != 8 || len(b) != 8 {
		return bytes.Compare(a, b) // only in a damaged index
	}
	return cmp.Compare(binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b))
}

// Index is the index of a group, open for reading. Errors that it returns
// match storage.ErrDamaged if its files are.
type Index struct {
	db *leveldb.DB // nil: there is none yet
}

// OpenIndex opens the index in a group's directory, whose lock should be
// held. Nothing is written, also not what LevelDB would repair.
func OpenIndex(groupDir string) (*Index, error) {
	disk := levelDisk{groupDir}
	if made, err := indexMade(disk); err != nil || !made {
		return &Index{}, err
	}
	db, err := leveldb.Open(disk, &opt.Options{
		Comparer:               comparer{},
		ReadOnly:               true,
		BlockCacheCapacity:     512 << 10,
		OpenFilesCacheCapacity: 16,
	})
	if err != nil {
		return nil, indexError(err)
	}
	return &Index{db: db}, nil
}

// indexMade reports whether there is an index. Without CURRENT and without a
// table or journal a node never got as far as using it.
func indexMade(disk levelDisk) (bool, error) {
	_, err := os.Stat(filepath.Join(disk.dir, currentName))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	if _, err := os.Stat(filepath.Join(disk.dir, "index.flat")); err == nil {
		return false, fmt.Errorf("%s: %w", disk.dir, ErrSimulated)
	}
	list, err := disk.List(lstorage.TypeTable | lstorage.TypeJournal)
	return len(list) > 0, err
}

func indexError(err error) error {
	if lerrors.IsCorrupted(err) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("index: %w: %w", storage.ErrDamaged, err)
	}
	return fmt.Errorf("index: %w", err)
}

func (x *Index) value(key uint64) ([]byte, error) {
	if x.db == nil {
		return nil, storage.ErrNotFound
	}
	value, err := x.db.Get(binary.LittleEndian.AppendUint64(nil, key), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, indexError(err)
	}
	return value, nil
}

// Locate returns what the index has for an instance, or storage.ErrNotFound.
func (x *Index) Locate(instance uint64) (Location, error) {
	value, err := x.value(instance)
	if err != nil {
		return Location{}, err
	}
	loc, ok := DecodeLocation(value)
	if !ok {
		return loc, fmt.Errorf("index: instance %d has no location but %d bytes: %w", instance, len(value), storage.ErrDamaged)
	}
	return loc, nil
}

// Variable returns the bytes under a variable's key, or storage.ErrNotFound.
// MinChosen may be a Location in directories of old.
func (x *Index) Variable(name storage.Variable) ([]byte, error) {
	switch name {
	case storage.MinChosen:
		return x.value(keyMinChosen)
	case storage.SystemVariables:
		return x.value(keySystemVariables)
	case storage.MasterVariables:
		return x.value(keyMasterVariables)
	}
	return nil, fmt.Errorf("variable %d: %w", name, storage.ErrNotFound)
}

// Close releases the index.
func (x *Index) Close() error {
	if x.db == nil {
		return nil
	}
	return x.db.Close()
}

// Cursor walks the instances of an index. It is on one, or at the end.
type Cursor struct {
	it   iterator.Iterator
	step func() bool
	err  error

	Valid    bool // the cursor is on an instance
	Instance uint64
	At       Location
	OK       bool // false: what the index has is no location
}

// Ascend returns a cursor on the lowest instance from the given one on.
func (x *Index) Ascend(from uint64) *Cursor {
	c := &Cursor{}
	if x.db != nil {
		c.it = x.db.NewIterator(nil, nil)
		c.step = c.it.Next
		c.load(c.it.Seek(binary.LittleEndian.AppendUint64(nil, from)))
	}
	return c
}

// Descend returns a cursor on the highest instance, to go down from.
func (x *Index) Descend() *Cursor {
	c := &Cursor{}
	if x.db != nil {
		c.it = x.db.NewIterator(nil, nil)
		c.step = c.it.Prev
		ok := c.it.Seek(binary.LittleEndian.AppendUint64(nil, InstanceMax+1))
		if ok {
			ok = c.it.Prev()
		} else {
			ok = c.it.Last()
		}
		c.load(ok)
	}
	return c
}

// Next goes on by one instance.
func (c *Cursor) Next() {
	if c.Valid {
		c.load(c.step())
	}
}

func (c *Cursor) load(ok bool) {
	c.Valid = false
	if !ok {
		return
	}
	if len(c.it.Key()) != 8 {
		c.err = fmt.Errorf("index: key %x is not 8 bytes long: %w", c.it.Key(), storage.ErrDamaged)
		return
	}
	if key := binary.LittleEndian.Uint64(c.it.Key()); key <= InstanceMax {
		c.Valid, c.Instance = true, key
		c.At, c.OK = DecodeLocation(c.it.Value())
	}
}

// Err says why the cursor ended early, nil if it did not.
func (c *Cursor) Err() error {
	if c.err != nil || c.it == nil || c.it.Error() == nil {
		return c.err
	}
	return indexError(c.it.Error())
}

// Close ends the cursor.
func (c *Cursor) Close() {
	if c.it != nil {
		c.it.Release()
	}
}
