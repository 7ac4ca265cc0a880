package phxpaxos

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/group"

// Progress says what a group is doing to become level with the others, and
// how far it is. What is replayed while Run has not returned yet, Observer
// and Logger hear of (event.Replay).
type Progress = group.Progress

// Phase is the kind of a Progress.
type Phase = group.Phase

// The phases of a Progress.
const (
	Level      = group.Level      // nothing; it takes part and votes, as far as it knows
	CatchingUp = group.CatchingUp // it learns from the logs of others
	Receiving  = group.Receiving  // a checkpoint comes in
	Loading    = group.Loading    // the checkpoint is made durable and loaded
	Joining    = group.Joining    // it began without a log, has caught up, and does not vote yet
)

// Progress returns how far a group is, as of its last activity. The directory of
// a node may be wiped only while all other members are at Level. An error
// matches ErrGroup, or says why the group has stopped. It does not block.
func (n *Node) Progress(groupIndex int) (Progress, error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return Progress{}, err
	}
	if err := l.failure(); err != nil {
		return Progress{}, err
	}
	if p := l.course.Load(); p != nil {
		return *p, nil
	}
	return Progress{}, nil
}

// publishCourse tells other goroutines of the progress; it costs nothing while
// the group is level.
func (l *loop) publishCourse() {
	p := l.machine.Progress()
	if p.Phase == Level {
		if l.course.Load() != nil {
			l.course.Store(nil)
		}
		return
	}
	if last := l.course.Load(); last == nil || *last != p {
		kept := p // p itself, in memory of its own, would cost each turn
		l.course.Store(&kept)
	}
}
