package sim

import (
	"math/bits"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// nodeSet is a set of nodes by their index, a bit each.
type nodeSet uint64

func (s nodeSet) has(node int) bool { return node >= 0 && s>>node&1 == 1 }
func (s nodeSet) size() int         { return bits.OnesCount64(uint64(s)) }
func (s nodeSet) quorum() int       { return s.size()/2 + 1 }

func (s nodeSet) String() string {
	names := ""
	for n := range 64 {
		if s.has(n) {
			names += nodeName(n)
		}
	}
	return names
}

// setOf is the set of the nodes with these addresses.
func setOf(ids []nodeid.ID) (s nodeSet) {
	for _, id := range ids {
		s |= 1 << nodeIndex(id)
	}
	return s
}

// model is what the chosen values say about who votes and who is master. It
// executes them a second time, by the rules of spec/storage-api.md sections
// 5.2 and 6.3, at the moment at which a quorum makes them chosen, whether or
// not any node knows it.
type model struct {
	special map[uint64][]byte // values for the nodes' own state machines, by hash
	next    uint64            // instances below it are chosen and executed
	changes uint64            // highest instance for which somebody had another membership on its way to the disk, plus one

	cluster uint64
	version uint64 // of the membership
	eras    []era
	mark    uint64 // version of the mastership
	reigns  []reign
}

// era is the membership from an instance on.
type era struct {
	from    uint64
	members nodeSet
}

// reign is an election that counted.
type reign struct {
	instance uint64
	node     int
	lease    time.Duration
}

func newModel(members nodeSet) *model {
	return &model{special: map[uint64][]byte{}, version: wire.NoVersion, mark: wire.NoVersion, eras: []era{{0, members}}}
}

// remember keeps a value that may matter once it is chosen.
func (m *model) remember(instance uint64, value []byte) {
	id, _, ok := wire.SplitValue(value)
	if ok && (id == sm.System || id == sm.Master) {
		m.special[bytesHash(value)] = value
	}
	if ok && id == sm.System {
		m.changes = max(m.changes, instance+1)
	}
}

// chose takes the value that a quorum has voted for at m.next.
func (m *model) chose(hash uint64) {
	instance := m.next
	m.next++
	value, ok := m.special[hash]
	if !ok {
		return
	}
	if id, body, _ := wire.SplitValue(value); id == sm.System {
		m.change(instance, body)
	} else {
		m.elect(instance, body)
	}
}

func (m *model) change(instance uint64, body []byte) {
	var v wire.SystemVariables
	if wire.DecodeSystemVariables(body, &v) != nil || m.cluster != 0 && v.Cluster != m.cluster || v.Version != m.version {
		return
	}
	m.cluster, m.version = v.Cluster, instance
	m.eras = append(m.eras, era{instance + 1, setOf(v.Members)})
}

func (m *model) elect(instance uint64, body []byte) {
	var op wire.MasterOperator
	if wire.DecodeMasterOperator(body, &op) != nil || op.Operator != wire.OperatorComplete {
		return
	}
	if op.HasLastVersion && op.LastVersion != 0 && instance > m.mark {
		m.mark = op.LastVersion
	}
	if op.Version != m.mark {
		return
	}
	m.mark = instance
	m.reigns = append(m.reigns, reign{instance, nodeIndex(op.Node), time.Duration(op.TimeoutMillis) * time.Millisecond})
}

// members is who votes at an instance.
func (m *model) members(instance uint64) nodeSet {
	for i := len(m.eras) - 1; i > 0; i-- {
		if m.eras[i].from <= instance {
			return m.eras[i].members
		}
	}
	return m.eras[0].members
}

// present is who votes now.
func (m *model) present() nodeSet { return m.eras[len(m.eras)-1].members }

// changed is the membership that the value of an instance made.
func (m *model) changed(instance uint64) (members nodeSet, ok bool) {
	for i := len(m.eras) - 1; i > 0; i-- {
		if m.eras[i].from == instance+1 {
			return m.eras[i].members, true
		}
	}
	return 0, false
}

// elected is the election at an instance.
func (m *model) elected(instance uint64) (r reign, ok bool) {
	for i := len(m.reigns) - 1; i >= 0; i-- {
		if m.reigns[i].instance == instance {
			return m.reigns[i], true
		}
	}
	return reign{}, false
}

// master is who was elected last below an instance; ok is false if nobody was.
func (m *model) master(instance uint64) (node int, ok bool) {
	for i := len(m.reigns) - 1; i >= 0; i-- {
		if m.reigns[i].instance < instance {
			return m.reigns[i].node, true
		}
	}
	return 0, false
}
