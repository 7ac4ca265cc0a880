package sim

import (
	"bytes"
	"testing"
	"time"

	paxosevent "github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// TestSeeds runs a fixed set of seeds of every size of cluster.
func TestSeeds(t *testing.T) {
	seeds := uint64(24)
	if testing.Short() {
		seeds = 10
	}
	var sum Stats
	for seed := uint64(1); seed <= seeds; seed++ {
		p := NewPlan(seed, 0, 0)
		res := Run(p, Options{})
		sum.Add(&res.Stats)
		if res.Violation != nil {
			t.Errorf("go run ./tools/sim %s: %v", p.Arguments(), res.Violation)
		}
	}
	// A simulator that does nothing finds nothing.
	for k, n := range sum.Faults {
		if n == 0 && !testing.Short() {
			t.Errorf("no %v happened", FaultKind(k))
		}
	}
	for name, n := range map[string]uint64{
		"acknowledged": sum.Acknowledged, "unknown": sum.Unknown, "refused": sum.Refused, "lost": sum.Lost,
		"repeated": sum.Repeated, "damaged": sum.Damaged, "crashes": sum.Crashes, "histories": sum.Searched,
	} {
		if n == 0 {
			t.Errorf("no %s at all", name)
		}
	}
	t.Logf("%d seeds, %v virtual, %d values chosen", sum.Runs, sum.Virtual, sum.Chosen)
}

// TestTurnedBits: a bit that turns in a record on disk is found when the node
// starts again, on both production storages and on the model. Bits of what lies
// beside the records may turn without a consequence.
func TestTurnedBits(t *testing.T) {
	for _, o := range []Options{{Storage: Original}, {Storage: Shared}, {Storage: Maps}} {
		var sum Stats
		for seed := uint64(1); seed <= 8; seed++ {
			p := NewPlanOf(Static, seed, 3, 1)
			p.Chaos = 12 * time.Second
			p.load.think, p.load.burst, p.load.large, p.load.clients = 5*time.Millisecond, 1, 0, 6
			p.net.delayMean, p.disk.writeMean = 100*time.Microsecond, 50*time.Microsecond
			p.Faults = []Fault{{Kind: BitFlip, At: 10 * time.Second, Node: 1}, {Kind: Kill, At: 11 * time.Second, Node: 1}}
			res := Run(p, o)
			if res.Violation != nil {
				t.Errorf("seed %d, %+v: %v", seed, o, res.Violation)
			}
			sum.Add(&res.Stats)
		}
		if sum.Flips < 4 || sum.Found == 0 {
			t.Errorf("%+v: %d bits turned, damage was found %d times", o, sum.Flips, sum.Found)
		}
		t.Logf("%+v: %d bits turned, damage was found %d times", o, sum.Flips, sum.Found)
	}
}

// TestSameSeedSameRun: a run depends on its seed alone, trace or no trace.
func TestSameSeedSameRun(t *testing.T) {
	digests := map[uint64]uint64{}
	for seed := uint64(100); seed < 104; seed++ {
		var one, two bytes.Buffer
		first := Run(NewPlan(seed, 0, 0), Options{Trace: &one})
		second := Run(NewPlan(seed, 0, 0), Options{Trace: &two})
		third := Run(NewPlan(seed, 0, 0), Options{})
		if first.Digest != second.Digest || first.Digest != third.Digest {
			t.Errorf("seed %d: digests %016x, %016x and %016x", seed, first.Digest, second.Digest, third.Digest)
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("seed %d: the traces differ", seed)
		}
		if other, ok := digests[first.Digest]; ok {
			t.Errorf("seeds %d and %d have the same digest", seed, other)
		}
		digests[first.Digest] = seed
	}
}

// TestSwitchedOffRules: the random runs notice as well when a safety rule is
// missing, not only the scenarios that aim at it.
func TestSwitchedOffRules(t *testing.T) {
	for _, h := range []paxos.Hazards{{LearnLowersPromise: true}} {
		found := false
		for seed := uint64(1); seed <= 100 && !found; seed++ {
			found = Run(NewPlanOf(Static, seed, 3, 1), Options{Hazards: h}).Violation != nil
		}
		if !found {
			t.Errorf("100 seeds found nothing wrong with %+v", h)
		}
	}
}

// TestRepeatedBatches: hazard H5 shows with state machines of both shapes.
func TestRepeatedBatches(t *testing.T) {
	for _, many := range []bool{false, true} {
		found, drawn := false, false
		for seed := uint64(1); seed <= 100 && !found; seed++ {
			p := NewPlanOf(Static, seed, 3, 1)
			drawn = drawn || p.load.executeMany == many
			p.load.executeMany = many
			found = Run(p, Options{Hazards: paxos.Hazards{RepeatBatch: true}}).Violation != nil
		}
		if !found || !drawn {
			t.Errorf("many at once %v: found %v, drawn %v", many, found, drawn)
		}
	}
}

// TestLostMemory: state machines that fall back get everything again, also
// those that save nothing; the checks of the log compare every entry.
func TestLostMemory(t *testing.T) {
	for _, saves := range []int{0, 1000} {
		var sum Stats
		for seed := uint64(1); seed <= 8; seed++ {
			p := NewPlanOf(Any, seed, 0, 0)
			p.load.losses, p.load.saves, p.load.executeMany = 100, saves, seed%2 == 0
			res := Run(p, Options{Storage: Maps})
			if res.Violation != nil {
				t.Errorf("seed %d, saves %d: %v", seed, saves, res.Violation)
			}
			sum.Add(&res.Stats)
		}
		if began, ended := sum.Kinds[paxosevent.RewindBegin], sum.Kinds[paxosevent.RewindEnd]; sum.Forgotten < 1000 || ended == 0 || began < ended {
			t.Errorf("saves %d: %d losses of %d entries, %d rewinds began, %d ended", saves, sum.Losses, sum.Forgotten, began, ended)
		}
		t.Logf("saves %d: %d losses of %d entries", saves, sum.Losses, sum.Forgotten)
	}
}

// TestEarlyValues: batches that are sent before their turn change nothing, also
// where packets get lost, come twice or in another order, so that accepts name
// what a member lacks, or what it has had and forgotten.
func TestEarlyValues(t *testing.T) {
	var sum Stats
	for seed := uint64(1); seed <= 12; seed++ {
		p := NewPlanOf(Any, seed, 3, 1)
		p.crc, p.digest, p.load.early = true, true, 1
		p.load.batchMax, p.load.burst, p.load.clients = 1+int(seed%4), 20, 6
		p.net.loss, p.net.dup, p.net.fifoStreams = 20, 50, false
		res := Run(p, Options{Storage: Maps})
		if res.Violation != nil {
			t.Errorf("seed %d: %v", seed, res.Violation)
		}
		sum.Add(&res.Stats)
	}
	if sum.Named < 1000 || sum.Missed < 100 || sum.Early < sum.Named {
		t.Errorf("%d values were sent early, %d named, %d missed", sum.Early, sum.Named, sum.Missed)
	}
	t.Logf("%d values were sent early, %d named, %d missed", sum.Early, sum.Named, sum.Missed)
}

// TestShrink: a shorter plan still fails in the same way, and its arguments
// tell what was left out.
func TestShrink(t *testing.T) {
	o := Options{Hazards: paxos.Hazards{RepeatBatch: true}}
	for seed := uint64(1); seed <= 100; seed++ {
		p := NewPlanOf(Static, seed, 3, 1)
		res := Run(p, o)
		if res.Violation == nil || len(p.Faults) < 4 {
			continue
		}
		short, got := Shrink(p, o, func() bool { return true })
		if got.Violation == nil || got.Violation.Check != res.Violation.Check {
			t.Fatalf("seed %d: %v became %v", seed, res.Violation, got.Violation)
		}
		if len(remaining(short)) >= len(p.Faults) {
			t.Errorf("seed %d: all of %d faults are left", seed, len(p.Faults))
		}
		again := NewPlanOf(Static, seed, 3, 1)
		again.Skip = short.Skip
		if err := again.Without(short.without...); err != nil {
			t.Fatal(err)
		}
		if Run(again, o).Digest != got.Digest {
			t.Errorf("%s does not give the same run again", short.Arguments())
		}
		return
	}
	t.Fatal("no seed to shrink")
}

func TestWithoutUnknownTrouble(t *testing.T) {
	p := NewPlan(1, 3, 1)
	if err := p.Without("gremlins"); err == nil {
		t.Error("an unknown trouble was taken out")
	}
}
