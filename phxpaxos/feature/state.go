package feature

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Level stands for a set of features.
type Level uint32

// The levels, with what each adds.
const (
	// Base is what original nodes and the first releases understand.
	Base Level = 0
	// Identity: packets state the cluster's identity (wire, Header field 101),
	// and messages and records carry the chain over every byte of the history.
	Identity Level = 1

	// Newest is the highest level that this version supports.
	Newest = Identity
	// NoLimit is the limit of a cluster in which no operator has set one.
	NoLimit Level = 1<<32 - 1
)

// Versions that are no instance.
const (
	// NoVersion: no change has been executed up to here.
	NoVersion = ^uint64(0)
	// UnknownVersion: a change may lie in a part of the log that this node did
	// not execute.
	UnknownVersion = NoVersion - 1
)

// The file in the log's directory that holds the State, in the frame of package
// smallfile: its name, its kind, and the number of the payload's format.
const (
	FileName = "phxpaxos_features"
	FileKind = "features"
	Format   = 1
)

// ErrNewerLevel: the cluster works at a level that this version does not
// support. The node must run a newer version, or the level must be lowered
// before the node starts.
var ErrNewerLevel = errors.New("the cluster uses features that this version does not know")

// State is what the members have agreed on.
type State struct {
	Level   Level          // in force
	Limit   Level          // the level is never raised above it
	Cluster nodeid.Cluster // zero until the first change
	Version uint64         // the instance that set this state, or NoVersion, or UnknownVersion
}

// known reports whether a change has set s.
func (s State) known() bool { return s.Version < UnknownVersion }

// Initial is the state of a cluster that has not agreed on anything.
func Initial() State { return State{Limit: NoLimit, Version: NoVersion} }

// Supported returns an error that matches ErrNewerLevel if this version cannot
// take part at the level of s.
func (s State) Supported() error {
	if s.Level > Newest {
		return fmt.Errorf("%w: its level is %d, this version supports %d; install the newer version again, or have a node of the newer version lower the level to %d first",
			ErrNewerLevel, s.Level, Newest, Newest)
	}
	return nil
}

// Change is a value of the log that replaces the state.
type Change struct {
	Level   Level
	Limit   Level
	Cluster nodeid.Cluster // that of the cluster, or a new one if it has none
	Follows uint64         // the version of the state that it replaces
}

// Apply returns the state after c, chosen at instance, is executed. ok is
// false if c has no effect: it follows another change than s, or states
// another cluster, or none.
//
// A node that knows of no change takes one that follows another one, since it
// has missed that. One that follows none may be the second of two that two nodes
// proposed at once, which has no effect elsewhere: a node that is not certain
// that there was no change does not take it.
func (s State) Apply(c Change, instance uint64) (after State, ok bool) {
	follows := c.Follows == s.Version
	if !s.known() {
		follows = c.Follows < UnknownVersion || s.Version == NoVersion && c.Follows == NoVersion
	}
	switch {
	case s.known() && s.Version == instance:
		return s, s.Level == c.Level && s.Limit == c.Limit && s.Cluster == c.Cluster // executed again after a restart
	case !follows || c.Cluster.IsZero():
		return s, false
	case !s.Cluster.IsZero() && c.Cluster != s.Cluster:
		return s, false
	}
	return State{Level: c.Level, Limit: c.Limit, Cluster: c.Cluster, Version: instance}, true
}

// Raise returns the change that raises the level, if every other member has
// announced support for a higher one. announced holds one level for each other
// member; a member that announced nothing counts as Base. fresh is used as the
// identity of a cluster that has none.
func (s State) Raise(announced []Level, fresh nodeid.Cluster) (c Change, ok bool) {
	level := min(Newest, s.Limit)
	for _, l := range announced {
		level = min(level, l)
	}
	if level <= s.Level || s.Version == UnknownVersion {
		return Change{}, false
	}
	return s.change(level, s.Limit, fresh), true
}

// Restrict returns the change of an operator who wants no level above limit:
// the level in force falls to it if it is higher. The level rises again, up to
// the limit, when the members announce it. ok is false while this node does
// not know the state in force.
func (s State) Restrict(limit Level, fresh nodeid.Cluster) (c Change, ok bool) {
	return s.change(min(s.Level, limit), limit, fresh), s.Version != UnknownVersion
}

// Repeat returns a change to the very state in force, for members that do not
// know it (see Apply). ok is false if this node does not know it either.
func (s State) Repeat() (c Change, ok bool) {
	return s.change(s.Level, s.Limit, s.Cluster), s.known()
}

func (s State) change(level, limit Level, fresh nodeid.Cluster) Change {
	c := Change{Level: level, Limit: limit, Cluster: s.Cluster, Follows: s.Version}
	if c.Cluster.IsZero() {
		c.Cluster = fresh
	}
	return c
}
