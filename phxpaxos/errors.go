package phxpaxos

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
)

// codeError is a failure with the original's return code, as group.Error is.
type codeError struct {
	code int
	text string
}

func (e *codeError) Error() string { return fmt.Sprintf("%s (code %d)", e.text, e.code) }

// Code is the original's return code.
func (e *codeError) Code() int { return e.code }

// What a proposal can end with. All are matched with errors.Is; the errors
// that calls return wrap them and say more.
var (
	// ErrConflict: other values were chosen in all Options.ProposeAttempts
	// instances that were tried. The proposal was chosen in none of them and
	// will never be.
	ErrConflict error = group.ErrConflict
	// ErrExecuteFailed: the value was chosen, but its state machine cannot
	// execute it now; the group tries again until it can.
	ErrExecuteFailed error = group.ErrExecuteFailed
	// ErrFollower: this node only follows and never proposes.
	ErrFollower error = group.ErrFollower
	// ErrNotMember: this node is not in the group's membership.
	ErrNotMember error = group.ErrNotMember
	// ErrValueTooLarge: the value exceeds the limit (see Options); nothing
	// was proposed.
	ErrValueTooLarge error = group.ErrValueTooLarge
	// ErrTimeout: time ran out, or the caller gave up, before the outcome was
	// known. Unless the error says that nothing was proposed, the value may
	// still be chosen, once, at any later time.
	ErrTimeout error = group.ErrTimeout
	// ErrBusy: too many callers wait already; nothing was proposed.
	ErrBusy error = group.ErrBusy
	// ErrGroupFailed: the group stopped because going on would be unsafe; the
	// wrapping error says why. Other groups of the node go on.
	ErrGroupFailed error = group.ErrGroupFailed
	// ErrNoStateMachine: no state machine with that id is registered, or the
	// id is reserved; nothing was proposed.
	ErrNoStateMachine error = group.ErrNoStateMachine
	// ErrClosed: the node is closed or being closed. The outcome of a
	// proposal that was under way is unknown.
	ErrClosed error = group.ErrClosed
	// ErrForeignCluster: the other members of this node's list belong to
	// another cluster than its directory; nothing was proposed. Start the node
	// with its own cluster's list, or with an empty directory.
	ErrForeignCluster error = group.ErrForeignCluster
	// ErrReserved: a value for state machine 0 begins as values of the library
	// itself do; nothing was proposed.
	ErrReserved error = group.ErrReserved
)

// What changes of the membership can end with, besides.
var (
	// ErrNoCluster: the group has no membership in its log yet. It gets one
	// with the first proposal, if Options.UseMembership is set.
	ErrNoCluster error = group.ErrNoCluster
	// ErrMemberExists: the node to add is a member already.
	ErrMemberExists error = group.ErrMemberExists
	// ErrMemberUnknown: the node to remove is no member.
	ErrMemberUnknown error = group.ErrMemberUnknown
	// ErrMemberSame: the change would change nothing.
	ErrMemberSame error = group.ErrMemberSame
	// ErrClusterMismatch: a change made up in another cluster was chosen. It
	// was not applied.
	ErrClusterMismatch error = group.ErrClusterMismatch
	// ErrVersionConflict: another change was chosen first. This one was not
	// applied: look at the members again.
	ErrVersionConflict error = group.ErrVersionConflict
)

// What has to do with the master can end with, besides.
var (
	// ErrNotMaster: only the master can do that, and this node is not. The
	// proposal was chosen nowhere and will never be.
	ErrNotMaster error = group.ErrNotMaster
	// ErrMasterChanged: there was another election meanwhile. This one did
	// not take effect and will not.
	ErrMasterChanged error = group.ErrMasterChanged
)

// What the other calls can end with.
var (
	// ErrGroup: there is no group with that index.
	ErrGroup error = &codeError{-5, "no such group"}
	// ErrNotExist: the log has no record of that instance; it was trimmed.
	ErrNotExist error = &codeError{1005, "instance is not in the log"}
	// ErrNotChosenYet: the instance is not decided yet, as far as this node
	// knows.
	ErrNotChosenYet error = &codeError{1006, "instance is not chosen yet"}
	// ErrOptions: an option is out of its range; the wrapping error names
	// field, value and rule.
	ErrOptions error = &codeError{-2, "bad option"}
	// ErrStorage: the log storage cannot be opened, read or written; the
	// wrapping error matches the storage's own.
	ErrStorage error = &codeError{-1, "log storage"}
	// ErrLogLayout: the log has another layout than Options.LogLayout. The
	// error matches ErrStorage as well, and says what to do.
	ErrLogLayout error = &codeError{-1, "log layout"}
	// ErrForeignDirectory: the log was recorded for another node, another
	// cluster, more groups or another layout than this node's, or holds the
	// directory of a group from elsewhere. Nothing in it was changed. The error
	// matches ErrStorage as well, names both sides, and says what to do; see
	// Options.AdoptDirectory for a deliberate move.
	ErrForeignDirectory error = &codeError{-1, "directory of another node"}
	// ErrNetwork: the network cannot be started.
	ErrNetwork error = &codeError{-1, "network"}
)

// Code returns the original's return code (spec/protocol.md section 2.2) for
// an error of this package: 0 for nil, and -1, "system error", for every error
// that has no code of its own.
func Code(err error) int {
	if err == nil {
		return 0
	}
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return -1
}
