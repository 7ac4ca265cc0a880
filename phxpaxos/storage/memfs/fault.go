package memfs

import (
	"fmt"
	"strings"
	"syscall"
)

// Op is a kind of call that can be made to fail.
type Op uint8

const (
	OpOpen Op = iota
	OpCreate
	OpRead // also ReadDir and Stat
	OpWrite
	OpTruncate
	OpSync
	OpRename
	OpRemove
	OpSyncDir
)

type faults struct {
	next      []nextFault
	room      int64 // bytes that can still be written, -1 for no limit
	counting  bool
	countdown int // changes until the power goes, while counting
}

type nextFault struct {
	op     Op
	suffix string
	err    error
}

// FailNext makes the next call of op on a file whose name ends with suffix
// fail with err, once. A failing write has written its first half; a failing
// sync loses for good what it should have made durable.
func (s *FS) FailNext(op Op, suffix string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.next = append(s.faults.next, nextFault{op, suffix, err})
}

// loss is a writeback error that waits for a sync to report it.
type loss struct {
	err  error
	late func()
}

// FailWriteback lets the system try to write back, by itself, what was written
// to the files whose names end with suffix and was not synced, and fail: that
// never gets to disk. The next sync of each such file, and only that one,
// returns err, whichever handle it uses and whatever it writes itself. Files
// that hold nothing of that kind are not concerned. FailWriteback returns how
// many files lost something.
//
// late, if it is not nil, is called by that sync when its result is decided,
// and before it returns: other syncs of the file may begin and end meanwhile.
// It may block.
func (s *FS) FailWriteback(suffix string, err error, late func()) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != s.lives || s.faults.down() {
		return 0
	}
	return s.failWriteback(s.root, "", suffix, &loss{err, late})
}

func (s *FS) failWriteback(n *node, name, suffix string, l *loss) (files int) {
	for _, base := range sorted(n.names) {
		files += s.failWriteback(n.names[base], name+"/"+base, suffix, l)
	}
	if n.dir || len(n.pending) == 0 || !strings.HasSuffix(name, suffix) {
		return files
	}
	n.pending, n.lost = nil, l
	return files + 1
}

// SetRoom fills the disk after so many more bytes written; -1 lifts the
// limit. Writes beyond it write what fits and fail with ENOSPC. Overwriting
// counts as well.
func (s *FS) SetRoom(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.room = bytes
}

// CrashAfter cuts the power after so many more changes (writes, syncs,
// truncations, creations, renames, removals): from then on every call fails
// with ErrCrashed. Crash brings it back.
func (s *FS) CrashAfter(changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.counting, s.faults.countdown = true, changes
}

// ClearFaults takes back what FailNext and SetRoom prepared. A power that is
// already gone stays gone until Crash, and a writeback that failed has failed.
func (s *FS) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.next, s.faults.room = nil, -1
}

// FlipBit damages one bit of a file, in the cache and on disk.
func (s *FS) FlipBit(name string, offset int64, bit uint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(name)
	if err != nil {
		return err
	}
	if n.dir || offset < 0 || offset >= n.cache.size {
		return fmt.Errorf("memfs: %s has no byte %d", name, offset)
	}
	mask := byte(1) << (bit % 8)
	for i, ch := range n.pending {
		if !ch.truncate && offset >= ch.off && offset < ch.off+int64(len(ch.data)) {
			n.pending[i].data[offset-ch.off] ^= mask
		}
	}
	for _, c := range []*content{&n.cache, &n.disk} {
		if offset >= c.size {
			continue
		}
		if offset >= int64(len(c.data)) {
			c.grow(offset + 1)
		}
		c.data[offset] ^= mask
	}
	return nil
}

func (f *faults) down() bool { return f.counting && f.countdown <= 0 }

// take uses up room for a write of n bytes and returns how many fit.
func (f *faults) take(n int) (int, error) {
	if f.room < 0 {
		return n, nil
	}
	if int64(n) > f.room {
		n = int(f.room)
		f.room = 0
		return n, syscall.ENOSPC
	}
	f.room -= int64(n)
	return n, nil
}

// check decides whether a call fails.
func (s *FS) check(op Op, name string) error {
	if s.life != s.lives || s.faults.down() {
		return ErrCrashed
	}
	if s.faults.counting && op != OpOpen && op != OpRead {
		s.faults.countdown--
	}
	for i, f := range s.faults.next {
		if f.op == op && strings.HasSuffix(name, f.suffix) {
			s.faults.next = append(s.faults.next[:i:i], s.faults.next[i+1:]...)
			return f.err
		}
	}
	return nil
}
