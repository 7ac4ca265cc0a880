package vfile

import (
	"fmt"
	"math"
	"runtime"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/onesync"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

// The original's file sizes (spec/storage-api.md section 2.4).
const (
	fileBytes      = 104857600
	fileBytesLarge = 524288000
)

// Options changes how a store works. The zero value is right for production.
type Options struct {
	// FS is where the files are; nil means the operating system's.
	FS storage.FS

	// LargeFiles makes new value files 524288000 bytes long instead of
	// 104857600, as the original's large value mode does.
	LargeFiles bool

	// FileBytesMax is another size for new value files, 64 … 2147483647, for
	// tests; 0 leaves the choice to LargeFiles. It also limits a record.
	FileBytesMax int64

	// Valid reports whether data is a whole record of an instance. It is
	// asked before a record is written, and by recovery to tell a record that
	// was cut off from one that is all there: a record with some of its last
	// bytes replaced by zeros must not be valid. nil means ValidState.
	Valid func(instance uint64, data []byte) bool

	// Observer is told of appends, index writes, failures and damage; nil
	// means nobody.
	Observer event.Observer

	// SyncParallel is how many files are synced at once when a batch holds
	// several groups, 1 … 64; 0 means 16.
	SyncParallel int

	// ZeroAheadMax is how many bytes at most are filled with zeros ahead of
	// the records, at least 64; 0 means 1 MiB, -1 none. A sync into blocks
	// that exist is cheaper than one that has to allocate them: a third with
	// records of 4 KiB.
	ZeroAheadMax int64

	// FlushEntries is how many index entries of a group are gathered in
	// memory before they go to the index, at least 1; 0 means 1024. Eight
	// times as many are never exceeded.
	FlushEntries int

	// CheckpointBytes is how many bytes of records, at least 64, a group may
	// write before its index and checksums are made durable in the
	// background; 0 means 8 MiB. It bounds what is scanned after a crash.
	CheckpointBytes int64

	// Deterministic is for simulators: no goroutine is started, everything
	// happens within the call that causes it, and the index is a plain file
	// instead of LevelDB, which has goroutines of its own. Such a directory
	// can only be opened with Deterministic.
	Deterministic bool
}

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = osfs.FS{}
	}
	o.FS = onesync.New(o.FS)
	if o.FileBytesMax == 0 {
		o.FileBytesMax = fileBytes
		if o.LargeFiles {
			o.FileBytesMax = fileBytesLarge
		}
	}
	if o.Valid == nil {
		o.Valid = ValidState
	}
	setDefault(&o.SyncParallel, 16)
	setDefault(&o.ZeroAheadMax, 1<<20)
	setDefault(&o.FlushEntries, 1024)
	setDefault(&o.CheckpointBytes, 8<<20)
	for _, c := range []struct {
		name           string
		value, lo, hi  int64
		alsoMinusOneOK bool
	}{
		{"FileBytesMax", o.FileBytesMax, 64, math.MaxInt32, false},
		{"SyncParallel", int64(o.SyncParallel), 1, 64, false},
		{"ZeroAheadMax", o.ZeroAheadMax, 64, math.MaxInt32, true},
		{"FlushEntries", int64(o.FlushEntries), 1, 1 << 20, false},
		{"CheckpointBytes", o.CheckpointBytes, 64, math.MaxInt64, false},
	} {
		if c.alsoMinusOneOK && c.value == -1 {
			continue
		}
		if c.value < c.lo || c.value > c.hi {
			return o, fmt.Errorf("vfile: Options.%s is %d, must be %d … %d", c.name, c.value, c.lo, c.hi)
		}
	}
	return o, nil
}

func setDefault[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// openParallel is how many groups are opened or closed at once: each waits
// for several syncs, so more than the number of processors pays.
func openParallel() int { return 4 * runtime.GOMAXPROCS(0) }

func (o *Options) observe(e event.Event) {
	if o.Observer != nil {
		o.Observer.Observe(e)
	}
}
