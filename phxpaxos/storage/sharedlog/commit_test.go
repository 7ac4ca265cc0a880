package sharedlog

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

// slowSync lets a sync of a segment wait until it may go on.
type slowSync struct {
	storage.FS
	syncs atomic.Int64
	gate  chan struct{} // nil: open
}

func (s *slowSync) Open(name string, flags storage.OpenFlag) (storage.File, error) {
	f, err := s.FS.Open(name, flags)
	return &slowFile{f, s}, err
}

type slowFile struct {
	storage.File
	s *slowSync
}

func (f *slowFile) SyncData() error {
	f.s.syncs.Add(1)
	if f.s.gate != nil {
		<-f.s.gate
	}
	return f.File.SyncData()
}

// TestOneSync: variables that wait while a sync runs share the next one, and
// so does a Write.
func TestOneSync(t *testing.T) {
	disk := &slowSync{FS: memfs.New()}
	s, err := Open("log", 50, Options{FS: disk, Deterministic: true, ZeroAheadMax: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	disk.syncs.Store(0)
	disk.gate = make(chan struct{})
	var wg sync.WaitGroup
	set := func(g int) {
		wg.Go(func() {
			if err := s.SetVariable(g, storage.SystemVariables, []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	set(0)
	await.True(t, "the others wait", func() bool { return disk.syncs.Load() == 1 })
	for g := 1; g < 50; g++ {
		set(g)
	}
	await.True(t, "the others wait", func() bool {
		s.qmu.Lock()
		defer s.qmu.Unlock()
		return len(s.queue) == 49
	})
	wg.Go(func() {
		if err := s.Write([]storage.Put{{Group: 3, Instance: 1, Data: []byte("x"), Sync: true}}); err != nil {
			t.Error(err)
		}
	})
	close(disk.gate)
	wg.Wait()
	// The Write may come when the variables are written already.
	if n := disk.syncs.Load(); n > 3 {
		t.Errorf("%d syncs for 50 variables and a record that came while the first one ran", n)
	}
	for g := range 50 {
		if v, err := s.Variable(g, storage.SystemVariables); err != nil || string(v) != "x" {
			t.Errorf("group %d: %q, %v", g, v, err)
		}
	}
}
