package logstoragetest_test

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// Put this, with a storage of your own, into a test of its package.
func ExampleRun() {
	_ = func(t *testing.T) {
		logstoragetest.Run(t, logstoragetest.Factory{
			Open: func(t *testing.T, groups int) storage.LogStorage {
				s, err := vfile.Open("log", groups, vfile.Options{FS: memfs.New()})
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
		})
	}
	// Output:
}
