package group

import "fmt"

// Error is a failure that a caller can act on. It carries the original's
// return code (spec/protocol.md section 2.2).
type Error struct {
	code int
	text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (code %d)", e.text, e.code) }

// Code is the original's return code.
func (e *Error) Code() int { return e.code }

// What a ticket can end with. Package phxpaxos gives them to users.
var (
	// ErrConflict: other values were chosen in all instances that were tried.
	// This proposal was chosen in none of them.
	ErrConflict = &Error{14, "another value was chosen"}
	// ErrExecuteFailed: the value was chosen, a state machine cannot execute
	// it now; the group tries again until it can.
	ErrExecuteFailed = &Error{15, "value was chosen, but its state machine failed"}
	// ErrFollower: this node only follows and never proposes.
	ErrFollower = &Error{16, "a follower cannot propose"}
	// ErrNotMember: this node is not in the group's membership.
	ErrNotMember = &Error{17, "this node is not a member of the group"}
	// ErrValueTooLarge: the value exceeds the limit; nothing was proposed.
	ErrValueTooLarge = &Error{18, "value is too large"}
	// ErrTimeout: time ran out before the outcome was known. If the proposal
	// had been handed out it may still be chosen, once, at any later time.
	ErrTimeout = &Error{404, "no decision in time"}
	// ErrBusy: too many callers wait already; nothing was proposed.
	ErrBusy = &Error{405, "too many proposals are waiting"}
	// ErrGroupFailed: the group stopped because going on would be unsafe;
	// the wrapping error says why. Other groups of the node go on.
	ErrGroupFailed = &Error{-1, "group has stopped"}
	// ErrNoStateMachine: no state machine with that id is registered;
	// nothing was proposed.
	ErrNoStateMachine = &Error{-1, "no such state machine"}
	// ErrNotMaster: only the group's master can do that, and this node is not.
	ErrNotMaster = &Error{-1, "this node is not the master"}
	// ErrMasterChanged: there was another election before this one's turn
	// came; it was chosen and did not take effect.
	ErrMasterChanged = &Error{-1, "the master has changed meanwhile"}
	// ErrForeignCluster: the other members of this node's list belong to
	// another cluster than its directory.
	ErrForeignCluster = &Error{-501, "the members belong to another cluster"}
	// ErrNoCluster: the group has no membership in its log yet.
	ErrNoCluster = &Error{1001, "there is no membership in the log yet"}
	// ErrMemberExists: the node to add is a member already.
	ErrMemberExists = &Error{1002, "the node is a member already"}
	// ErrMemberUnknown: the node to remove is no member.
	ErrMemberUnknown = &Error{1003, "the node is no member"}
	// ErrMemberSame: the change would change nothing.
	ErrMemberSame = &Error{1004, "the membership would stay the same"}
	// ErrClusterMismatch: a membership change of another cluster was chosen
	// and not applied.
	ErrClusterMismatch = &Error{-501, "change belongs to another cluster"}
	// ErrVersionConflict: the membership had changed since the change was
	// made up; it was chosen and not applied.
	ErrVersionConflict = &Error{-502, "membership has changed meanwhile"}
	// ErrFeaturesUnknown: this node does not know which features its cluster
	// agreed on; it may have missed that part of the log. Ask another node.
	ErrFeaturesUnknown = &Error{-1, "the feature level in force is not known here"}
	// ErrReserved: the value begins as a value of the library itself does;
	// nothing was proposed.
	ErrReserved = &Error{-1, "the value is reserved for the library"}
	// ErrClosed: the node is being closed. The outcome of a proposal that was
	// under way is unknown.
	ErrClosed = &Error{-1, "node is closed"}
)
