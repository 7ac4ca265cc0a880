package sim

import (
	"math"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// siblingsOf is how a node's first group reaches the others.
type siblingsOf struct{ n *node }

var _ group.Siblings = siblingsOf{}

// Instance is the highest there is for a process that has ended meanwhile:
// nobody is ahead of it.
func (s siblingsOf) Instance(group int) uint64 {
	if g := s.n.members[group].g; g != nil {
		return g.Instance()
	}
	return math.MaxUint64
}

func (s siblingsOf) Ahead(group int, node nodeid.ID, instance uint64) {
	s.tell(group, func(g *oneGroup) { g.Ahead(node, instance) })
}

func (s siblingsOf) Standing(group int) wire.Standing {
	if g := s.n.members[group].g; g != nil {
		return g.Standing()
	}
	return wire.Standing{Instance: math.MaxUint64}
}

func (s siblingsOf) Compare(group int, node nodeid.ID, standing wire.Standing) {
	s.tell(group, func(g *oneGroup) { g.Compare(node, standing) })
}

func (s siblingsOf) Cover(nodes []nodeid.ID) {
	for group := 1; group < len(s.n.members); group++ {
		s.tell(group, func(g *oneGroup) { g.Cover(nodes) })
	}
}

func (s siblingsOf) Features(state feature.State) {
	for group := 1; group < len(s.n.members); group++ {
		s.tell(group, func(g *oneGroup) { g.SetFeatures(state) })
	}
}

type oneGroup = group.Group

// tell calls a group, unless that ended the process before.
func (s siblingsOf) tell(group int, call func(*oneGroup)) {
	m := s.n.members[group]
	if s.n.state != up || m.g == nil {
		return
	}
	m.g.Tick(m.now())
	call(m.g)
	m.settle()
}
