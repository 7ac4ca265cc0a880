package vfile_test

import (
	"fmt"
	"os"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "vfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	log, err := vfile.Open(dir, 2, vfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()

	// One call, one sync for each group: records are AcceptorStateData.
	err = log.Write([]storage.Put{
		{Group: 0, Instance: 7, Data: logstoragetest.Record(7, 100, 1), Sync: true},
		{Group: 1, Instance: 3, Data: logstoragetest.Record(3, 200, 2), Sync: true},
	})
	fmt.Println("write:", err)
	data, err := log.Read(1, 3, nil)
	fmt.Println("read:", len(data) > 150, err)
	max, err := log.Max(0)
	fmt.Println("max:", max, err)
	// Output:
	// write: <nil>
	// read: true <nil>
	// max: 7 <nil>
}
