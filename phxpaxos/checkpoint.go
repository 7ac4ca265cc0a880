package phxpaxos

import "fmt"

// SetHoldInstances changes Options.HoldInstances of a group. What is removed
// stays removed.
func (n *Node) SetHoldInstances(groupIndex, instances int) error {
	if instances < holdMin {
		return badOption("HoldInstances", instances, fmt.Sprintf("must be %d or more", holdMin))
	}
	return n.tell(groupIndex, func(m machine) { m.SetHold(uint64(instances)) })
}

// PauseCleaning stops a group's log from being cleaned, and ContinueCleaning
// lets that go on. A step under way is finished. Neither blocks.
func (n *Node) PauseCleaning(groupIndex int) error {
	return n.tell(groupIndex, func(m machine) { m.PauseCleaning(true) })
}

// ContinueCleaning ends PauseCleaning.
func (n *Node) ContinueCleaning(groupIndex int) error {
	return n.tell(groupIndex, func(m machine) { m.PauseCleaning(false) })
}

// PauseCheckpointReplayer stops a group's checkpoint replayer, and
// ContinueCheckpointReplayer lets it go on (Options.UseCheckpointReplayer).
// What it is giving to the state machines when it is paused, up to 64
// instances, is given. Neither blocks.
func (n *Node) PauseCheckpointReplayer(groupIndex int) error {
	return n.tell(groupIndex, func(m machine) { m.PauseReplayer(true) })
}

// ContinueCheckpointReplayer ends PauseCheckpointReplayer; at first it starts
// the replayer.
func (n *Node) ContinueCheckpointReplayer(groupIndex int) error {
	return n.tell(groupIndex, func(m machine) { m.PauseReplayer(false) })
}

// tell lets a group's goroutine call its machine.
func (n *Node) tell(groupIndex int, call func(machine)) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	return l.post(func(m machine) {
		if m != nil {
			call(m)
		}
	})
}
