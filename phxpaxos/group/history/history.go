// Package history decides which nodes of a group stop when their histories, or
// the states that they made of them, differ. It is a pure function of what the
// members state; package group collects the statements and acts on the verdict.
package history

import "slices"

// Point is a hash of everything through an instance: the chain of the values,
// or a digest of the state. Equal hashes are equal histories.
type Point struct {
	Instance uint64
	Hash     uint64 // not 0
}

// Member is what another member states.
type Member struct {
	Answered bool
	Points   []Point // in ascending order; what it does not know is left out
}

// Comparison is what one node knows when it decides.
type Comparison struct {
	Own     []Point // of this node, as Member.Points
	Votes   bool    // this node is a member, so that its statement counts
	Others  []Member
	Quorum  int    // smallest majority of the members
	At      uint64 // instance of the disputed point; NoPoint if no point is disputed
	Expired bool   // members that have not answered count as not knowing
}

// NoPoint is Comparison.At when the dispute is about something else.
const NoPoint = ^uint64(0)

// Outcome is what the node does.
type Outcome uint8

const (
	Wait     Outcome = iota // for more answers; nothing is executed or acknowledged until then
	GoOn                    // this node is not outside of a majority that agrees
	Outvoted                // stop: a majority agrees on another history
	Split                   // stop: no majority agrees on any history
)

// Verdict is the outcome, and what led to it.
type Verdict struct {
	Outcome  Outcome
	Instance uint64 // Outvoted, Split: the first instance that differs
	Outside  []int  // indices of the members whose history is not the majority's
}

// Decide returns the verdict. At the first instance at which two members state
// different hashes, the members that state the one of a majority of all members
// go on, and the others that know the instance are outside; they do not count
// at later instances.
//
//	at the first difference                      this node      outcome
//	no hash has a majority, answers can bring one  any          Wait
//	no hash has a majority                         any          Split
//	one has                                        states another  Outvoted
//	one has                                        states it, or does not know  look further
//
//	no difference (left)                                        outcome
//	no point is disputed                                        GoOn
//	a majority states this node's hash at the disputed point    GoOn
//	every member answered, or the time is up                    GoOn
//	otherwise                                                   Wait
func Decide(c Comparison) Verdict {
	var v Verdict
	missing := 0
	for _, m := range c.Others {
		if !m.Answered && !c.Expired {
			missing++
		}
	}
	for _, instance := range c.instances() {
		hash, most, differ := c.tally(instance, v.Outside)
		switch {
		case !differ:
			continue
		case most < c.Quorum && most+missing >= c.Quorum:
			return Verdict{Outcome: Wait, Outside: v.Outside}
		case most < c.Quorum:
			return Verdict{Outcome: Split, Instance: instance, Outside: v.Outside}
		}
		if own := at(c.Own, instance); own != 0 && own != hash {
			return Verdict{Outcome: Outvoted, Instance: instance, Outside: v.Outside}
		}
		for i, m := range c.Others {
			if h := at(m.Points, instance); h != 0 && h != hash && !slices.Contains(v.Outside, i) {
				v.Outside = append(v.Outside, i)
			}
		}
	}
	v.Outcome = Wait
	if c.At == NoPoint || missing == 0 || c.agreeing(v.Outside) >= c.Quorum {
		v.Outcome = GoOn
	}
	return v
}

// instances are those of all points, each once, in ascending order.
func (c *Comparison) instances() []uint64 {
	var all []uint64
	for _, p := range c.Own {
		all = append(all, p.Instance)
	}
	for _, m := range c.Others {
		for _, p := range m.Points {
			all = append(all, p.Instance)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// tally returns the hash that most members state at an instance, and by how
// many; differ says whether this node or a member states another one. The
// outside ones do not count.
func (c *Comparison) tally(instance uint64, outside []int) (hash uint64, most int, differ bool) {
	var stated []uint64
	own := at(c.Own, instance)
	if own != 0 && c.Votes {
		stated = append(stated, own)
	}
	for i, m := range c.Others {
		if h := at(m.Points, instance); h != 0 && !slices.Contains(outside, i) {
			stated = append(stated, h)
		}
	}
	for _, h := range stated {
		n := 0
		for _, other := range stated {
			if other == h {
				n++
			}
		}
		if n > most {
			hash, most = h, n
		}
		differ = differ || n < len(stated) || own != 0 && own != h
	}
	return hash, most, differ
}

// agreeing is how many members state this node's hash at the disputed point.
func (c *Comparison) agreeing(outside []int) (n int) {
	own := at(c.Own, c.At)
	if own == 0 {
		return 0
	}
	if c.Votes {
		n++
	}
	for i, m := range c.Others {
		if at(m.Points, c.At) == own && !slices.Contains(outside, i) {
			n++
		}
	}
	return n
}

// at is the hash at an instance, 0 if it is not known.
func at(points []Point, instance uint64) uint64 {
	i, ok := slices.BinarySearchFunc(points, instance, func(p Point, i uint64) int {
		switch {
		case p.Instance < i:
			return -1
		case p.Instance > i:
			return 1
		}
		return 0
	})
	if !ok {
		return 0
	}
	return points[i].Hash
}
