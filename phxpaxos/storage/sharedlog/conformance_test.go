package sharedlog_test

import (
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

type opened struct {
	*sharedlog.Store
	dir  string
	opts sharedlog.Options
}

func factory(newDir func(t *testing.T) (string, sharedlog.Options)) logstoragetest.Factory {
	open := func(t *testing.T, dir string, groups int, opts sharedlog.Options) storage.LogStorage {
		t.Helper()
		s, err := sharedlog.Open(dir, groups, opts)
		if err != nil {
			t.Fatal(err)
		}
		return &opened{s, dir, opts}
	}
	return logstoragetest.Factory{
		Open: func(t *testing.T, groups int) storage.LogStorage {
			dir, opts := newDir(t)
			return open(t, dir, groups, opts)
		},
		Reopen: func(t *testing.T, closed storage.LogStorage) storage.LogStorage {
			o := closed.(*opened)
			return open(t, o.dir, o.Groups(), o.opts)
		},
	}
}

// A failure concerns all groups, so that there is no Fail: see TestFailure.
func TestConformance(t *testing.T) {
	real := factory(func(t *testing.T) (string, sharedlog.Options) {
		return filepath.Join(t.TempDir(), "log"), sharedlog.Options{}
	})
	small := factory(func(t *testing.T) (string, sharedlog.Options) {
		return t.TempDir(), sharedlog.Options{SegmentBytes: 1500, ZeroAheadMax: 100, FilesMax: 2}
	})
	det := factory(func(*testing.T) (string, sharedlog.Options) {
		return "a/b", sharedlog.Options{FS: memfs.New(), Deterministic: true, SegmentBytes: 1000, ZeroAheadMax: 128, FilesMax: 1}
	})
	for name, f := range map[string]logstoragetest.Factory{"real": real, "small": small, "deterministic": det} {
		t.Run(name, func(t *testing.T) { logstoragetest.Run(t, f) })
	}
}
