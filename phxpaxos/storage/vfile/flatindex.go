package vfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"sort"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/checksum"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// flatIndex is the index of a deterministic store: a map in memory and one
// file to which every change is appended. Like a torn LevelDB journal it
// skips what it cannot read and goes on behind it.
type flatIndex struct {
	f storage.File

	mu    sync.RWMutex
	keys  []uint64 // sorted
	value map[uint64][]byte
	size  int64
}

const (
	flatName = "index.flat"
	// A line is: key, length of the value (flatGone for a deletion), value,
	// CRC-32C of what is in front; padded to flatLine bytes or a multiple.
	flatLine = 32
	flatHead = 10
	flatGone = 0xffff
)

func openFlatIndex(fsys storage.FS, dir string) (*flatIndex, error) {
	name := path.Join(dir, flatName)
	f, err := fsys.Open(name, storage.ReadWrite|storage.Create)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	x := &flatIndex{f: f, value: map[uint64][]byte{}}
	err = x.load()
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("index: %w", err)
	}
	return x, nil
}

func (x *flatIndex) load() error {
	size, err := x.f.Size()
	if err != nil || size == 0 {
		return err
	}
	b := make([]byte, size)
	if _, err := x.f.ReadAt(b, 0); err != nil {
		return err
	}
	for at := 0; at < len(b); {
		key, value, gone, n := decodeFlat(b[at:])
		if n == 0 {
			at += flatLine
			continue
		}
		x.put(key, value, gone)
		at += n
	}
	x.size = (size + flatLine - 1) / flatLine * flatLine
	// After a failed sync the cache shows what the disk does not have; written
	// once more, it gets there. (LevelDB makes a new table of its journal.)
	if _, err := x.f.WriteAt(b, 0); err != nil {
		return err
	}
	return x.f.SyncData()
}

func flatBytes(value int) int {
	return (flatHead + value + 4 + flatLine - 1) / flatLine * flatLine
}

func appendFlat(b []byte, key uint64, value []byte, gone bool) []byte {
	at := len(b)
	n := uint16(len(value))
	if gone {
		n, value = flatGone, nil
	}
	b = binary.LittleEndian.AppendUint64(b, key)
	b = binary.LittleEndian.AppendUint16(b, n)
	b = append(b, value...)
	b = binary.LittleEndian.AppendUint32(b, checksum.CRC32C(0, b[at:])^flatGone)
	return append(b, make([]byte, at+flatBytes(len(value))-len(b))...)
}

func decodeFlat(b []byte) (key uint64, value []byte, gone bool, n int) {
	if len(b) < flatHead+4 { // the padding may be missing at the end of the file
		return 0, nil, false, 0
	}
	key = binary.LittleEndian.Uint64(b)
	length := int(binary.LittleEndian.Uint16(b[8:]))
	if length == flatGone {
		gone, length = true, 0
	}
	if flatHead+length+4 > len(b) {
		return 0, nil, false, 0
	}
	body := b[:flatHead+length]
	if binary.LittleEndian.Uint32(b[len(body):]) != checksum.CRC32C(0, body)^flatGone {
		return 0, nil, false, 0
	}
	return key, append([]byte(nil), body[flatHead:]...), gone, flatBytes(length)
}

func (x *flatIndex) put(key uint64, value []byte, gone bool) {
	i := sort.Search(len(x.keys), func(i int) bool { return x.keys[i] >= key })
	has := i < len(x.keys) && x.keys[i] == key
	switch {
	case gone && has:
		x.keys = append(x.keys[:i], x.keys[i+1:]...)
		delete(x.value, key)
	case !gone && !has:
		x.keys = append(x.keys, 0)
		copy(x.keys[i+1:], x.keys[i:])
		x.keys[i] = key
		fallthrough
	case !gone:
		x.value[key] = value
	}
}

func (x *flatIndex) get(key uint64) ([]byte, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	value, ok := x.value[key]
	if !ok {
		return nil, errAbsent
	}
	return value, nil
}

func (x *flatIndex) append(b []byte, sync bool) error {
	if _, err := x.f.WriteAt(b, x.size); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	x.size += int64(len(b))
	if sync {
		return x.sync()
	}
	return nil
}

func (x *flatIndex) apply(ops []indexOp, sync bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var b []byte
	for _, op := range ops {
		var v [locationBytes]byte
		b = appendFlat(b, op.key, op.loc.encode(&v), op.gone)
	}
	if err := x.append(b, sync); err != nil {
		return err
	}
	for _, op := range ops {
		var v [locationBytes]byte
		x.put(op.key, op.loc.encode(&v), op.gone)
	}
	return nil
}

func (x *flatIndex) set(key uint64, value []byte) error {
	if len(value) >= flatGone {
		return errors.New("index: value is too long")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.append(appendFlat(nil, key, value, false), true); err != nil {
		return err
	}
	x.put(key, append([]byte(nil), value...), false)
	return nil
}

func (x *flatIndex) sync() error {
	if err := x.f.SyncData(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

func (x *flatIndex) descend(fn func(uint64, location, bool) bool) error {
	x.mu.RLock()
	keys := append([]uint64(nil), x.keys...)
	x.mu.RUnlock()
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i] > instanceMax {
			continue
		}
		value, err := x.get(keys[i])
		if err != nil {
			continue // deleted meanwhile
		}
		loc, ok := decodeLocation(value)
		if !fn(keys[i], loc, ok) {
			break
		}
	}
	return nil
}

func (x *flatIndex) ascend(from uint64, fn func(uint64) bool) error {
	x.mu.RLock()
	i := sort.Search(len(x.keys), func(i int) bool { return x.keys[i] >= from })
	keys := append([]uint64(nil), x.keys[i:]...)
	x.mu.RUnlock()
	for _, key := range keys {
		if key > instanceMax || !fn(key) {
			break
		}
	}
	return nil
}

func (x *flatIndex) close() error { return x.f.Close() }
