package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// FeatureState is what the members of a cluster have agreed on: the level of
// the features that they use with each other, its limit, and the identity of
// the cluster. See package feature.
type FeatureState = feature.State

// FeatureLevel stands for a set of features; a higher level has all features of
// the lower ones.
type FeatureLevel = feature.Level

// The levels that matter to an operator.
const (
	// FeatureBase is what original nodes and the first releases understand.
	FeatureBase = feature.Base
	// FeatureNewest is the highest level of this version.
	FeatureNewest = feature.Newest
	// FeatureNoLimit lifts a limit that was set.
	FeatureNoLimit = feature.NoLimit
)

// ErrFeaturesUnknown: this node does not know which features its cluster
// agreed on, since it may have missed that part of the log. Ask another node,
// or this one later.
var ErrFeaturesUnknown error = group.ErrFeaturesUnknown

// Features returns what the members have agreed on, as far as this node knows.
// It does not block and is safe for concurrent use.
func (n *Node) Features() FeatureState { return *n.loops[0].features.Load() }

// LimitFeatures has the cluster use no feature above a level, and blocks until
// that was chosen and executed here. The level in force falls to the limit, and
// rises again up to it when all members support more. FeatureNoLimit lifts a
// limit.
//
// It is the first step before a member goes back to an older version or to an
// original node: such a node does not know the features in force, and the
// others would not believe it. For example, before the programs of a cluster
// are replaced by those of the first release, one after the other:
//
//	err := node.LimitFeatures(ctx, phxpaxos.FeatureBase)
//
// Errors: ErrFeaturesUnknown, ErrVersionConflict if another change came first,
// ErrNotMember, ErrNotMaster with Options.Fence, ErrFollower, ErrGroupFailed and
// ErrClosed. When ctx ends, or Options.ProposeTimeout has passed, the error
// matches ErrTimeout and the limit may still take effect. It is safe for
// concurrent use.
func (n *Node) LimitFeatures(ctx context.Context, limit FeatureLevel) error {
	_, err := n.ask(ctx, n.loops[0], request{kind: limitFeatures, limit: limit})
	return err
}

// featuresPath is the path and the file system of the file that holds the state
// of the features, see group.Features. It stands in the directory of the log;
// with a storage of the program, in the directory of its first group. The path
// is "" if the storage has no directory.
func (e env) featuresPath() (fsys storage.FS, name string) {
	if rooted, ok := e.store.(identity.Rooted); ok {
		fsys, dir := rooted.Root()
		return fsys, path.Join(dir, feature.FileName)
	}
	if dir := e.store.Dir(0); dir != "" {
		return osfs.FS{}, path.Join(dir, feature.FileName)
	}
	return nil, ""
}

// loadFeatures reads what the node stored, or the zero state.
func (e env) loadFeatures() (s feature.State, err error) {
	fsys, name := e.featuresPath()
	if name == "" {
		return s, nil
	}
	_, data, err := smallfile.Read(fsys, name, feature.FileKind, feature.Format)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		s, err = feature.DecodeState(data)
	}
	if err != nil {
		return s, fmt.Errorf("%w: %s: %w", ErrStorage, name, err)
	}
	return s, nil
}

// storeFeatures makes the state durable, and its cluster known to the log. A
// storage without a directory forgets the state at the end of the process; the
// other members state it again.
func (e env) storeFeatures(data []byte) error {
	s, err := feature.DecodeState(data)
	if err == nil && !s.Cluster.IsZero() {
		err = e.setCluster(s.Cluster)
	}
	fsys, name := e.featuresPath()
	if err != nil || name == "" {
		return err
	}
	if err = fsys.MkdirAll(path.Dir(name)); err == nil {
		err = smallfile.Write(fsys, name, feature.FileKind, feature.Format, data)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// loadFeatures gives all groups what the node stored.
func (n *Node) loadFeatures() error {
	s, err := env{n.loops[0]}.loadFeatures()
	if err != nil {
		return err
	}
	if s == (feature.State{}) {
		s = feature.Initial()
	}
	recorded := n.owner.get().Cluster
	switch {
	case s.Cluster.IsZero():
		s.Cluster = recorded
	case !recorded.IsZero() && recorded != s.Cluster:
		return fmt.Errorf("%w: %w: the log is recorded for cluster %v, and the state of its first group is of cluster %v; the group's directory is not this node's",
			ErrStorage, ErrForeignDirectory, recorded, s.Cluster)
	}
	for _, l := range n.loops {
		l.features.Store(&s)
	}
	return nil
}
