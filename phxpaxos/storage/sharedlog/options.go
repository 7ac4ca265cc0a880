package sharedlog

import (
	"fmt"
	"math"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/onesync"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

const (
	// groupsMax is the original's limit.
	groupsMax = 100000

	// instanceMax is the highest instance that the original's layout can
	// hold; the same here, so that one layout can be turned into the other.
	instanceMax = math.MaxUint64 - 3

	// recordBytesMax bounds a record, far above what a node proposes, so that
	// a damaged length cannot ask for all memory.
	recordBytesMax = 1 << 30

	// variableBytesMax bounds a variable: they are kept in memory.
	variableBytesMax = 16 << 20

	// segmentBytes is the usual size of a segment: large enough that turning
	// to the next one is rare, small enough that scanning one takes 50 ms.
	segmentBytes = 64 << 20
)

// Options changes how a store works. The zero value is right for production.
type Options struct {
	// FS is where the files are; nil means the operating system's.
	FS storage.FS

	// SegmentBytes is where a segment ends, 256 … 1 GiB; 0 means 64 MiB. A
	// record that is larger gets a segment of its own.
	SegmentBytes int64

	// ZeroAheadMax is how many bytes at most are filled with zeros ahead of
	// the records, at least 64; 0 means 1 MiB, -1 none. It is done only while
	// records are small: see the package's comment.
	ZeroAheadMax int64

	// FilesMax is how many segments that are only read stay open, at least 1;
	// 0 means 128.
	FilesMax int

	// Observer is told of appends, failures and damage; nil means nobody.
	Observer event.Observer

	// ReadOnly is for tools: nothing is written or removed, what a crash left
	// stays as it is, and every byte of the log is read and verified. It needs
	// memory for each instance. Every call that would write fails. Open
	// succeeds also if all groups are damaged; Err says why.
	ReadOnly bool

	// Deterministic is for simulators: no goroutine is started, everything
	// happens within the call that causes it, and nothing is drawn by chance.
	Deterministic bool
}

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = osfs.FS{}
	}
	o.FS = onesync.New(o.FS)
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytes
	}
	if o.ZeroAheadMax == 0 {
		o.ZeroAheadMax = 1 << 20
	}
	if o.FilesMax == 0 {
		o.FilesMax = 128
	}
	for _, c := range []struct {
		name          string
		value, lo, hi int64
	}{
		{"SegmentBytes", o.SegmentBytes, 256, 1 << 30},
		{"ZeroAheadMax", o.ZeroAheadMax, 64, math.MaxInt32},
		{"FilesMax", int64(o.FilesMax), 1, 1 << 20},
	} {
		if c.name == "ZeroAheadMax" && c.value == -1 {
			continue
		}
		if c.value < c.lo || c.value > c.hi {
			return o, fmt.Errorf("sharedlog: Options.%s is %d, must be %d … %d", c.name, c.value, c.lo, c.hi)
		}
	}
	return o, nil
}

func (o *Options) observe(e event.Event) {
	if o.Observer != nil {
		o.Observer.Observe(e)
	}
}
