package feature

import "github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"

// Identities holds the cluster that each node stated in its packets, for a
// node that does not know its own. The zero value is ready for use.
type Identities struct {
	stated []statedBy
}

type statedBy struct {
	node    nodeid.ID
	cluster nodeid.Cluster
}

// Note takes what a node of the own list states, its newest word.
func (i *Identities) Note(node nodeid.ID, c nodeid.Cluster) {
	for n := range i.stated {
		if i.stated[n].node == node {
			i.stated[n].cluster = c
			return
		}
	}
	i.stated = append(i.stated, statedBy{node, c})
}

// Majority returns the cluster that so many nodes state at least.
func (i *Identities) Majority(enough int) (nodeid.Cluster, bool) {
	for _, candidate := range i.stated {
		count := 0
		for _, s := range i.stated {
			if s.cluster == candidate.cluster {
				count++
			}
		}
		if count >= max(enough, 1) {
			return candidate.cluster, true
		}
	}
	return nodeid.Cluster{}, false
}
