package paxos

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// exploreFields lists every field of what a freezer copies, and what it does
// with it, and every switch of a core and where it is turned. A field that is not here was added after the freezer was written.
var exploreFields = []struct {
	of     any
	fields map[string]string
}{
	{Core{}, map[string]string{
		"cfg": fixed, "env": fixed, "members": fixed,
		"now": noTime, "timers": noTime,
		"err":      "a state with one is a violation",
		"instance": kept, "lastChecksum": kept, "lastBallot": "only package group asks for it, to help late nodes",
		"acceptor": kept, "proposer": kept, "learner": kept, "out": kept, "retry": kept,
		"abstain": "false: package group decides on it",
		"history": "false", "lastChain": historyOff, "dispute": historyOff,
		"suspect": "zero: messages are checked, so a mismatch is believed at once",
	}},
	{acceptor{}, map[string]string{
		"c": fixed, "promised": kept, "accepted": kept, "value": kept, "checksum": kept, "savedPromise": kept,
		"noSync": "zero", "syncInterval": "zero", "unsynced": "zero: every one is synced",
		"asked": "for SaveFailed only", "sum": historyOff, "chain": "what was worked out before, with all that it depends on",
	}},
	{proposer{}, map[string]string{
		"c": fixed, "sum": historyOff, "number": kept, "used": kept, "saved": "kept, counted from durable", "canSkip": kept, "rejected": kept, "other": kept,
		"value": kept, "hasValue": kept, "mine": kept, "offered": kept, "highest": "kept while preparing, prepare clears it",
		"preparing": kept, "accepting": kept, "tally": "kept in a round, a round clears it",
		"timer": "armed exactly in a round", "prepareWait": noTime, "acceptWait": noTime, "retrySpan": noTime,
		"roundSince": noTime, "proposingSince": noTime, "closed": kept,
	}},
	{learner{}, map[string]string{
		"c": fixed, "chosen": kept, "slot": "kept with chosen",
		"highest":    "nothing in the core but asking depends on it",
		"taughtTill": noTime, "lastAck": "acknowledgements are not asked for", "askTimer": noTime, "covered": noTime, "nextSoon": noTime, "nextAll": noTime, "soonAt": noTime,
	}},
	{outbox{}, map[string]string{
		"c": fixed, "seq": "the tail counts", "durable": "0", "saves": "empty after Flush", "free": "empty after Flush",
		"gated": kept, "unsaved": "the tail holds it",
	}},
	{unsaved{}, map[string]string{"seq": "counted from durable", "instance": "of the record in the tail"}},
	{gated{}, map[string]string{"after": "kept, counted from durable", "m": kept}},
	{retryQueue{}, map[string]string{"messages": kept, "bytes": "sum of messages"}},
	{tally{}, map[string]string{"members": fixed, "votes": kept, "yes": kept, "no": kept, "heard": kept}},
	{Chosen{}, map[string]string{"Instance": kept, "Ballot": kept, "Value": kept, "Checksum": kept, "Own": kept, "Chain": historyOff, "Sum": historyOff}},
	{Record{}, map[string]string{"Instance": kept, "Promised": kept, "Accepted": kept, "Value": kept, "Checksum": kept, "Chain": historyOff, "Sum": historyOff}},
	{Save{}, map[string]string{"Seq": "counted from durable", "Record": kept, "Sync": kept}},
	{Config{}, map[string]string{
		"Me": fixed, "Members": fixed, "Following": "nobody follows", "Timing": noTime, "Rand": noTime,
		"Hazards": "exploreBounds.hazards", "SyncLearned": "exploreBounds.syncLearned", "ExecuteFirst": "exploreBounds.executeFirst",
	}},
	{Hazards{}, map[string]string{
		"ReuseBallotAfterLoss": "exploreFinds", "InferFromNextAccept": "exploreFinds", "LearnLowersPromise": "exploreFinds",
		"KeepBallotOnMembers": "the membership is fixed", "RepeatBatch": "of package group", "ReplayFromNewest": "of package group",
		"CleanToNewest": "of package group",
	}},
	{State{}, map[string]string{"Instance": kept, "Promised": kept, "Accepted": kept, "Value": kept, "Checksum": kept, "LastChecksum": kept, "Sum": historyOff, "LastChain": historyOff}},
	{Ballot{}, map[string]string{"Number": kept, "Node": kept}},
	{Message{}, map[string]string{
		"Kind": kept, "From": kept, "To": kept, "Instance": kept, "Ballot": kept, "PreAccepted": kept, "RejectedBy": kept,
		"Value": kept, "LastChecksum": kept, "Checked": "always",
		"Now": teaching, "MinChosen": teaching, "NeedAck": teaching, "Followed": teaching,
		"Chain": historyOff, "Sum": historyOff, "History": "of package group",
		"Early":        "of package group: a core neither sends nor gets such messages",
		"Features":     "of package group: a core neither sends nor gets such messages",
		"HasVariables": teaching, "SystemVariables": teaching, "MasterVariables": teaching,
	}},
}

const (
	kept       = "kept"
	fixed      = "the same for a node's whole life"
	historyOff = "0: the full history is off"
	noTime     = "when something happens is the explorer's choice"
	teaching   = "zero: the model's teacher needs no conversation"
)

func TestExplorerKnowsEveryField(t *testing.T) {
	for _, e := range exploreFields {
		typ := reflect.TypeOf(e.of)
		if typ.NumField() < len(e.fields) {
			t.Errorf("%v has %d fields, %d are listed", typ, typ.NumField(), len(e.fields))
		}
		for i := range typ.NumField() {
			if name := typ.Field(i).Name; e.fields[name] == "" {
				t.Errorf("%v has a new field %s: teach freezer about it, then list it in exploreFields", typ, name)
			}
		}
	}
}

// A copy behaves like its original, whatever the original has been through:
// what the freezer leaves out has no influence. The originals here live on
// without ever being frozen and thawed.
func TestExplorerCopiesFaithfully(t *testing.T) {
	for seed := range uint64(300) {
		b := exploreBounds{nodes: 3, instances: 2, tries: 2, strict: true, prepares: perNode{3, 3},
			crashes: perNode{1, 1, 1}, retryQueue: seed%2 == 0, slowExecute: seed%3 == 0,
			executeFirst: seed%5 == 0, syncLearned: seed%7 == 0, plain: true}
		walkBesideCopies(t, newExplorer(b), rand.New(rand.NewPCG(seed, 1)))
	}
}

func walkBesideCopies(t *testing.T, x *explorer, r *rand.Rand) {
	t.Helper()
	nodes := make([]*exploreNode, x.nodes)
	for i := range nodes {
		nodes[i] = &exploreNode{x: x, me: Membership(x.coreConfig(1).Members)[i]}
		nodes[i].start()
	}
	for range 80 {
		n := nodes[r.IntN(len(nodes))]
		frozen := string(x.freeze(n))
		var input func(n *exploreNode) bool
		if id := r.IntN(len(x.messages) + 1); r.IntN(3) > 0 && id < len(x.messages) && heardBy(x, nodes, n, id) {
			input = func(n *exploreNode) bool { n.deliver(id, x.clone(frozen)); return true }
		} else {
			what := uint16(r.IntN(6))<<8 | uint16(r.IntN(3))
			if what&^0xff == stepCrash && r.IntN(4) > 0 {
				continue
			}
			input = func(n *exploreNode) bool { return x.step(n, what) }
		}
		if !input(x.clone(frozen)) {
			continue
		}
		other := x.clone(frozen)
		input(other)
		input(n)
		if n.bad != "" || other.bad != "" {
			t.Fatalf("%q, the copy has %q", n.bad, other.bad)
		}
		if a, b := string(x.freeze(n)), string(x.freeze(other)); a != b {
			t.Fatalf("from %x: node\n%x, its copy\n%x", frozen, a, b)
		}
	}
}

// heardBy reports whether another node has sent message id to n.
func heardBy(x *explorer, nodes []*exploreNode, n *exploreNode, id int) bool {
	if m := &x.messages[id]; m.To != 0 && m.To != n.me {
		return false
	}
	for _, o := range nodes {
		if o != n && o.sent.has(id) {
			return true
		}
	}
	return false
}

// The reductions must not lose anything: with and without them, the very same
// combinations of instance, promise, vote, disk and decisions are reached.
func TestExploreReductionsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("a million states; runs without -short")
	}
	runs := []exploreBounds{
		{nodes: 3, instances: 1, tries: 1, strict: true, prepares: perNode{1, 1}, eager: eagerNodes{true, true, true}},
	}
	if *exploreFull {
		runs = append(runs,
			exploreBounds{nodes: 3, instances: 1, tries: 1, strict: true, prepares: perNode{1, 1}},
			exploreBounds{nodes: 3, instances: 1, tries: 1, strict: true, prepares: perNode{1, 1},
				crashes: perNode{1}, crashTotal: 1, eager: eagerNodes{true, true, true}},
			exploreBounds{nodes: 3, instances: 2, tries: 1, strict: true, prepares: perNode{1, 1}, eager: eagerNodes{true, true, true}},
		)
	}
	for _, b := range runs {
		reduced := exploreAll(t, b)
		b.plain = true
		plain := exploreAll(t, b)
		if reduced.violation != "" || plain.violation != "" {
			t.Fatalf("reduced %q, plain %q", reduced.violation, plain.violation)
		}
		have, want := reduced.views(), plain.views()
		for v, at := range want {
			if _, ok := have[v]; !ok {
				plain.violated = at
				t.Fatalf("never reached with the reductions: %s\n%s", v, plain.trace())
			}
		}
		for v, at := range have {
			if _, ok := want[v]; !ok {
				reduced.violated = at
				t.Fatalf("only reached with the reductions: %s\n%s", v, reduced.trace())
			}
		}
		t.Logf("the %d views of %d states are those of %d", len(have), reduced.states.count, plain.states.count)
	}
}

// views returns what the states look like without what the reductions touch,
// each with the first state that looks so.
func (x *explorer) views() map[string]uint32 {
	local := make([]string, len(x.locals))
	for i, l := range x.locals {
		n := x.clone(l.frozen)
		if n.core.instance >= x.instances && n.crashes >= x.crashes[n.me-1] {
			local[i] = fmt.Sprint("done ", n.chosen, n.crashes, "|")
			continue
		}
		a := &n.core.acceptor
		local[i] = fmt.Sprint(n.core.instance, a.promised, a.accepted, a.value, n.disk, n.tail, n.written, n.chosen, n.crashes, "|")
	}
	views := map[string]uint32{}
	state := make([]uint32, x.nodes)
	var view []byte
	for at := range x.states.count {
		x.states.get(at, state)
		view = view[:0]
		for _, i := range state {
			view = append(view, local[i]...)
		}
		if _, ok := views[string(view)]; !ok {
			views[string(view)] = at
		}
	}
	return views
}
