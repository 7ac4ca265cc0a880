package sharedlog

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// cacheFS knows which segments were told to leave the cache, and plays the
// system's cache for files that were used before.
type cacheFS struct {
	storage.FS
	mu      sync.Mutex
	dropped map[string]int
	partial []string // writes that a system would have to read for
	reused  int      // files
}

type cacheFile struct {
	storage.File
	fs   *cacheFS
	name string
	size int64
	in   map[int64]bool // pages in the cache; under fs.mu
}

func (c *cacheFS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := c.FS.Open(name, flags)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if size > 0 && strings.HasSuffix(name, logSuffix) && flags&storage.Create != 0 {
		c.mu.Lock()
		c.reused++
		c.mu.Unlock()
	}
	return &cacheFile{f, c, path.Base(name), size, map[int64]bool{}}, err
}

func (f *cacheFile) DropCache() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.dropped[f.name]++
	return nil
}

func (f *cacheFile) WriteAt(p []byte, off int64) (int, error) {
	f.note(off, off+int64(len(p)))
	return f.File.WriteAt(p, off)
}

// note is called from the writer and from what zeroes ahead of it.
func (f *cacheFile) note(off, end int64) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	for at := off &^ (pageBytes - 1); at < end && strings.HasSuffix(f.name, logSuffix); at += pageBytes {
		if from, to := max(at, off), min(at+pageBytes, end); !f.in[at] && at < f.size && (from > at || to < min(at+pageBytes, f.size)) {
			f.fs.partial = append(f.fs.partial, f.name)
		}
		f.in[at] = true
	}
}

func TestOldSegmentsLeaveTheCache(t *testing.T) {
	disk := &cacheFS{FS: memfs.New(), dropped: map[string]int{}}
	s, err := Open("log", 1, Options{FS: disk, SegmentBytes: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range uint64(60) {
		if err := s.Write([]storage.Put{{Instance: i, Data: make([]byte, 1000), Sync: true}}); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.RLock()
	var want []string
	for _, seg := range s.segs[:len(s.segs)-warmSegments] {
		want = append(want, fileName(seg.seq, logSuffix))
	}
	s.mu.RUnlock()
	var got []string
	await.True(t, "the cache is dropped", func() bool {
		disk.mu.Lock()
		defer disk.mu.Unlock()
		got = slices.Sorted(maps.Keys(disk.dropped))
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) || len(want) < 5 {
		t.Errorf("out of the cache: %q, want %q", got, want)
	}
	disk.mu.Lock()
	defer disk.mu.Unlock()
	for name, n := range disk.dropped {
		if n != 1 {
			t.Errorf("%s was dropped %d times", name, n)
		}
	}
}

// Where a file is used again, no write makes the system read a page first.
func TestReusedPagesAreWrittenWhole(t *testing.T) {
	disk := &cacheFS{FS: memfs.New(), dropped: map[string]int{}}
	s, err := Open("log", 1, Options{FS: disk, SegmentBytes: 256 << 10, ZeroAheadMax: -1, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{20, 1000, 4096, 20_000, directBytes, directBytes + 4321, 70_003}
	for i := range uint64(600) {
		data := make([]byte, sizes[r.IntN(len(sizes))])
		for j := range data {
			data[j] = byte(i) + 1
		}
		if err := s.Write([]storage.Put{{Instance: i, Data: data, Sync: true}}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(0, i, nil); err != nil || string(got) != string(data) {
			t.Fatalf("instance %d: %d bytes, %v", i, len(got), err)
		}
		if i >= 10 {
			if err := s.Trim(0, i-10); err != nil {
				t.Fatal(err)
			}
		}
	}
	if disk.reused < 10 {
		t.Errorf("%d files were used again", disk.reused)
	}
	if len(disk.partial) > 0 {
		t.Errorf("pages are read first: %d times, in %q", len(disk.partial), slices.Compact(disk.partial))
	}
}
