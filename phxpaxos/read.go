package phxpaxos

import (
	"context"
	"fmt"
)

// Three ways to read, named for what they promise. Each returns executed: all
// instances of the group below it are executed by the state machines of this
// node when the call returns, so the caller reads its own state machine then.

// ReadIndex blocks until this node has executed everything that was
// acknowledged anywhere before the call: what the caller reads behind it is
// linearizable. Any node can be asked, also one that only follows. It costs a
// round of small messages among the members and no write; all callers that
// wait share it.
//
// Why that is enough: a value is acknowledged only when a majority has voted
// for it, durably. This node asks all members below which instance there may
// be votes, and takes the highest of a majority's answers. Any two majorities
// have a member in common, so one of those who answered had voted for the
// value, or was beyond it. When the instance is decided here, and executed,
// so is the value. If nobody decides it, this node does; in a fenced group only
// the master may, or the next one when its lease has ended. Callers that come
// while a round is under way wait for the next, since its answers may be
// older than their calls. Where too few nodes can answer, which original
// nodes cannot, an empty value is proposed instead; when it is executed here,
// everything that was acknowledged before is, too.
//
// Without a majority it blocks. The error matches ErrTimeout when ctx ends or
// Options.ProposeTimeout has passed, or ErrGroup, ErrGroupFailed or ErrClosed.
// It is safe for concurrent use.
func (n *Node) ReadIndex(ctx context.Context, groupIndex int) (executed uint64, err error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return 0, err
	}
	return n.ask(ctx, l, request{kind: readIndex})
}

// LeaseRead reports at once, without a message, how far this node has
// executed, if it is the master of a fenced group (Options.Fence): what the
// caller reads behind it is linearizable.
//
// Why: whatever was decided before this node's own election is executed here,
// since the election itself is. Behind it only the master proposes, and what
// it proposed is decided by its own rounds: nobody else can finish one, as
// that takes the promise of another member, and while the lease runs members
// promise nothing to others than the master. So every value is executed here
// before anybody else can know that it was chosen. A next master does not
// exist yet either: members count the lease longer than this node does. That
// it has not ended is checked by this node's clock within the call (see
// IsMaster for what is assumed of clocks).
//
// The error matches ErrNotMaster if this node is not the master or the group
// is not fenced, ErrExecuteFailed while a state machine that fell back is given
// again what it lost (sm.Rewinder), or ErrGroup, ErrGroupFailed or ErrClosed.
// It neither blocks nor takes a lock.
func (n *Node) LeaseRead(groupIndex int) (executed uint64, err error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return 0, err
	}
	// The instance is read behind the mastership: what was published with it,
	// or before it, is seen.
	if l.fenced && l.isMaster() {
		if !l.level.Load() {
			return 0, errNotLevel
		}
		return l.instance.Load(), nil
	}
	if err := l.failure(); err != nil {
		return 0, err
	}
	if !l.fenced {
		return 0, fmt.Errorf("%w of a fenced group; see Options.Fence", ErrNotMaster)
	}
	return 0, ErrNotMaster
}

var errNotLevel = fmt.Errorf("%w: a state machine has fallen back and is given again what it lost", ErrExecuteFailed)

// LocalRead reports at once how far this node has executed. What the caller
// reads behind it was true at some time, which may be long ago. The error
// matches ErrGroup, ErrGroupFailed or ErrClosed. It neither blocks nor takes a
// lock.
func (n *Node) LocalRead(groupIndex int) (executed uint64, err error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return 0, err
	}
	return l.instance.Load(), l.failure()
}
