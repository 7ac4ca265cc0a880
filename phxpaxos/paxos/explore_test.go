package paxos

import (
	"flag"
	"runtime"
	"testing"
)

// The explorer visits every state that a small cluster of production cores
// can reach, and asserts in each of them that nothing bad has happened. What
// it does not visit it proves nothing about, so here is what it visits.
//
// # The model
//
// Nodes 1 and 2 may propose, the others only vote. Every call of Propose has
// a value of its own. A state is reached from another by one of these steps,
// which may come in any order:
//
//   - a node takes a message that another node has ever sent. Messages stay in
//     the network for ever, so each may come in any order, any number of
//     times, late, or never;
//   - a node proposes, once per instance and life ("tries" times with the
//     caller giving up in between);
//   - a round's timer fires; the bound on prepares bounds them;
//   - the next k records are reported as saved, for every k; a record that is
//     not synced is not durable by that;
//   - a node crashes and starts again with what group.Open would read. It
//     keeps everything that a finished sync covers, and any number of the
//     records behind that, also of those not reported yet;
//   - a decided value is executed; this comes right behind the input that
//     decided it, unless slowExecute is set.
//
// Flush follows every input. The teacher sends the record of every instance
// below Readable to everybody, unasked; asking, offering and the windows of a
// lesson are left out. The membership does not change, every promise and vote
// is synced, no save fails, no follower takes part. Checkpoints and
// log cleaning are not explored.
//
// # The checks
//
// All nodes, in all of their lives, decide or replay one value per instance.
// No core stops: no ErrInvariant, no ErrDiverged. The promise on disk never
// goes down. What leaves is backed by what is durable then: prepares, accepts,
// promises and votes. A ballot number is prepared once. A caller whose value
// is chosen is told so.
//
// # The bounds
//
// "Small" runs with every go test, "full" with
//
//	go test ./phxpaxos/paxos -run Explore -explore.full -timeout 30m -v
//
// The tables below are the bounds: instances decided, prepares per node over
// all lives, crashes per node and together. A node marked eager has its saves
// reported at once; its unsynced records still get lost. For a node that never
// proposes this hides next to nothing: a request whose record is lost before
// any reply left might as well never have come, except for rejections that
// name the lost promise, and those only make others take higher numbers. The
// bounds without eager nodes have these too.
//
// The states are those left by the reductions of explore_reduce_test.go, which
// TestExploreReductionsLoseNothing checks against runs without them. There is
// no symmetry to use: ballots order the proposers, and one node is left.

var exploreFull = flag.Bool("explore.full", false, "explore the large bounds and all controls, some minutes")

const exploreStatesMax = 100_000_000 // 2.7 GB

type exploreRun struct {
	name string
	exploreBounds
}

const exploreShortest = 4 // of exploreSmall, for -short

var exploreSmall = []exploreRun{
	{"one instance, one crashes", exploreBounds{nodes: 3, instances: 1, tries: 1, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 1}},
	{"one instance, three prepares", exploreBounds{nodes: 3, instances: 1, tries: 1, strict: true,
		prepares: perNode{2, 1}, eager: eagerNodes{2: true}}},
	{"two instances", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true, prepares: perNode{1, 1}}},
	{"two instances, a proposer crashes", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{1}, crashTotal: 1, eager: eagerNodes{2: true}}},
	{"two instances, the acceptor crashes", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{2: 1}, crashTotal: 1, eager: eagerNodes{2: true}}},
	{"early messages are kept", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, eager: eagerNodes{2: true}, retryQueue: true}},
	{"slow state machines", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, eager: eagerNodes{2: true}, slowExecute: true}},
	{"execution before announcement", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true, executeFirst: true, slowExecute: true,
		prepares: perNode{1, 1}, eager: eagerNodes{2: true}}},
	{"learned records are synced", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true, syncLearned: true,
		prepares: perNode{1, 1}, crashes: perNode{1}, crashTotal: 1, eager: eagerNodes{2: true}}},
	{"callers give up", exploreBounds{nodes: 3, instances: 2, tries: 2, strict: true,
		prepares: perNode{1, 1}, eager: eagerNodes{2: true}}},
}

var exploreLarge = []exploreRun{
	{"all crash", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 3}},
	{"all crash, three prepares", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{2, 1}, crashes: perNode{1, 1, 1}, crashTotal: 3, eager: eagerNodes{2: true}}},
	{"one crashes, three prepares the other way", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 2}, crashes: perNode{1, 1, 1}, crashTotal: 1, eager: eagerNodes{2: true}}},
	{"one instance, four prepares", exploreBounds{nodes: 3, instances: 1, tries: 1, strict: true,
		prepares: perNode{2, 2}, eager: eagerNodes{2: true}}},
	{"all crash, early messages are kept", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 3, eager: eagerNodes{2: true}, retryQueue: true}},
	{"all crash, slow state machines", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 3, eager: eagerNodes{2: true}, slowExecute: true}},
	{"all crash, execution before announcement", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true, executeFirst: true,
		slowExecute: true, prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 2, eager: eagerNodes{2: true}}},
	{"all crash, learned records are synced", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true, syncLearned: true,
		prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 3, eager: eagerNodes{2: true}}},
	{"four prepares, saves at once", exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true,
		prepares: perNode{2, 2}, eager: eagerNodes{true, true, true}}},
	{"all crash, callers give up", exploreBounds{nodes: 3, instances: 2, tries: 2, strict: true,
		prepares: perNode{1, 1}, crashes: perNode{1, 1, 1}, crashTotal: 3, eager: eagerNodes{2: true}}},
	{"five nodes", exploreBounds{nodes: 5, instances: 2, tries: 1, strict: true,
		prepares: perNode{1, 1}, eager: eagerNodes{true, true, true, true, true}}},
}

// exploreAll runs x and reports what it visited.
func exploreAll(t *testing.T, b exploreBounds) *explorer {
	t.Helper()
	b.statesMax = exploreStatesMax
	x := newExplorer(b)
	x.run()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d states, %d transitions, depth %d, %d node states, %d messages, %.1fs, %d MiB",
		x.states.count, x.transitions, x.depth, len(x.locals), len(x.messages), x.took.Seconds(), m.Sys>>20)
	return x
}

func exploreClean(t *testing.T, b exploreBounds) {
	t.Helper()
	if x := exploreAll(t, b); x.violation != "" {
		t.Fatalf("%s\n%s", x.violation, x.trace())
	}
}

func TestExploreSmall(t *testing.T) {
	for i, r := range exploreSmall {
		if testing.Short() && i != exploreShortest {
			continue
		}
		t.Run(r.name, func(t *testing.T) { exploreClean(t, r.exploreBounds) })
	}
}

func TestExploreFull(t *testing.T) {
	if !*exploreFull {
		t.Skip("takes some minutes; run with -explore.full")
	}
	for _, r := range exploreLarge {
		t.Run(r.name, func(t *testing.T) {
			exploreClean(t, r.exploreBounds)
			runtime.GC() // before the next one begins to grow
		})
	}
}
