package phxpaxos

import (
	"context"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// NoVersion is the version of a membership, or of a mastership, that no
// instance has set yet.
const NoVersion = ^uint64(0)

// membership is who votes, as published by a group.
type membership struct {
	members []nodeid.ID // not modified any more
	version uint64
}

// AddMember makes node a member of a group. It blocks until the change was
// chosen and executed here. Start the node before, with the present members
// as its Nodes, so that it can learn the log: from the next instance on its
// vote counts.
//
// Membership is changed by one node at a time (spec/storage-api.md section
// 5.5). The change is chosen like a value and takes effect from the next
// instance on; if another one was chosen meanwhile it fails with
// ErrVersionConflict. Options.UseMembership must be set on all nodes.
//
// Other errors: ErrNoCluster, ErrMemberExists, ErrNotMember if this node is
// none, ErrNotMaster with Options.Fence, ErrFollower, ErrForeignCluster, ErrClusterMismatch, ErrOptions if node
// is none, ErrGroup, ErrGroupFailed and ErrClosed. When ctx ends, or
// Options.ProposeTimeout has passed, the error matches ErrTimeout and the
// change may still take effect. It is safe for concurrent use.
func (n *Node) AddMember(ctx context.Context, groupIndex int, node nodeid.ID) error {
	if node == nodeid.None {
		return badOption("node to add", "not set", "it must name a node")
	}
	return n.changeMembers(ctx, groupIndex, node, nodeid.None)
}

// RemoveMember takes node out of the members of a group. It may be this node.
// A node that is removed learns of it or not; it cannot harm the others.
// The last member cannot be removed: nobody could ever add one again.
//
// It blocks and fails as AddMember does, with ErrMemberUnknown instead of
// ErrMemberExists.
func (n *Node) RemoveMember(ctx context.Context, groupIndex int, node nodeid.ID) error {
	if node == nodeid.None {
		return badOption("node to remove", "not set", "it must name a node")
	}
	if l, err := n.loop(groupIndex); err == nil {
		// Nobody but the last member can change this list.
		if m := l.members.Load(); m != nil && m.version != NoVersion && slices.Equal(m.members, []nodeid.ID{node}) {
			return badOption("node to remove", node, "which is the last member")
		}
	}
	return n.changeMembers(ctx, groupIndex, nodeid.None, node)
}

// ChangeMember replaces from by to in one step. If from is no member, to is
// added alone; if to is one already, from is removed alone.
//
// It blocks and fails as AddMember does, with ErrMemberSame, if to is a member
// and from is none, instead of ErrMemberExists.
func (n *Node) ChangeMember(ctx context.Context, groupIndex int, from, to nodeid.ID) error {
	if from == nodeid.None || to == nodeid.None {
		return badOption("node to replace, or to replace it by", "not set", "both must name a node")
	}
	return n.changeMembers(ctx, groupIndex, to, from)
}

func (n *Node) changeMembers(ctx context.Context, groupIndex int, add, remove nodeid.ID) error {
	l, err := n.loop(groupIndex)
	if err != nil {
		return err
	}
	_, err = n.ask(ctx, l, request{kind: changeMembers, add: add, remove: remove})
	return err
}

// Members returns the members of a group, in the order of the log, and the
// instance that set them; that is NoVersion while they are those of
// Options.Nodes. It does not block. Of a group that has stopped it returns
// what was last known; if nothing is, the error says why.
func (n *Node) Members(groupIndex int) (members []nodeid.ID, version uint64, err error) {
	l, err := n.loop(groupIndex)
	if err != nil {
		return nil, 0, err
	}
	m := l.members.Load()
	if m == nil {
		return nil, 0, l.failure()
	}
	return slices.Clone(m.members), m.version, nil
}

// membersChanged publishes the members and lets the user be told. The group
// calls it, by its event, within the instance that changes them, so none is
// left out or told twice.
func (l *loop) membersChanged() {
	if l.machine == nil {
		return // the log is being replayed; start tells how that ended
	}
	members, version := l.machine.Membership()
	if m := l.members.Load(); m != nil && m.version == version {
		return // the group has heard of a later one, and is not there yet
	}
	l.members.Store(&membership{members, version})
	l.notifier.members(l.index, members)
}
