package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// medium is what a node's disk is made of. It outlives the node's processes;
// each of them opens a log storage on it.
type medium interface {
	// open starts a life of the log storage.
	open() (storage.LogStorage, error)
	// crash ends that life without a word. With power it also decides, by r,
	// what is left of everything that was not synced.
	crash(power bool, r *rand.Rand)
	// cut lets only the first n file operations of the coming write happen.
	cut(n int)
	// fail makes the coming sync, or else the coming write, fail.
	fail(sync bool, r *rand.Rand)
	// flip turns a bit of what lies on the disk and says where; ok is false
	// when there is nothing yet.
	flip(r *rand.Rand) (where string, ok bool)
}

var errInjected = errors.New("simulated disk error")

// Storage is the log storage of the nodes of a run.
type Storage uint8

const (
	AnyStorage Storage = iota // the seed decides between the next two
	Original                  // package vfile
	Shared                    // package sharedlog
	Maps                      // a model made of maps
	storages
)

var storageNames = [storages]string{"any", "original", "shared", "maps"}

func (s Storage) String() string {
	if s < storages {
		return storageNames[s]
	}
	return fmt.Sprintf("Storage(%d)", uint8(s))
}

// ParseStorage returns the storage with a name.
func ParseStorage(name string) (Storage, error) {
	if i := slices.Index(storageNames[:], name); i >= 0 {
		return Storage(i), nil
	}
	return 0, fmt.Errorf("no such storage: %q, want one of %v", name, storageNames)
}

// of decides for a seed.
func (s Storage) of(seed uint64) Storage {
	switch {
	case s != AnyStorage:
		return s
	case seed%3 == 0:
		return Shared
	}
	return Original
}

func newMedium(s Storage, groups, recordMax int, r *rand.Rand) medium {
	switch s {
	case Maps:
		return newPlainMedium(groups)
	case Shared:
		return newSharedMedium(groups, r)
	}
	return newRealMedium(groups, recordMax, r)
}

// fileMedium is a production log storage on a file system in memory.
type fileMedium struct{ fs *memfs.FS }

// realMedium is package vfile. Its files are small, so that a short run sees
// many of their ends.
type realMedium struct {
	fileMedium
	groups int
	opts   vfile.Options
}

const logDir = "/log"

// simIndex is the file that only a deterministic store has, in place of the
// production index. What becomes of its bits says nothing about the latter.
const simIndex = "index.flat"

// newRealMedium draws the limits of a storage whose records stay below
// recordMax bytes.
func newRealMedium(groups, recordMax int, r *rand.Rand) *realMedium {
	fileBytes := max(pick(r, int64(4<<10), 16<<10, 64<<10, 1<<20), int64(recordMax))
	m := &realMedium{fileMedium: fileMedium{memfs.New()}, groups: groups}
	m.opts = vfile.Options{
		Deterministic:   true,
		FileBytesMax:    fileBytes,
		ZeroAheadMax:    pick(r, int64(-1), 4<<10, 64<<10),
		FlushEntries:    pick(r, 1, 8, 64),
		CheckpointBytes: pick(r, int64(4<<10), 16<<10, 256<<10),
	}
	return m
}

func (m *realMedium) open() (storage.LogStorage, error) {
	m.fs.SetRoom(-1)
	m.opts.FS = m.fs
	return vfile.Open(logDir, m.groups, m.opts)
}

func (m *fileMedium) crash(power bool, r *rand.Rand) {
	if power {
		m.fs = m.fs.Crash(memfs.Policy(r.IntN(memfs.Policies)), r)
	} else {
		m.fs = m.fs.Kill()
	}
}

func (m *fileMedium) cut(n int) { m.fs.CrashAfter(n) }

func (m *fileMedium) fail(sync bool, r *rand.Rand) {
	if sync {
		m.fs.FailNext(memfs.OpSync, "", errInjected)
	} else {
		m.fs.SetRoom(r.Int64N(300))
	}
}

// flip turns a bit in a value file that a checkpoint has covered, or in what
// the storage keeps beside the records. Behind the last checkpoint a rotten
// record cannot be told from one that was written like that: its checksum is
// not durable yet, and the original's format has none.
func (m *realMedium) flip(r *rand.Rand) (where string, ok bool) {
	var files []string
	m.walk(logDir, &files)
	files = slices.DeleteFunc(files, func(name string) bool { return isValueFile(name) && !m.covered(name) })
	records := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return !isValueFile(name) })
	if len(records) > 0 && r.IntN(4) > 0 {
		files = records
	}
	return m.flipIn(files, r)
}

// flipIn turns a bit in one of some files.
func (m *fileMedium) flipIn(files []string, r *rand.Rand) (where string, ok bool) {
	for range 100 {
		if len(files) == 0 {
			break
		}
		name := files[r.IntN(len(files))]
		if at, ok := m.used(name, r); ok {
			bit := uint(r.IntN(8))
			return fmt.Sprintf("%s byte %d bit %d", name, at, bit), m.fs.FlipBit(name, at, bit) == nil
		}
	}
	return "", false
}

func isValueFile(name string) bool { return path.Ext(name) == ".f" }

// covered reports whether so much was written behind a value file that a
// checkpoint must have come since.
func (m *realMedium) covered(name string) bool {
	id, err := strconv.ParseInt(strings.TrimSuffix(path.Base(name), ".f"), 10, 64)
	if err != nil {
		return false
	}
	// A finished file may be half empty, where the next record was too long.
	ahead := 2 + 2*m.opts.CheckpointBytes/m.opts.FileBytesMax
	_, err = m.fs.Stat(path.Join(path.Dir(name), fmt.Sprintf("%d.f", id+ahead)))
	return err == nil
}

// used picks a byte of a file that is not zero: what nobody has written to
// yet is.
func (m *fileMedium) used(name string, r *rand.Rand) (at int64, ok bool) {
	f, err := m.fs.Open(name, storage.ReadOnly)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size == 0 {
		return 0, false
	}
	at = r.Int64N(size)
	var b [1]byte
	n, _ := f.ReadAt(b[:], at)
	return at, n == 1 && b[0] != 0
}

// walk lists files in the order of their names.
func (m *fileMedium) walk(dir string, files *[]string) {
	entries, err := m.fs.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if name := path.Join(dir, e.Name); e.Dir {
			m.walk(name, files)
		} else if e.Name != simIndex {
			*files = append(*files, name)
		}
	}
}
