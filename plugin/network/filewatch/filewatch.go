package filewatch

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Files are files to look at. All methods are safe for concurrent use.
type Files struct {
	paths    []string
	interval time.Duration
	epoch    time.Time
	next     atomic.Int64 // when to look again, since epoch

	mu   sync.Mutex
	seen []fs.FileInfo // as of the last Read that succeeded; nil for a file that was not there
}

// New returns the files at paths. They are looked at once in an interval at
// most. Symbolic links are followed, so a link that is changed to another file,
// as secrets of a container are, is a change.
func New(interval time.Duration, paths ...string) *Files {
	return &Files{paths: paths, interval: interval, epoch: time.Now(), seen: make([]fs.FileInfo, len(paths))}
}

// Whole makes paths independent of the working directory, which may change
// before a file is read again. Empty paths stay empty.
func Whole(paths ...*string) error {
	for _, p := range paths {
		if *p == "" {
			continue
		}
		whole, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = whole
	}
	return nil
}

// Due reports whether it is time to look again, to one caller in an interval.
// It makes no system call and is cheap enough for every packet.
func (f *Files) Due() bool {
	now := int64(time.Since(f.epoch))
	next := f.next.Load()
	return now >= next && f.next.CompareAndSwap(next, now+int64(f.interval))
}

// Changed reports whether a file is another one than read saw when Read last
// succeeded. It asks the file system.
func (f *Files) Changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, path := range f.paths {
		if !same(f.seen[i], stat(path)) {
			return true
		}
	}
	return false
}

// Read calls read, which reads the files, and remembers what they were before
// it, so that a change while it reads is seen the next time. If read fails, the
// files count as changed from then on, and the error is returned.
func (f *Files) Read(read func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := make([]fs.FileInfo, len(f.paths))
	for i, path := range f.paths {
		before[i] = stat(path)
	}
	if err := read(); err != nil {
		clear(f.seen)
		return err
	}
	f.seen = before
	return nil
}

// stat returns nil for a file that cannot be looked at: reading it says why.
func stat(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
