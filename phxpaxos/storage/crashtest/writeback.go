package crashtest

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// Writeback is a store whose goroutines sync the same files as its callers.
type Writeback struct {
	// Open opens the store as in production, with its goroutines. It draws
	// options that make these busy.
	Open func(fsys storage.FS, r *rand.Rand) (Store, error)
	// Names are endings of names of files whose writeback may fail.
	Names []string
}

// RunWriteback plays histories number from … from+count-1. In each of them one
// writeback fails at a random moment, and Linux reports that to one sync only,
// which may be that of the background. Then the power goes. Every record whose
// Write returned nil must be there.
//
// The interleavings differ from run to run. A correct store passes in all of
// them; a store with a fault fails in some, so that count should be 100 or
// more.
func RunWriteback(t *testing.T, sub Writeback, from, count uint64) {
	lost := 0
	for seed := from; seed < from+count && !t.Failed(); seed++ {
		lost += sub.history(t, seed)
	}
	if lost == 0 {
		t.Error("no writeback failed in any history: nothing was tested")
	}
}

const writebackWrites = 40

// history plays one history and returns how many files lost something.
func (sub Writeback) history(t *testing.T, seed uint64) int {
	r := rand.New(rand.NewPCG(seed, 2))
	disk := memfs.New()
	slow := &slowFS{FS: disk, r: rand.New(rand.NewPCG(seed, 3)), suffix: sub.Names[r.IntN(len(sub.Names))], countdown: 1 + r.IntN(60)}
	s, err := sub.Open(slow, r)
	if err != nil {
		t.Fatalf("seed %d: open: %v", seed, err)
	}
	var written [][]byte
	acknowledged := 0
	for i := range uint64(writebackWrites) {
		data := logstoragetest.Record(i, 50+r.IntN(600), i)
		if r.IntN(6) == 0 {
			data = logstoragetest.Record(i, 2200, i)
			clear(data[30:2100]) // with sectors of zeros
		}
		written = append(written, data)
		if s.Write([]storage.Put{{Instance: i, Data: data, Sync: true}}) != nil {
			break
		}
		acknowledged++
		if slow.files() > 0 && r.IntN(3) == 0 {
			break // the power goes at once
		}
	}
	disk = disk.Crash(memfs.Policy(r.IntN(memfs.Policies)), r)
	s.Close()
	if s, err = sub.Open(disk, r); err != nil {
		t.Fatalf("seed %d: open after the loss of power: %v", seed, err)
	}
	defer s.Close()
	for i, want := range written[:acknowledged] {
		if got, err := s.Read(0, uint64(i), nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("seed %d: Write of instance %d of %d returned nil, and after the loss of power it reads %d bytes, %v",
				seed, i, acknowledged, len(got), err)
		}
	}
	return slow.files()
}

// slowFS takes time for writes and syncs, so that those of several goroutines
// meet in many ways, and fails one writeback after some write.
type slowFS struct {
	*memfs.FS
	suffix string

	mu        sync.Mutex
	r         *rand.Rand
	countdown int // writes of suffix until the writeback fails
	lost      int
	synced    chan struct{} // closed by the next sync that returns, while one is late
}

func (s *slowFS) files() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// pause is the time that the disk takes.
func (s *slowFS) pause() {
	s.mu.Lock()
	d := time.Duration(s.r.IntN(4)-1) * 50 * time.Microsecond
	s.mu.Unlock()
	if d >= 0 {
		time.Sleep(d)
	}
}

// wrote fails the writeback when it is its time.
func (s *slowFS) wrote(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasSuffix(name, s.suffix) {
		return
	}
	if s.countdown--; s.countdown == 0 {
		s.lost = s.FailWriteback(s.suffix, syscall.EIO, s.late)
	}
}

// late holds the sync that got the error until another one has returned, or
// for as long as a disk may take.
func (s *slowFS) late() {
	other := make(chan struct{})
	s.mu.Lock()
	s.synced = other
	s.mu.Unlock()
	select {
	case <-other:
	case <-time.After(2 * time.Millisecond):
	}
}

func (s *slowFS) returned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.synced != nil {
		close(s.synced)
		s.synced = nil
	}
}

// Open implements storage.FS.
func (s *slowFS) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := s.FS.Open(name, flags)
	if err != nil {
		return nil, err
	}
	return &slowFile{f, s, name}, nil
}

type slowFile struct {
	storage.File
	fs   *slowFS
	name string
}

func (f *slowFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.fs.wrote(f.name)
	f.fs.pause()
	return n, err
}

func (f *slowFile) Sync() error { return f.SyncData() }

func (f *slowFile) SyncData() error {
	f.fs.pause()
	defer f.fs.returned()
	return f.File.SyncData()
}
