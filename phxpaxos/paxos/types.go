package paxos

import (
	"fmt"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Ballot is a proposer's right to speak, (proposal id, node id) of
// spec/protocol.md section 7. Ballots are totally ordered by number, ties by
// node, both unsigned. Number 0 is the null ballot, whatever the node.
type Ballot struct {
	Number uint64
	Node   nodeid.ID
}

// IsNull reports whether b is no ballot.
func (b Ballot) IsNull() bool { return b.Number == 0 }

// Less reports whether b is lower than c.
func (b Ballot) Less(c Ballot) bool {
	if b.Number != c.Number {
		return b.Number < c.Number
	}
	return b.Node < c.Node
}

func (b Ballot) String() string {
	if b.IsNull() {
		return "-"
	}
	return fmt.Sprintf("%d@%s", b.Number, b.Node)
}

// maxBallot returns the higher one.
func maxBallot(a, b Ballot) Ballot {
	if a.Less(b) {
		return b
	}
	return a
}

// Record is what an acceptor has to remember of one instance; it is the unit
// of durability (spec/protocol.md section 8.2).
type Record struct {
	Instance uint64
	Promised Ballot // never lower than in any earlier record (invariant P2)
	Accepted Ballot // null, or at most Promised (invariant P1)
	Value    []byte // packed value that was accepted; empty while Accepted is null
	Checksum uint32 // of the chain of chosen values through this one, 0 if unknown

	// Of the full history (see ValueHash), 0 while that is off.
	Chain uint64 // through this instance with Value, 0 if unknown
	Sum   uint64 // hash of Value
}

// Membership is the sorted set of the nodes that vote.
type Membership []nodeid.ID

// NewMembership returns the set of ids, sorted, each once.
func NewMembership(ids []nodeid.ID) Membership {
	m := slices.Clone(ids)
	slices.Sort(m)
	return slices.Compact(m)
}

// Contains reports whether id votes.
func (m Membership) Contains(id nodeid.ID) bool { return m.index(id) >= 0 }

// Quorum is the smallest number of nodes that is a majority.
func (m Membership) Quorum() int { return len(m)/2 + 1 }

// index returns the place of id, or -1. Memberships are small, a linear
// search beats a map.
func (m Membership) index(id nodeid.ID) int {
	for i, n := range m {
		if n == id {
			return i
		}
	}
	return -1
}
