package sharedlog_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/crashtest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

var (
	seeds = flag.Uint64("seeds", 500, "histories of TestCrash")
	seed0 = flag.Uint64("seed", 0, "first seed")
)

func TestCrash(t *testing.T) {
	sub := crashtest.Subject{
		Names: []string{".log", ".idx.tmp", "store.tmp", ""},
		Draw: func(r *rand.Rand) crashtest.OpenFunc {
			opts := sharedlog.Options{
				Deterministic: true,
				SegmentBytes:  int64(300 + r.IntN(8000)),
				ZeroAheadMax:  int64(64 + r.IntN(2000)),
				FilesMax:      1 + r.IntN(3),
			}
			if r.IntN(3) == 0 {
				opts.ZeroAheadMax = -1
			}
			return func(fsys *memfs.FS, groups int) (crashtest.Store, error) {
				opts.FS = fsys
				return sharedlog.Open("d/log", groups, opts)
			}
		},
	}
	crashtest.Run(t, sub, *seed0, *seeds, 8, 25)
}

// TestWriteback lets writebacks fail of which the background gets the error.
func TestWriteback(t *testing.T) {
	crashtest.RunWriteback(t, crashtest.Writeback{
		Names: []string{".log"},
		Open: func(fsys storage.FS, r *rand.Rand) (crashtest.Store, error) {
			return sharedlog.Open("d", 1, sharedlog.Options{FS: fsys, SegmentBytes: 64 << 10, ZeroAheadMax: int64(1000 + r.IntN(4000))})
		},
	}, *seed0, 100)
}
