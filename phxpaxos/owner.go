package phxpaxos

import (
	"errors"
	"fmt"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
)

// layoutOwn is the layout of a log storage that the program brings.
const layoutOwn = "own"

// owner is what the log records of its node, while the node runs. It is safe
// for concurrent use.
type owner struct {
	save func(identity.Identity) error // nil: the record ends with the process

	writing sync.Mutex     // one change at a time; held while the disk works
	tried   nodeid.Cluster // the cluster that a failed change may have written

	mu sync.Mutex
	id identity.Identity
}

// get is what the log records now. It does not wait for the disk.
func (o *owner) get() identity.Identity {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.id
}

// setCluster records the cluster that the log belongs to, once and for all.
// The same cluster again is no change. Another one is an error that matches
// ErrForeignDirectory, also after a failed call, since that may have reached
// the disk. Other errors match ErrStorage or, for an id of zeros, ErrOptions.
// When it returns nil the record is durable. It blocks on the disk and is safe
// for concurrent use.
func (n *Node) setCluster(cluster nodeid.Cluster) error { return n.owner.setCluster(cluster) }

func (o *owner) setCluster(cluster nodeid.Cluster) error {
	var none nodeid.Cluster
	if cluster == none {
		return badOption("cluster id", "all zeros", "which means that there is none")
	}
	o.writing.Lock()
	defer o.writing.Unlock()
	id := o.get()
	recorded := id.Cluster
	if recorded == none {
		recorded = o.tried
	}
	if recorded != none && recorded != cluster {
		return fmt.Errorf("%w: %w: the log is recorded for cluster %s, and the node is in cluster %s; it records only one",
			ErrStorage, ErrForeignDirectory, recorded.String(), cluster.String())
	}
	if id.Cluster == cluster {
		return nil
	}
	id.Cluster, o.tried = cluster, cluster
	if o.save != nil {
		if err := o.save(id); err != nil {
			return fmt.Errorf("%w: recording the cluster: %w", ErrStorage, err)
		}
	}
	o.mu.Lock()
	o.id = id
	o.mu.Unlock()
	return nil
}

// claim records that a log storage of the program is this node's.
func (o logOpener) claim(opts *Options) (*owner, error) {
	if rooted, ok := opts.LogStorage.(identity.Rooted); ok {
		return o.claimRooted(rooted, opts)
	}
	keeper, ok := opts.LogStorage.(storage.IdentityKeeper)
	if !ok {
		if o.logger != nil {
			o.logger.Warn("Options.LogStorage is no storage.IdentityKeeper: the node cannot notice that it was given the log of another node")
		}
		id, err := identity.Check(nil, true, opts.identity(layoutOwn), false)
		return &owner{id: id}, err
	}
	e, err := examineKeeper(keeper, opts)
	if err != nil {
		return nil, err
	}
	own := &owner{id: e.Next, save: func(id identity.Identity) error { return keeper.SetIdentity(id.Encode()) }}
	if err := own.save(e.Next); err != nil {
		return nil, fmt.Errorf("recording the identity: %w", err)
	}
	o.report("", &e, hasRecord(opts.LogStorage))
	return own, nil
}

func examineKeeper(keeper storage.IdentityKeeper, opts *Options) (e identity.Examined, err error) {
	b, err := keeper.Identity()
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return e, fmt.Errorf("reading the identity: %w", err)
	default:
		found, err := identity.Decode(b)
		if err != nil {
			return e, fmt.Errorf("what Options.LogStorage returned as its identity: %w", err)
		}
		e.Found = &found
	}
	// An open storage does not say whether its log was lost.
	e.Next, err = identity.Check(e.Found, true, opts.identity(layoutOwn), opts.AdoptDirectory)
	return e, err
}

// claimRooted is claim for a storage of this library that the program opened.
func (o logOpener) claimRooted(rooted identity.Rooted, opts *Options) (*owner, error) {
	fsys, dir := rooted.Root()
	is, err := layout.Of(fsys, dir)
	if err != nil {
		return nil, err
	}
	e, err := identity.Examine(fsys, dir, true, opts.identity(is.String()), opts.AdoptDirectory)
	if err != nil {
		return nil, err
	}
	if err := e.Complete(fsys, dir, opts.AdoptDirectory); err != nil {
		return nil, err
	}
	if len(e.Lost) > 0 {
		opts.FirstStart = false // as in openLocked
	}
	o.report(dir, &e, hasRecord(opts.LogStorage))
	return &owner{id: e.Next, save: func(id identity.Identity) error { return identity.Save(fsys, dir, id) }}, nil
}

// hasRecord reports whether any group of a log has a record.
func hasRecord(store storage.LogStorage) bool {
	for g := range store.Groups() {
		if _, err := store.Max(g); err == nil {
			return true
		}
	}
	return false
}
