package feature

import (
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Tracker follows the state through the log of one node.
//
// The state is a function of the log, so nodes that execute the same log know
// the same state. A node that jumps over a part of the log gets the state with
// the checkpoint. Two things remain. A teacher of an older version gives none:
// then this node does not know whether there was a change (UnknownVersion). And
// a node may execute a change with an older version, as nothing: then it goes
// on with an older state, takes no later change, since each follows another
// one, and learns the state from the others.
//
// One case is left to the operator: a node that executes the first change of
// its cluster with an older version, while the level is not lowered, and then,
// with this version and before it hears of that change, proposes or executes
// another first one. It states an identity of its own then, is refused by the
// others, and has to be wiped.
type Tracker struct {
	state State
	// certain is the instance from which on another node must have been to know
	// of every change that this one may have missed; of no use while the
	// version is not UnknownVersion.
	certain uint64
}

// NewTracker returns the tracker of a node that stored a state, or Initial.
func NewTracker(stored State) Tracker { return Tracker{state: stored} }

// State returns the state as far as this node knows it.
func (t *Tracker) State() State { return t.state }

// Jump says that this node goes on at instance with the state that came with a
// checkpoint, if one did.
func (t *Tracker) Jump(instance uint64, came *State) {
	switch {
	case came != nil && (came.Cluster == t.state.Cluster || t.state.Cluster.IsZero()):
		if !t.state.known() || came.newer(t.state) {
			t.state = *came
		}
	case !t.state.known():
		t.state.Version = UnknownVersion
	}
	if t.state.Version == UnknownVersion {
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
// this node knows another state now.
func (t *Tracker) Learn(c *Claims, others []nodeid.ID, enough int, now time.Duration) bool {
	if s, ok := c.Agreed(t.state, others, enough, now); ok {
		t.state = s
		return true
	}
	if t.state.Version == UnknownVersion && c.NoChange(t.state, others, t.certain, now) {
		t.state.Version = NoVersion
		return true
	}
	return false
}
