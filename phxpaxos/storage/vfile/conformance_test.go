package vfile_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

type opened struct {
	*vfile.Store
	dir  string
	opts vfile.Options
}

func factory(newDir func(t *testing.T) (string, vfile.Options)) logstoragetest.Factory {
	open := func(t *testing.T, dir string, groups int, opts vfile.Options) storage.LogStorage {
		t.Helper()
		s, err := vfile.Open(dir, groups, opts)
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

func TestConformance(t *testing.T) {
	real := factory(func(t *testing.T) (string, vfile.Options) {
		return filepath.Join(t.TempDir(), "log"), vfile.Options{}
	})
	small := factory(func(t *testing.T) (string, vfile.Options) {
		return t.TempDir(), vfile.Options{FileBytesMax: 2000, FlushEntries: 8, CheckpointBytes: 1000, ZeroAheadMax: 100, SyncParallel: 2}
	})
	small.LargestBytes = 1900
	memory := func(opts vfile.Options) logstoragetest.Factory {
		f := factory(func(t *testing.T) (string, vfile.Options) {
			o := opts
			o.FS = memfs.New()
			return "a/b", o
		})
		f.Fail = func(t *testing.T, s storage.LogStorage, group int) {
			fs := s.(*opened).opts.FS.(*memfs.FS)
			fs.FailNext(memfs.OpSync, filepath.ToSlash(s.Dir(group))+"/vfile/0.f", errors.New("injected"))
		}
		return f
	}
	mem := memory(vfile.Options{ZeroAheadMax: -1})
	det := memory(vfile.Options{Deterministic: true, FileBytesMax: 3000, FlushEntries: 4, CheckpointBytes: 500, ZeroAheadMax: 128})
	det.LargestBytes = 2900
	for name, f := range map[string]logstoragetest.Factory{"real": real, "small": small, "mem": mem, "deterministic": det} {
		t.Run(name, func(t *testing.T) { logstoragetest.Run(t, f) })
	}
}
