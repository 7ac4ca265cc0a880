package phxpaxos

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

func (n *Node) openStorage(opts *Options) error {
	if opts.LogStorage != nil {
		n.store, n.closeStore = opts.LogStorage, func() error { return nil }
		return nil
	}
	store, err := n.openLog(opts)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	n.store = store
	n.closeStore = func() error {
		if err := store.Close(); err != nil {
			return fmt.Errorf("%w: closing: %w", ErrStorage, err)
		}
		return nil
	}
	return nil
}

// openLog opens the log in LogStoragePath, in the layout that it has. A new
// one gets the layout of the options.
func (n *Node) openLog(opts *Options) (storage.LogStorage, error) {
	dir := opts.LogStoragePath
	found, err := layout.Of(osfs.FS{}, dir)
	if err != nil {
		return nil, err
	}
	want := map[LogLayout]layout.Layout{LayoutOriginal: layout.Original, LayoutShared: layout.Shared}[opts.LogLayout]
	switch {
	case want == layout.None && found == layout.None:
		want = layout.Shared
	case want == layout.None:
		want = found
	case found != layout.None && found != want:
		return nil, fmt.Errorf("%w: %s holds a log of the %v layout, and Options.LogLayout is %v: convert it with phxpaxos_convert, or leave LogLayout at LayoutAuto",
			ErrLogLayout, dir, found, opts.LogLayout)
	}
	if want == layout.Original {
		return vfile.Open(dir, opts.GroupCount, vfile.Options{LargeFiles: opts.LargeValueMode, Observer: n.observer})
	}
	return sharedlog.Open(dir, opts.GroupCount, sharedlog.Options{Observer: n.observer})
}
