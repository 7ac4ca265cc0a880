package logdir_test

import (
	"fmt"
	"os"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

func Example() {
	dir, err := os.MkdirTemp("", "logdir")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := vfile.Open(dir, 1, vfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(logdirtest.NewWriter(s, 0).Write(10))
	s.Close() // as long as it is open nobody may look

	g, err := logdir.Open(dir, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	fmt.Println(g.Max())
	// Output:
	// <nil>
	// 9 <nil>
}
