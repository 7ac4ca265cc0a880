package sm

import "errors"

// ErrInterrupted is matched by the errors with which Execute and ExecuteBatch
// of a Rewinder say: whether the entries were executed is not known, and what
// was executed behind the checkpoint may be lost.
var ErrInterrupted = errors.New("state machine was interrupted")

// Rewinder is implemented by a state machine that can fall back to its
// checkpoint while its node runs, such as one in a process of its own that
// died and was started again. The group then waits, reads its log, and gives
// the state machine again what it has lost. Nothing is lost and nothing is
// executed twice on top of the same state. Callers of Propose wait meanwhile;
// the results of entries that are given again are dropped.
//
// From the moment of the loss until the group has been told of it, Execute
// and ExecuteBatch execute nothing and return an error that matches
// ErrInterrupted, and who reads the state beside the log has to be refused, or
// to wait. From then on until everything that was executed before the loss is
// executed again, ReadIndex waits and LeaseRead fails.
//
// Rewound reports whether the state of group has fallen back since it was
// last asked, and to where: to is the highest instance that the state includes
// completely, or NoCheckpoint if it is empty. The group then gives it the
// instances behind, with Entry.Replay set, before anything else. Rewound is
// asked often, by the goroutine that executes, and must be quick. After an
// ErrInterrupted it has to return true sooner or later. If the log no longer
// holds what is behind to, the group stops.
//
// OnRewind is called once for each group, before its first entry, with a
// function to call when Rewound would return true; without it a group that
// has nothing to execute may notice some seconds later. wake does not block;
// any goroutine may call it, at any time, also after the node was closed.
type Rewinder interface {
	StateMachine
	Rewound(group int) (to uint64, rewound bool)
	OnRewind(group int, wake func())
}
