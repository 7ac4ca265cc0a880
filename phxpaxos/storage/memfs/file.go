package memfs

import (
	"fmt"
	"io"
)

// content is the bytes of a file. Those from len(data) to size are zero, so
// that a file of 100 MiB with little in it takes little memory.
type content struct {
	data []byte
	size int64
}

func (c *content) readAt(p []byte, off int64) int {
	n := int(max(0, min(int64(len(p)), c.size-off)))
	copied := 0
	if off < int64(len(c.data)) {
		copied = copy(p[:n], c.data[off:])
	}
	clear(p[copied:n])
	return n
}

// change is one write, or one truncation.
type change struct {
	truncate bool
	off      int64 // of the write, or the size to truncate to
	data     []byte
}

func (c *content) apply(ch change) {
	if ch.truncate {
		c.size = ch.off
		if int64(len(c.data)) > c.size {
			c.data = c.data[:c.size]
		}
		return
	}
	end := ch.off + int64(len(ch.data))
	c.size = max(c.size, end)
	if end > int64(len(c.data)) {
		if allZero(ch.data) && ch.off >= int64(len(c.data)) {
			return
		}
		c.grow(end)
	}
	copy(c.data[ch.off:], ch.data)
}

func (c *content) grow(to int64) {
	if to <= int64(cap(c.data)) {
		old := len(c.data)
		c.data = c.data[:to]
		clear(c.data[old:])
		return
	}
	data := make([]byte, to, to+to/2)
	copy(data, c.data)
	c.data = data
}

func (c *content) clone() content {
	return content{data: append([]byte(nil), c.data...), size: c.size}
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

func (n *node) change(ch change) {
	n.cache.apply(ch)
	n.pending = append(n.pending, ch)
}

func (n *node) sync() {
	for _, ch := range n.pending {
		n.disk.apply(ch)
	}
	n.pending = nil
}

type file struct {
	fs       *FS
	n        *node
	name     string
	writable bool
	closed   bool
}

// use checks that the file may be used; the file system is locked.
func (f *file) use(op Op) error {
	if f.closed {
		return fmt.Errorf("memfs: %s is closed", f.name)
	}
	if f.fs.life != f.fs.lives {
		return ErrCrashed
	}
	if (op == OpWrite || op == OpTruncate) && !f.writable {
		return fmt.Errorf("memfs: %s is open for reading only", f.name)
	}
	return nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use(OpRead); err != nil {
		return 0, err
	}
	if err := f.fs.check(OpRead, f.name); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("memfs: %s: negative offset", f.name)
	}
	n := f.n.cache.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes into the cache. One that is made to fail has written its
// first half.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use(OpWrite); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("memfs: %s: negative offset", f.name)
	}
	err := f.fs.check(OpWrite, f.name)
	n := len(p)
	if err != nil {
		n /= 2
	} else if n, err = f.fs.faults.take(n); err != nil {
		err = fmt.Errorf("memfs: %s: %w", f.name, err)
	}
	if n > 0 && (err == nil || !f.fs.faults.down()) {
		f.n.change(change{off: off, data: append([]byte(nil), p[:n]...)})
	} else {
		n = 0
	}
	return n, err
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use(OpTruncate); err != nil {
		return err
	}
	if err := f.fs.check(OpTruncate, f.name); err != nil {
		return err
	}
	f.n.change(change{truncate: true, off: size})
	return nil
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use(OpRead); err != nil {
		return 0, err
	}
	return f.n.cache.size, nil
}

// NextData implements storage.DataFinder.
func (f *file) NextData(offset int64) (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use(OpRead); err != nil {
		return 0, err
	}
	if offset < int64(len(f.n.cache.data)) {
		return offset, nil
	}
	return f.n.cache.size, nil
}

func (f *file) Sync() error { return f.SyncData() }

func (f *file) SyncData() error {
	late, err := f.syncData()
	if late != nil {
		late()
	}
	return err
}

// syncData is a sync up to the point where its result is decided. late is for
// the caller to call then, without the lock.
func (f *file) syncData() (late func(), err error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use(OpSync); err != nil {
		return nil, err
	}
	if err := f.fs.check(OpSync, f.name); err != nil {
		if !f.fs.faults.down() {
			f.n.pending = nil // gone for good, though the cache still shows it
		}
		return nil, err
	}
	f.n.sync() // also after a writeback error: what came later is written
	if l := f.n.lost; l != nil {
		f.n.lost = nil
		return l.late, fmt.Errorf("memfs: sync %s: %w", f.name, l.err)
	}
	return nil, nil
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.closed = true
	return nil
}
