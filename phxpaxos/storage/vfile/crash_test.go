package vfile_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/crashtest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

func subject(level bool) crashtest.Subject {
	return crashtest.Subject{
		Names: []string{".f", ".crc", "durable", ""},
		Draw: func(r *rand.Rand) crashtest.OpenFunc {
			opts := vfile.Options{
				Deterministic:   !level,
				FileBytesMax:    int64(3000 + r.IntN(20000)),
				FlushEntries:    1 + r.IntN(8),
				CheckpointBytes: int64(64 + r.IntN(8000)),
				ZeroAheadMax:    int64(64 + r.IntN(2000)),
			}
			if r.IntN(3) == 0 {
				opts.ZeroAheadMax = -1
			}
			return func(fsys *memfs.FS, groups int) (crashtest.Store, error) {
				opts.FS = fsys
				return vfile.Open("d/log", groups, opts)
			}
		},
	}
}

var (
	seeds = flag.Uint64("seeds", 1500, "histories of TestCrash, a tenth of it of TestCrashLevel")
	seed0 = flag.Uint64("seed", 0, "first seed")
)

func TestCrash(t *testing.T) { crashtest.Run(t, subject(false), *seed0, *seeds, 8, 25) }

// TestCrashLevel is the same over LevelDB, whose goroutines make it slower
// and not repeatable.
func TestCrashLevel(t *testing.T) { crashtest.Run(t, subject(true), *seed0, *seeds/10, 6, 20) }

// TestWriteback lets writebacks fail of which the background gets the error.
func TestWriteback(t *testing.T) {
	crashtest.RunWriteback(t, crashtest.Writeback{
		Names: []string{".f", ".f", ".crc"},
		Open: func(fsys storage.FS, r *rand.Rand) (crashtest.Store, error) {
			return vfile.Open("d", 1, vfile.Options{
				FS: fsys, FileBytesMax: 64 << 10, FlushEntries: 1 + r.IntN(8),
				CheckpointBytes: int64(500 + r.IntN(4000)), ZeroAheadMax: int64(1000 + r.IntN(4000)),
			})
		},
	}, *seed0, 100)
}
