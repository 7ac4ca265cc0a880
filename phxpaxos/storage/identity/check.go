package identity

import (
	"errors"
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// ErrForeign: a directory, or a part of it, was recorded as something else
// than what it is to be used as. The wrapping error names both.
var ErrForeign = errors.New("directory of another node")

// Override is the option that a user sets for a deliberate move.
const Override = "Options.AdoptDirectory"

const (
	adviceNode   = "give each node its own directory; after a deliberate move to another address start once with " + Override + ", and only if the conditions in its documentation hold"
	adviceGroups = "set GroupCount to the recorded number or more; " + Override + " does not change this"
	adviceLayout = "bring back the log that belongs here, or convert it with phxpaxos_convert; if the log is right and the record is not, start once with " + Override
	adviceOther  = "no log may move to another cluster: give the node an empty directory; " + Override + " does not change this"
	adviceStamp  = "put the directories back where they were; if they are right and the stamps are not, start once with " + Override
)

// Check decides whether a node may use a directory, and returns the identity
// that the directory has from then on. It is a pure function.
//
// found is what the directory says, nil if it says nothing; hasLog is whether
// there is a log in it. want is what the node is configured as: its Node,
// Groups and Layout, its Cluster if it knows one, and in Directory the id that
// the directory gets if it needs a new one. want.Incarnation does not count.
// override allows another Node and another Layout than those recorded, and
// nothing else.
//
// A directory that says nothing gets the identity that is wanted. One whose
// log is gone keeps its cluster and its incarnation, and gets a new directory
// id, since the id stands for what the log remembers. Errors match ErrForeign.
func Check(found *Identity, hasLog bool, want Identity, override bool) (Identity, error) {
	next := want
	next.Incarnation = 1
	if found == nil {
		return next, nil
	}
	refuse := func(what, advice string) (Identity, error) {
		return Identity{}, fmt.Errorf("%w: recorded as (%v), configured as (node %v, cluster %s, %d groups, %s layout): %s differs; %s",
			ErrForeign, *found, want.Node, want.Cluster, want.Groups, want.Layout, what, advice)
	}
	var none nodeid.Cluster
	switch {
	case found.Cluster != none && want.Cluster != none && found.Cluster != want.Cluster:
		return refuse("the cluster", adviceOther)
	case found.Node != want.Node && !override:
		return refuse("the node", adviceNode)
	case hasLog && want.Groups < found.Groups:
		return refuse("the number of groups", adviceGroups)
	case hasLog && found.Layout != want.Layout && !override:
		return refuse("the layout", adviceLayout)
	}
	next.Incarnation = found.Incarnation + 1
	if found.Cluster != none {
		next.Cluster = found.Cluster
	}
	if hasLog {
		next.Directory = found.Directory
	}
	return next, nil
}

// CheckStamps decides whether the logs in a directory are in their places. It
// is a pure function.
//
// found is what was read at each of the places, of which there is at least
// one, and nil where there is no stamp. want is what should be there; known is
// whether its directory id is recorded. If it is not, the stamps decide, if
// all of them have the same one. override takes the stamps for wrong.
//
// It returns the id, and the places whose stamps are to be written: those
// without one, and with override those with a wrong one. Errors match
// ErrForeign.
func CheckStamps(places []string, found []*Stamp, want []Stamp, known, override bool) (directory uint64, write []int, err error) {
	directory = want[0].Directory
	if !known {
		for _, s := range found {
			if s != nil {
				directory = s.Directory
				break
			}
		}
	}
	for i := range places {
		right := Stamp{directory, want[i].Place}
		switch {
		case found[i] == nil:
			write = append(write, i)
		case *found[i] == right:
		case override:
			write = append(write, i)
		default:
			return 0, nil, fmt.Errorf("%w: %s is stamped as %v, and its place is that of %v; %s", ErrForeign, places[i], *found[i], right, adviceStamp)
		}
	}
	return directory, write, nil
}
