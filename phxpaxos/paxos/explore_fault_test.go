package paxos

import (
	"strings"
	"testing"
)

// An explorer that finds nothing proves something only if it would have found
// it. These tests break the core or its surroundings on purpose.

type exploreFind struct {
	name  string
	wants string // part of the violation
	exploreBounds
}

var exploreFinds = []exploreFind{
	// P's value is accepted by itself and one acceptor, another one is chosen by
	// the other three: with three nodes, two that have accepted under one ballot
	// are a majority already. TestExploreHazardsThatNeedMore says so.
	{"H1, a ballot is kept after a loss and the next accept proves the one before, five nodes", "two values of instance 0",
		exploreBounds{nodes: 5, instances: 2, tries: 1, prepares: perNode{1, 1}, eager: eagerNodes{true, true, true, true, true},
			hazards: Hazards{ReuseBallotAfterLoss: true, InferFromNextAccept: true}}},
	{"H3, learning lowers the promise", "two values of instance 1",
		exploreBounds{nodes: 3, instances: 2, tries: 1, prepares: perNode{1, 1}, crashes: perNode{2: 1}, crashTotal: 1,
			eager: eagerNodes{true, true, true}, hazards: Hazards{LearnLowersPromise: true}}},
	{"H3, seen on the disk", "the promise on disk goes down",
		exploreBounds{nodes: 3, instances: 2, tries: 1, prepares: perNode{1, 1}, strict: true,
			eager: eagerNodes{true, true, true}, hazards: Hazards{LearnLowersPromise: true}}},
	{"saves are reported and lost", ErrDiverged.Error(),
		exploreBounds{nodes: 3, instances: 1, tries: 1, prepares: perNode{1, 1}, crashes: perNode{2: 1}, crashTotal: 1,
			eager: eagerNodes{true, true}, fault: faultDiskLies}},
	{"saves are reported early, seen when the reply leaves", "durable is the",
		exploreBounds{nodes: 3, instances: 1, tries: 1, prepares: perNode{1, 1}, strict: true, fault: faultDiskLies}},
	{"a restart forgets the promise", ErrDiverged.Error(),
		exploreBounds{nodes: 3, instances: 1, tries: 1, prepares: perNode{1, 1}, crashes: perNode{2: 1}, crashTotal: 1,
			eager: eagerNodes{true, true}, fault: faultForgetPromise}},
	{"a restart forgets the vote", ErrDiverged.Error(),
		exploreBounds{nodes: 3, instances: 1, tries: 1, prepares: perNode{1, 1}, crashes: perNode{2: 1}, crashTotal: 1,
			eager: eagerNodes{true, true}, fault: faultForgetVote}},
	{"the record of the own vote is lost", "two values of instance 0",
		exploreBounds{nodes: 3, instances: 1, tries: 1, prepares: perNode{1, 1}, crashes: perNode{1, 1}, crashTotal: 1,
			eager: eagerNodes{true, true, true}, fault: faultLoseOwnVote}},
	{"a quorum of one", "two values of instance 0",
		exploreBounds{nodes: 3, instances: 1, tries: 1, prepares: perNode{1, 1}, eager: eagerNodes{true, true, true},
			fault: faultQuorumOfOne}},
	{"records are taught before they are final", ErrDiverged.Error(),
		exploreBounds{nodes: 3, instances: 2, tries: 1, prepares: perNode{1, 1}, eager: eagerNodes{1: true, 2: true},
			fault: faultTeachUnread}},
}

func TestExplorerFinds(t *testing.T) {
	for _, f := range exploreFinds {
		t.Run(f.name, func(t *testing.T) {
			if f.nodes > 3 && testing.Short() {
				t.Skip("half a million states; runs without -short")
			}
			x := exploreAll(t, f.exploreBounds)
			if !strings.Contains(x.violation, f.wants) {
				t.Fatalf("found %q, want something with %q", x.violation, f.wants)
			}
			trace := x.trace()
			if !strings.Contains(trace, "  1. n") || !strings.Contains(trace, x.violation) {
				t.Errorf("the trace does not lead there:\n%s", trace)
			}
			t.Logf("\n%s", trace)

			sound := f.exploreBounds
			sound.hazards, sound.fault, sound.strict = Hazards{}, faultNone, true
			if sound.nodes == 3 { // five nodes are explored in the full run
				exploreClean(t, sound)
			}
		})
	}
}

// H1 takes both of its halves and more than three nodes.
func TestExploreHazardsThatNeedMore(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred thousand states; runs without -short")
	}
	both := Hazards{ReuseBallotAfterLoss: true, InferFromNextAccept: true}
	t.Run("H1, three nodes", func(t *testing.T) {
		exploreClean(t, exploreBounds{nodes: 3, instances: 2, tries: 1, prepares: perNode{1, 1}, strict: true, hazards: both})
	})
	if !*exploreFull {
		t.Skip("the other ones run with -explore.full")
	}
	t.Run("H1, three nodes, three prepares", func(t *testing.T) {
		exploreClean(t, exploreBounds{nodes: 3, instances: 2, tries: 1, prepares: perNode{2, 1}, strict: true,
			eager: eagerNodes{2: true}, hazards: both})
	})
	for name, h := range map[string]Hazards{"H1a": {ReuseBallotAfterLoss: true}, "H1b": {InferFromNextAccept: true}} {
		t.Run(name+" alone, five nodes", func(t *testing.T) {
			exploreClean(t, exploreBounds{nodes: 5, instances: 2, tries: 1, prepares: perNode{1, 1}, strict: true,
				eager: eagerNodes{true, true, true, true, true}, hazards: h})
		})
	}
}
