package phxpaxos

import (
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// siblings is how the first group, which carries the node's digests, reaches
// the others.
type siblings struct{ loops []*loop }

var _ group.Siblings = siblings{}

func (s siblings) Instance(group int) uint64 { return s.loops[group].instance.Load() }

func (s siblings) Ahead(group int, node nodeid.ID, instance uint64) {
	s.tell(group, func(m machine) { m.Ahead(node, instance) })
}

func (s siblings) Standing(group int) wire.Standing { return s.loops[group].standing.load() }

func (s siblings) Compare(group int, node nodeid.ID, standing wire.Standing) {
	s.tell(group, func(m machine) { m.Compare(node, standing) })
}

func (s siblings) Cover(nodes []nodeid.ID) {
	for group := 1; group < len(s.loops); group++ {
		s.tell(group, func(m machine) { m.Cover(nodes) })
	}
}

func (s siblings) Features(state feature.State) {
	for group := 1; group < len(s.loops); group++ {
		s.tell(group, func(m machine) { m.SetFeatures(state) })
	}
}

// tell calls a group's machine. A group that has stopped need not know.
func (s siblings) tell(group int, call func(machine)) {
	_ = s.loops[group].post(func(m machine) {
		if m != nil {
			call(m)
		}
	})
}
