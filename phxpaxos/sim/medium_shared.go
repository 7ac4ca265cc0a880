package sim

import (
	"math/rand/v2"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
)

// sharedMedium is package sharedlog, with small segments.
type sharedMedium struct {
	fileMedium
	groups int
	opts   sharedlog.Options
}

func newSharedMedium(groups int, r *rand.Rand) *sharedMedium {
	return &sharedMedium{fileMedium: fileMedium{memfs.New()}, groups: groups, opts: sharedlog.Options{
		Deterministic: true,
		SegmentBytes:  pick(r, int64(1<<10), 4<<10, 16<<10, 256<<10),
		ZeroAheadMax:  pick(r, int64(-1), 4<<10, 64<<10),
		FilesMax:      pick(r, 1, 4, 128),
	}}
}

func (m *sharedMedium) open() (storage.LogStorage, error) {
	m.fs.ClearFaults() // opening an empty log syncs nothing, so one meant for the last life would come later
	m.opts.FS = m.fs
	return sharedlog.Open(logDir, m.groups, m.opts)
}

// flip turns a bit in a segment that is finished, or in what the storage
// keeps beside the segments. In the last one, what was written behind the
// last sync but one cannot be told from what a crash has torn.
func (m *sharedMedium) flip(r *rand.Rand) (where string, ok bool) {
	var all, segments, others []string
	m.walk(logDir, &all)
	for _, name := range all {
		if path.Ext(name) == ".log" {
			segments = append(segments, name)
		} else {
			others = append(others, name)
		}
	}
	// The last one may not have begun, then the one in front is in use.
	segments = segments[:max(0, len(segments)-2)]
	if len(segments) > 0 && r.IntN(4) > 0 {
		return m.flipIn(segments, r)
	}
	return m.flipIn(append(segments, others...), r)
}
