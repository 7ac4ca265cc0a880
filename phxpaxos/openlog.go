package phxpaxos

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path"
	"path/filepath"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// fixPaths makes the paths of the options independent of the working
// directory, which a program may change after Run.
func (o *Options) fixPaths() error {
	if o.LogStoragePath == "" {
		return nil
	}
	whole, err := filepath.Abs(o.LogStoragePath)
	if err != nil {
		return fmt.Errorf("%w: LogStoragePath is %q, and the working directory is unknown: %w; name an absolute path", ErrOptions, o.LogStoragePath, err)
	}
	o.LogStoragePath = whole
	return nil
}

// openStorage opens the log and records that it is this node's. When it
// returns nil, the incarnation is durable.
func (n *Node) openStorage(opts *Options) error {
	opener := logOpener{fsys: osfs.FS{}, observer: n.observer, logger: opts.Logger}
	if opts.LogStorage != nil {
		owner, err := opener.claim(opts)
		n.store, n.owner, n.closeStore = opts.LogStorage, owner, func() error { return nil }
		return storageError(err)
	}
	opened, err := opener.open(opts)
	if err != nil {
		return storageError(err)
	}
	n.store, n.owner = opened.store, opened.owner
	n.original = n.owner.get().Layout == layout.Original.String()
	n.closeStore = func() error {
		if err := opened.close(); err != nil {
			return fmt.Errorf("%w: closing: %w", ErrStorage, err)
		}
		return nil
	}
	return nil
}

// storageError marks an error of opening the log.
func storageError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, identity.ErrForeign):
		return fmt.Errorf("%w: %w: %w", ErrStorage, ErrForeignDirectory, err)
	}
	return fmt.Errorf("%w: %w", ErrStorage, err)
}

// logOpener opens logs on a file system, which tests replace.
type logOpener struct {
	fsys     storage.FS
	observer event.Observer
	logger   *slog.Logger // or nil
}

// openedLog is an open log in a directory that is locked.
type openedLog struct {
	store storage.LogStorage
	owner *owner
	lock  io.Closer
}

// close gives the directory back last.
func (o *openedLog) close() error { return errors.Join(o.store.Close(), o.lock.Close()) }

// open opens the log in LogStoragePath. Nothing in the directory is changed
// before it is certain that the log is this node's, except that the lock file
// may be made. See package identity for the order of the steps.
func (o logOpener) open(opts *Options) (*openedLog, error) {
	dir := filepath.ToSlash(opts.LogStoragePath)
	if err := o.fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("make directory %s: %w", dir, err)
	}
	lock, err := o.fsys.Lock(path.Join(dir, identity.LockName))
	if errors.Is(err, storage.ErrInUse) {
		err = fmt.Errorf("%s is locked: stop the node or tool that uses it, or choose another directory: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	store, owner, err := o.openLocked(dir, opts)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &openedLog{store, owner, lock}, nil
}

func (o logOpener) openLocked(dir string, opts *Options) (storage.LogStorage, *owner, error) {
	found, want, err := o.layout(dir, opts)
	if err != nil {
		return nil, nil, err
	}
	hasLog := found != layout.None
	examined, err := identity.Examine(o.fsys, dir, hasLog, opts.identity(want.String()), opts.AdoptDirectory)
	if err != nil {
		return nil, nil, err
	}
	store, err := o.openAs(want, dir, opts)
	if err != nil {
		return nil, nil, err
	}
	if err := examined.Complete(o.fsys, dir, opts.AdoptDirectory); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	if examined.Found != nil && !hasLog || len(examined.Lost) > 0 {
		opts.FirstStart = false // the node has run before, and what it promised is gone
	}
	o.report(dir, &examined, hasLog)
	return store, &owner{id: examined.Next, save: func(id identity.Identity) error { return identity.Save(o.fsys, dir, id) }}, nil
}

// layout is the layout of the log that is there, and the one to open it in. A
// new one gets the layout of the options.
func (o logOpener) layout(dir string, opts *Options) (found, want layout.Layout, err error) {
	if found, err = layout.Of(o.fsys, dir); err != nil {
		return found, want, err
	}
	want = map[LogLayout]layout.Layout{LayoutOriginal: layout.Original, LayoutShared: layout.Shared}[opts.LogLayout]
	switch {
	case want == layout.None && found == layout.None:
		want = layout.Shared
	case want == layout.None:
		want = found
	case found != layout.None && found != want:
		return found, want, fmt.Errorf("%w: %s holds a log of the %v layout, and Options.LogLayout is %v: convert it with phxpaxos_convert, or leave LogLayout at LayoutAuto",
			ErrLogLayout, dir, found, opts.LogLayout)
	}
	return found, want, nil
}

func (o logOpener) openAs(l layout.Layout, dir string, opts *Options) (storage.LogStorage, error) {
	if l == layout.Original {
		return opened(vfile.Open(dir, opts.GroupCount, vfile.Options{FS: o.fsys, LargeFiles: opts.LargeValueMode, Observer: o.observer}))
	}
	return opened(sharedlog.Open(dir, opts.GroupCount, sharedlog.Options{FS: o.fsys, Observer: o.observer}))
}

// opened keeps a nil pointer from becoming a storage that is not nil.
func opened[T storage.LogStorage](store T, err error) (storage.LogStorage, error) {
	if err != nil {
		return nil, err
	}
	return store, nil
}

// identity is what the node's log should say, with an id for a directory that
// has none yet.
func (o *Options) identity(layout string) identity.Identity {
	return identity.Identity{Node: o.MyNode, Groups: o.GroupCount, Layout: layout, Directory: rand.Uint64()}
}

// report writes a line for each thing about the directory that an operator
// should know.
func (o logOpener) report(dir string, e *identity.Examined, hasLog bool) {
	if o.logger == nil {
		return
	}
	log := o.logger.With("directory", dir, "recorded", e.Next.String())
	switch {
	case e.Found == nil && hasLog:
		log.Warn("the log did not say which node it belongs to; it is recorded as this node's from now on")
	case e.Found == nil:
	case !hasLog:
		log.Warn("the log is gone and its identity is still there: the node starts without a log, and FirstStart does not apply", "before", e.Found.String())
	case len(e.Lost) > 0:
		log.Warn("logs are gone that the identity records, or have no stamp: the node takes them for lost, and FirstStart does not apply", "count", len(e.Lost), "first", e.Lost[0], "before", e.Found.String())
	case e.Found.Node != e.Next.Node || e.Found.Layout != e.Next.Layout:
		log.Warn("the log was recorded as another one's and is adopted, as Options.AdoptDirectory allows", "before", e.Found.String())
	case e.Found.Groups != e.Next.Groups:
		log.Info("the log gets more groups", "before", e.Found.Groups)
	case len(e.Stamps) > 0:
		log.Warn("logs of groups did not say which directory they belong to, or were adopted; they are stamped from now on", "count", len(e.Stamps), "first", e.Stamps[0])
	}
}
