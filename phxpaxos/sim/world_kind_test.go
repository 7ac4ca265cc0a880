package sim

import (
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// members is the value that makes these nodes the members.
func members(version uint64, nodes ...int) string {
	v := wire.SystemVariables{Cluster: 9, Version: version}
	for _, n := range nodes {
		v.Members = append(v.Members, nodeID(n))
	}
	return string(wire.AppendValue(nil, sm.System, wire.AppendSystemVariables(nil, &v)))
}

// elects is the value that makes a node the master.
func elects(version uint64, node int) string {
	op := wire.MasterOperator{Node: nodeID(node), Version: version, TimeoutMillis: 1000, Operator: wire.OperatorComplete}
	return string(wire.AppendValue(nil, sm.Master, wire.AppendMasterOperator(nil, &op)))
}

// TestKindChecksNotice: the checks of memberships, masters and reads let a
// right history pass and find the wrong step that is added to it.
func TestKindChecksNotice(t *testing.T) {
	const none = wire.NoVersion
	tests := []struct {
		name, check  string
		right, wrong func(b *bench)
	}{
		{"vote behind an undecided instance", "instances in order",
			func(b *bench) { b.choose(0, "x"); b.vote(0, 1, b.ballot(1, 0), "y") },
			func(b *bench) { b.vote(0, 2, b.ballot(1, 0), "z") }},
		{"votes of a removed node count", "only what is chosen is announced",
			func(b *bench) {
				b.choose(0, members(none, 0, 1))
				b.vote(0, 1, b.ballot(1, 0), "x")
				b.vote(2, 1, b.ballot(1, 0), "x")
			},
			func(b *bench) {
				b.send(0, 1, paxos.Message{Kind: paxos.Success, Instance: 1, Ballot: b.ballot(1, 0)})
			}},
		{"another quorum chooses another value", "agreement",
			func(b *bench) {
				b.choose(0, members(none, 0))
				b.vote(0, 1, b.ballot(1, 0), "x") // alone, and enough
				b.vote(1, 1, b.ballot(1, 1), "y")
			},
			func(b *bench) { b.vote(0, 1, b.ballot(1, 1), "y") }},
		{"version of the mastership goes down", "master version grows",
			func(b *bench) {
				b.choose(0, elects(none, 0))
				b.choose(1, elects(0, 1))
				b.masters.says(0, b.ids[0], 0)
				b.masters.says(0, b.ids[1], 1)
				b.masters.says(0, nodeid.None, 1)
			},
			func(b *bench) { b.masters.says(0, nodeid.None, 0) }},
		{"the mastership is forgotten", "master version grows",
			func(b *bench) {
				b.masters.says(0, nodeid.None, none)
				b.choose(0, elects(none, 0))
				b.masters.says(0, b.ids[0], 0)
			},
			func(b *bench) { b.masters.says(0, nodeid.None, none) }},
		{"an election by an old version", "elections are in the log",
			func(b *bench) { b.choose(0, elects(none, 0)); b.choose(1, elects(none, 1)) },
			func(b *bench) { b.masters.says(0, b.ids[1], 1) }},
		{"another master than the elected one", "elections are in the log",
			func(b *bench) { b.choose(0, elects(none, 0)) },
			func(b *bench) { b.masters.says(0, b.ids[1], 0) }},
		{"two masters", "one master", func(b *bench) {}, func(b *bench) { b.masters.holds(0, 1) }},
		{"a deposed master's value takes effect", "fenced",
			func(b *bench) {
				b.masters.asks(0, 7)
				b.masters.asks(1, 8)
				b.choose(0, elects(none, 0))
				b.masters.executes(2, 1, 7)
				b.choose(1, "x")
				b.choose(2, elects(0, 1))
				b.masters.executes(2, 3, 8)
			},
			func(b *bench) { b.masters.executes(2, 3, 7) }},
		{"a read misses what was acknowledged", "reads see what was acknowledged",
			func(b *bench) {
				b.reads.ended(0, "read", sight{}, 0, sight{0, 0})
				b.reads.saw(sight{3, 5})
				b.reads.ended(0, "read", sight{3, 5}, 3, sight{4, 6})
			},
			func(b *bench) { b.reads.ended(1, "read", b.reads.seen, 4, sight{4, 5}) }},
		{"a read promises too much", "reads are executed as far as they say",
			func(b *bench) {}, func(b *bench) { b.reads.ended(0, "read", sight{}, 2, sight{1, 1}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench()
			test.right(b)
			if b.r.first != nil {
				t.Fatalf("a right history is called wrong: %v", b.r.first)
			}
			test.wrong(b)
			if b.r.first == nil || b.r.first.Check != test.check {
				t.Errorf("got %v, want a violation of %s", b.r.first, test.check)
			}
		})
	}
}

// TestReadsBesideTheLog: where a read that has no place in the log belongs.
func TestReadsBesideTheLog(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name     string
		result   uint64
		seen     int
		from, to time.Duration
		ok       bool
	}{
		{"before the write", 0, 0, s / 2, 3 * s, true},
		{"behind the write", 1, 1, 2 * s, 3 * s, true},
		{"before it, too late", 0, 0, 4 * s, 5 * s, false},
		{"behind it, too early", 1, 1, 0, s / 2, false},
		{"saw the write and not its value", 0, 1, 2 * s, 3 * s, false},
	} {
		r := &reporter{}
		c := newCallCheck(r, 0)
		c.ended(0, opPut, 1, 1, 0, s, 3*s)
		c.read(1, 1, test.result, test.seen, test.from, test.to)
		c.read(2, 1, test.result, test.seen, test.from, test.to)
		c.judge(func(id uint64) (int, bool) { return 0, id == 1 })
		if (r.first == nil) != test.ok {
			t.Errorf("%s: got %v, want ok=%v", test.name, r.first, test.ok)
		}
	}
}

// TestDriftBeyondTheMargin: clocks that drift more than leases allow give two
// masters, and the check sees it; at the limit there is never more than one,
// however long the lease is.
func TestDriftBeyondTheMargin(t *testing.T) {
	run := func(seed uint64, lease time.Duration, drift int64) *Violation {
		p := NewPlanOf(Masters, seed, 3, 1)
		p.world.lease, p.world.followers, p.drift = lease, 0, drift
		p.Chaos, p.net.loss, p.load.clients = 20*lease, 0, 1
		p.Faults = nil
		for at := lease; at < p.Chaos; at += 2 * lease {
			p.Faults = append(p.Faults, Fault{Kind: Partition, At: at, For: lease * 9 / 5, X: 1 + int64(at/lease)%6})
		}
		return Run(p, Options{Storage: Maps}).Violation
	}
	for _, lease := range []time.Duration{time.Second, 20 * time.Second} {
		for seed := uint64(1); seed <= 20; seed++ {
			if v := run(seed, lease, driftLimit); v != nil {
				t.Errorf("seed %d, leases of %v, drift at the limit: %v", seed, lease, v)
			}
		}
		for _, drift := range []int64{2 * driftLimit, 400_000} {
			found := 0
			for seed := uint64(1); seed <= 20; seed++ {
				if v := run(seed, lease, drift); v != nil {
					if v.Check != "one master" {
						t.Errorf("seed %d, leases of %v, drift beyond the limit: %v", seed, lease, v)
					}
					found++
				}
			}
			if found == 0 {
				t.Errorf("20 seeds with leases of %v and clocks %.1f %% off never had two masters", lease, float64(drift)/10000)
			}
			t.Logf("leases of %v, clocks up to %.1f %% off: two masters in %d of 20 seeds", lease, float64(drift)/10000, found)
		}
	}
}

// TestKinds: every kind of world makes use of what it is there for.
func TestKinds(t *testing.T) {
	var sum Stats
	for seed := uint64(200); seed < 206; seed++ {
		for _, k := range []Kind{Static, Members, Masters, Both} {
			p := NewPlanOf(k, seed, 3, 1)
			p.Chaos = min(p.Chaos, 20*time.Second)
			res := Run(p, Options{Storage: Maps})
			if res.Violation != nil {
				t.Errorf("go run ./tools/sim %s -storage maps: %v", p.Arguments(), res.Violation)
			}
			sum.Add(&res.Stats)
			if parsed, err := ParseKind(k.String()); err != nil || parsed != k {
				t.Errorf("ParseKind(%v) = %v, %v", k, parsed, err)
			}
		}
	}
	for name, n := range map[string]uint64{
		"changes": sum.Changes, "conflicts": sum.ChangeConflicts, "elections": sum.Elections,
		"handed over": sum.HandOvers, "reads": sum.Reads, "lease reads": sum.LeaseReads,
	} {
		if n == 0 {
			t.Errorf("no %s at all", name)
		}
	}
	if _, err := ParseKind("other"); err == nil {
		t.Error("an unknown kind was parsed")
	}
}
