package feature

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Tracker follows the state through the log of one node.
type Tracker struct {
	state State
	// certain is the instance from which on another node must have been to know
	// of every change that this one may have missed; of no use while the
	// version is not UnknownVersion.
	certain uint64
}

// NewTracker returns the tracker of a node that starts at instance with the
// state that it stored, Initial if none. A node that starts with a log and
// without a state may have executed a change with an older version.
func NewTracker(stored State, logged bool, instance uint64) Tracker {
	t := Tracker{state: stored}
	if logged {
		t.Jump(instance)
	}
	return t
}

// State returns the state as far as this node knows it.
func (t *Tracker) State() State { return t.state }

// Jump says that this node goes on at instance without having executed all
// below.
func (t *Tracker) Jump(instance uint64) {
	if t.state = t.state.Unsure(); t.state.Version == UnknownVersion {
		t.certain = max(t.certain, instance)
	}
}

// Execute executes a change that was chosen at instance and reports whether it
// had an effect, see State.Apply.
func (t *Tracker) Execute(c Change, instance uint64) bool {
	after, ok := t.state.Apply(c, instance)
	if !ok && t.state.Version == UnknownVersion {
		t.certain = max(t.certain, instance+1) // it may be the one that counts
	}
	t.state = after
	return ok
}

// Learn takes what others, all other members, announce: the state that so many
// of them know, or the certainty that there was no change. It reports whether
// the state is another one now.
func (t *Tracker) Learn(c *Claims, others []nodeid.ID, enough int, now time.Duration) bool {
	if s, ok := c.Agreed(t.state, others, enough, now); ok {
		t.state = s
		return true
	}
	if t.state.Version == UnknownVersion && c.NoChange(others, t.certain, now) {
		t.state = Initial()
		return true
	}
	return false
}

// Join takes the identity of the cluster that this node belongs to, if it
// knows none: nodes of its list state it.
func (t *Tracker) Join(c nodeid.Cluster) {
	if t.state.Cluster.IsZero() {
		t.state.Cluster = c
	}
}
