package vfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/syndtr/goleveldb/leveldb"
	lerrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	lstorage "github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// comparer orders keys as the original does (spec/storage-api.md section
// 2.2): unsigned, little-endian, and a key is never shortened.
type comparer struct{}

func (comparer) Name() string                    { return "PaxosComparator" }
func (comparer) Separator(_, _, _ []byte) []byte { return nil }
func (comparer) Successor(_, _ []byte) []byte    { return nil }
func (comparer) Compare(a, b []byte) int {
	if len(a) != keyBytes || len(b) != keyBytes {
		return bytes.Compare(a, b) // only in a damaged index
	}
	return cmp.Compare(binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b))
}

// levelIndex is the original's index.
type levelIndex struct {
	db    *leveldb.DB
	stor  *levelFS
	batch leveldb.Batch
}

// Caches are small because there is one index for each group; the index of
// recent instances is in memory anyway, as the overlay and LevelDB's own.
const (
	levelWriteBuffer = 1 << 20
	levelBlockCache  = 512 << 10
	levelFilesOpen   = 16
)

func openLevelIndex(fsys storage.FS, dir string) (*levelIndex, error) {
	stor := &levelFS{fs: fsys, dir: dir}
	if err := stor.forgetHalfMade(); err != nil {
		return nil, err
	}
	db, err := leveldb.Open(stor, &opt.Options{
		Comparer:               comparer{},
		WriteBuffer:            levelWriteBuffer,
		BlockCacheCapacity:     levelBlockCache,
		OpenFilesCacheCapacity: levelFilesOpen,
	})
	if err != nil {
		stor.Close()
		return nil, levelError(err)
	}
	return &levelIndex{db: db, stor: stor}, nil
}

func levelError(err error) error {
	if lerrors.IsCorrupted(err) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("index: %w: %w", storage.ErrDamaged, err)
	}
	return fmt.Errorf("index: %w", err)
}

func levelKey(key uint64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, keyBytes), key)
}

func (x *levelIndex) get(key uint64) ([]byte, error) {
	var k [keyBytes]byte
	binary.LittleEndian.PutUint64(k[:], key)
	value, err := x.db.Get(k[:], nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, errAbsent
	}
	if err != nil {
		return nil, levelError(err)
	}
	return value, nil
}

func (x *levelIndex) apply(ops []indexOp, sync bool) error {
	if len(ops) == 0 {
		return nil
	}
	x.batch.Reset()
	var k [keyBytes]byte
	var v [locationBytes]byte
	for _, op := range ops {
		binary.LittleEndian.PutUint64(k[:], op.key)
		if op.gone {
			x.batch.Delete(k[:])
		} else {
			x.batch.Put(k[:], op.loc.encode(&v))
		}
	}
	if err := x.db.Write(&x.batch, &opt.WriteOptions{Sync: sync}); err != nil {
		return levelError(err)
	}
	return nil
}

func (x *levelIndex) set(key uint64, value []byte) error {
	if err := x.db.Put(levelKey(key), value, &opt.WriteOptions{Sync: true}); err != nil {
		return levelError(err)
	}
	return nil
}

// sync deletes a key that never exists: LevelDB syncs only with a write.
func (x *levelIndex) sync() error {
	return x.apply([]indexOp{{key: keyNever, gone: true}}, true)
}

func (x *levelIndex) descend(fn func(uint64, location, bool) bool) error {
	it := x.db.NewIterator(nil, nil)
	defer it.Release()
	ok := it.Seek(levelKey(keyNever))
	if ok {
		ok = it.Prev()
	} else {
		ok = it.Last()
	}
	for ; ok; ok = it.Prev() {
		if len(it.Key()) != keyBytes {
			return fmt.Errorf("index: key %x: %w", it.Key(), storage.ErrDamaged)
		}
		loc, isLoc := decodeLocation(it.Value())
		if !fn(binary.LittleEndian.Uint64(it.Key()), loc, isLoc) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return levelError(err)
	}
	return nil
}

func (x *levelIndex) ascend(from uint64, fn func(uint64) bool) error {
	it := x.db.NewIterator(nil, nil)
	defer it.Release()
	for ok := it.Seek(levelKey(from)); ok; ok = it.Next() {
		key := binary.LittleEndian.Uint64(it.Key())
		if key > instanceMax || !fn(key) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return levelError(err)
	}
	return nil
}

func (x *levelIndex) close() error {
	return errors.Join(x.db.Close(), x.stor.Close())
}

var _ lstorage.Storage = (*levelFS)(nil)
