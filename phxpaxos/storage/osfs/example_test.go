package osfs_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
)

func Example() {
	dir, err := os.MkdirTemp("", "osfs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	var fs osfs.FS
	f, err := fs.Open(filepath.Join(dir, "greeting"), storage.ReadWrite|storage.Create)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	f.WriteAt([]byte("hello"), 0)
	f.SyncData()    // the bytes are durable
	fs.SyncDir(dir) // and so is the name
	fmt.Println(f.Size())
	// Output: 5 <nil>
}
