package paxos

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"

// tally counts the replies of one round. Only members count, each once per
// column, whatever is repeated or comes from elsewhere.
type tally struct {
	members Membership
	votes   []vote // by place in members
	yes, no int
	heard   int
}

type vote uint8

const (
	heard vote = 1 << iota
	votedYes
	votedNo
)

// start begins a new round among m.
func (t *tally) start(m Membership) {
	t.members = m
	t.yes, t.no, t.heard = 0, 0, 0
	if cap(t.votes) < len(m) {
		t.votes = make([]vote, len(m))
	}
	t.votes = t.votes[:len(m)]
	clear(t.votes)
}

// add counts a reply and reports whether its sender is a member.
func (t *tally) add(from nodeid.ID, rejected bool) bool {
	i := t.members.index(from)
	if i < 0 {
		return false
	}
	if t.votes[i]&heard == 0 {
		t.votes[i] |= heard
		t.heard++
	}
	switch {
	case rejected && t.votes[i]&votedNo == 0:
		t.votes[i] |= votedNo
		t.no++
	case !rejected && t.votes[i]&votedYes == 0:
		t.votes[i] |= votedYes
		t.yes++
	}
	return true
}

// passed: a majority said yes.
func (t *tally) passed() bool { return t.yes >= t.members.Quorum() }

// missing is how many must say yes yet.
func (t *tally) missing() int { return max(t.members.Quorum()-t.yes, 0) }

// lost: waiting for more replies cannot help.
func (t *tally) lost() bool {
	return !t.passed() && (t.no >= t.members.Quorum() || t.heard == len(t.members))
}
