package sharedlog_test

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

// A real program leaves FS out and names a directory of its disk.
func Example() {
	s, err := sharedlog.Open("log", 2, sharedlog.Options{FS: memfs.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	err = s.Write([]storage.Put{ // one sync for both groups
		{Group: 0, Instance: 7, Data: []byte("seven"), Sync: true},
		{Group: 1, Instance: 3, Data: []byte("three"), Sync: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := s.Read(0, 7, nil)
	fmt.Printf("%s %v\n", data, err)
	_, err = s.Read(1, 7, nil)
	fmt.Println(errors.Is(err, storage.ErrNotFound))
	// Output:
	// seven <nil>
	// true
}
