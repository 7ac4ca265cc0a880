package memfs_test

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
)

func Example() {
	s := memfs.New()
	f, _ := s.Open("log", storage.ReadWrite|storage.Create)
	s.SyncDir("/")
	f.WriteAt([]byte("synced"), 0)
	f.SyncData()
	f.WriteAt([]byte(" and not"), 6)

	s = s.Crash(memfs.LoseAll, nil)
	e, _ := s.Stat("log")
	fmt.Println(e.Size, "bytes are left")
	// Output: 6 bytes are left
}
