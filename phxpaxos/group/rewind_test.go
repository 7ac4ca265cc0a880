package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

var errDied = fmt.Errorf("%w: the process died", sm.ErrInterrupted)

// forgetful is a state machine that falls back to what it has saved.
type forgetful struct {
	batcher
	saved   []string // what the durable state includes
	savedTo uint64   // through this instance
	lost    bool     // and the group does not know yet
	gone    bool     // it has not been started again
	given   int      // entries, over all lives
	dieAt   string   // when it is given this value, it dies before …
	durable string   // … or behind this one, which is durable by then
	replays int
}

func (f *forgetful) save(through uint64) { f.saved, f.savedTo = slices.Clone(f.entries), through }

func (f *forgetful) die() { f.entries, f.lost = slices.Clone(f.saved), true }

func (f *forgetful) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for i, e := range entries {
		if f.lost {
			return results, errDied
		}
		if f.dieAt == string(e.Value) {
			f.dieAt = ""
			f.die()
			return results, errDied
		}
		r, err := f.batcher.ExecuteBatch(entries[i:i+1], nil)
		if err != nil {
			return results, err
		}
		f.given++
		if e.Replay {
			f.replays++
		}
		if f.durable == string(e.Value) {
			f.durable = ""
			f.save(e.Instance)
			f.die()
			return results, errDied
		}
		results = append(results, r[0])
	}
	return results, nil
}

func (f *forgetful) Rewound(int) (uint64, bool) {
	if !f.lost || f.gone {
		return 0, false
	}
	f.lost = false
	return f.savedTo, true
}

func (f *forgetful) OnRewind(int, func()) {}

// newForgetful is a cluster whose first node has a forgetful machine with id 1
// and an ordinary one with id 2.
func newForgetful(t *testing.T) (*cluster, *forgetful) {
	f := &forgetful{batcher: batcher{recorder: recorder{id: 1}}, savedTo: sm.NoCheckpoint}
	first := true
	c := newCluster(t, 3, func(cfg *Config) {
		cfg.StateMachines = append(cfg.StateMachines, &recorder{id: 2})
		if first {
			cfg.StateMachines[0], first = f, false
		}
	})
	c.nodes[0].rec = &f.recorder
	return c, f
}

// history fills the log: three instances of two entries for each machine.
func historyOf(c *cluster) {
	for i := range 3 {
		c.proposeMany(i, fmt.Sprintf("1:a%d", i), fmt.Sprintf("2:b%d", i), fmt.Sprintf("1:c%d", i), fmt.Sprintf("2:d%d", i))
		c.pass(100 * time.Millisecond)
	}
}

// equal compares what the machines of all nodes have executed.
func equal(c *cluster) {
	c.t.Helper()
	want := c.nodes[1].rec.entries
	if len(want) == 0 {
		c.t.Fatal("nothing was executed")
	}
	c.sameHistory(want...)
	other := func(n *testNode) []string { return n.g.exec.machine(2).(*recorder).entries }
	if !slices.Equal(other(c.nodes[0]), other(c.nodes[1])) {
		c.t.Errorf("the other machine executed %q, want %q", other(c.nodes[0]), other(c.nodes[1]))
	}
}

func TestLostStateIsGivenAgain(t *testing.T) {
	for savedTo := -1; savedTo < 3; savedTo++ {
		c, f := newForgetful(t)
		for i := range 3 {
			c.proposeMany(i, fmt.Sprintf("1:a%d", i), fmt.Sprintf("2:b%d", i), fmt.Sprintf("1:c%d", i))
			c.pass(100 * time.Millisecond)
			if i == savedTo {
				f.save(uint64(i))
			}
		}
		f.die()
		// Nothing is to be executed, and yet the group notices.
		c.pass(10 * time.Millisecond)
		equal(c)
		if want := 2 * (2 - savedTo); f.replays != want {
			t.Errorf("saved through %d: %d entries were given again, want %d", savedTo, f.replays, want)
		}
		if n := c.nodes[0].count; n[event.RewindBegin] != 1 || n[event.RewindEnd] != 1 {
			t.Errorf("saved through %d: %d rewinds began, %d ended", savedTo, n[event.RewindBegin], n[event.RewindEnd])
		}
		last := c.propose(0, "new")
		c.run()
		if last.Err != nil || string(last.Result) != "did new" {
			t.Errorf("saved through %d: %+v", savedTo, last)
		}
		equal(c)
	}
}

func TestCallersWaitWhileStateIsGivenAgain(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	f.dieAt, f.gone = "1:z", true
	tickets := c.proposeMany(0, "1:x", "2:y", "1:w", "1:z", "1:v", "2:u")
	c.pass(3 * time.Second)
	for i, tk := range tickets {
		if done := slices.Contains(c.nodes[0].done, tk); done != (i < 3) {
			t.Errorf("ticket %d: finished is %v: %+v", i, done, tk)
		}
	}
	if n := c.nodes[0].count[event.ExecuteFailed]; n != 1 {
		t.Errorf("%d events say why the group waits, want 1", n)
	}
	f.gone = false
	c.pass(2 * time.Second)
	for i, tk := range tickets {
		if tk.Err != nil || string(tk.Result) != "did "+string(tk.Value) || tk.Instance != 3 || tk.Index != i {
			t.Errorf("ticket %d: %+v", i, tk)
		}
	}
	if n := len(c.nodes[0].done); n != 4+len(tickets) {
		t.Errorf("%d tickets came back, want %d, each once", n, 4+len(tickets))
	}
	equal(c)
}

// changer lets a forgetful machine change values by what it has executed.
type changer struct{ *forgetful }

func (c changer) BeforePropose(_ int, value []byte) []byte {
	return fmt.Appendf(nil, "%s behind %d", value, len(c.entries))
}

func TestNothingIsChangedByAnOldState(t *testing.T) {
	f := &forgetful{batcher: batcher{recorder: recorder{id: 1}}, savedTo: sm.NoCheckpoint}
	c := newCluster(t, 1, func(cfg *Config) {
		cfg.StateMachines, cfg.ChangeBeforePropose = []sm.StateMachine{changer{f}}, true
	})
	c.propose(0, "a")
	c.run()
	f.die()
	f.gone = true
	tk := c.propose(0, "b")
	c.nodes[0].g.exec.interrupted(c.nodes[0].g, 1, 1, errDied) // as if an entry had been under way
	c.pass(time.Second)
	f.gone = false
	c.pass(2 * time.Second)
	if tk.Err != nil || string(tk.Result) != "did b behind 1" {
		t.Errorf("%+v", tk)
	}
}

func TestCallerStopsWaitingAtItsDeadline(t *testing.T) {
	c, f := newForgetful(t)
	f.dieAt, f.gone = "late", true
	tk := &Ticket{SM: 1, Value: []byte("late"), Deadline: time.Second}
	c.nodes[0].g.Propose(tk)
	c.pass(2 * time.Second)
	if tk.Err != ErrTimeout {
		t.Errorf("%+v", tk)
	}
	f.gone = false
	c.pass(2 * time.Second)
	if n := len(c.nodes[0].done); n != 1 {
		t.Errorf("%d tickets came back", n)
	}
	equal(c)
}

// The process died between making an instance durable and saying so.
func TestStateAheadOfItsAnswer(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	f.durable = "1:c"
	tickets := c.proposeMany(0, "1:a", "2:b", "1:c", "2:d")
	c.pass(time.Second)
	for i, tk := range tickets {
		if lost := i == 2; lost != errors.Is(tk.Err, ErrExecuteFailed) || !lost && tk.Err != nil {
			t.Errorf("ticket %d: %+v", i, tk)
		}
	}
	if f.replays != 0 {
		t.Errorf("%d entries were given again", f.replays)
	}
	next := c.propose(0, "next")
	c.run()
	if next.Err != nil {
		t.Error(next.Err)
	}
	equal(c)
}

func TestDyingAgainWhileStateIsGivenAgain(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	for _, at := range []string{"1:c1", "1:a0", "1:c2", "1:a2", "1:c2"} {
		f.die()
		f.dieAt = at
		c.pass(20 * time.Millisecond)
	}
	tickets := c.proposeMany(0, "1:x", "2:y", "1:z")
	f.dieAt = "1:z"
	c.pass(20 * time.Millisecond)
	f.dieAt = "1:x" // which is executed, and of the instance under way
	c.pass(3 * time.Second)
	for i, tk := range tickets {
		if tk.Err != nil || !slices.Contains(c.nodes[0].done, tk) {
			t.Errorf("ticket %d: %+v", i, tk)
		}
	}
	equal(c)
}

func TestFailureWhileStateIsGivenAgain(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	failing := true
	f.fail = func(e sm.Entry) error {
		if failing && string(e.Value) == "1:a1" {
			return errors.New("out of order")
		}
		return nil
	}
	f.die()
	c.pass(3 * time.Second)
	// After 10, 20, 40 … ms and then once a second.
	if n := c.nodes[0].count[event.ExecuteFailed]; n < 5 || n > 12 {
		t.Errorf("tried %d times in 3 s", n)
	}
	failing = false
	c.pass(2 * time.Second)
	equal(c)
}

// A failed entry is due again while the machine is away; that must not keep
// the group awake.
func TestAwayWithAFailedEntry(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	f.fail = func(sm.Entry) error { return errors.New("out of order") }
	c.propose(0, "x")
	c.run()
	f.fail, f.gone = nil, true
	f.die()
	f.dieAt = "x"
	c.pass(5 * time.Second)
	if d := c.nodes[0].g.Deadline(); d <= c.now {
		t.Errorf("next tick at %v, it is %v", d, c.now)
	}
	f.gone = false
	c.pass(3 * time.Second)
	equal(c)
}

func TestLostStateThatTheLogDoesNotKeep(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	f.save(0)
	historyOf(c)
	c.nodes[0].g.minChosen = 2
	f.die()
	tk := c.propose(0, "x")
	c.pass(time.Second)
	err := c.nodes[0].g.Err()
	if !errors.Is(err, ErrGroupFailed) || !errors.Is(err, ErrLogGap) || !strings.Contains(err.Error(), "state machine 1 fell back and needs instance 1, the log begins at 2") {
		t.Errorf("%v", err)
	}
	if tk.Err == nil {
		t.Error("a proposal ended well at a group that has stopped")
	}
}

func TestRewindWaitsForTheDisk(t *testing.T) {
	c, f := newForgetful(t)
	historyOf(c)
	c.nodes[0].stall = true
	c.proposeMany(1, "1:x")
	c.pass(100 * time.Millisecond)
	if got := len(f.entries); got != 7 {
		t.Fatalf("%d entries executed, want 7", got)
	}
	f.die()
	c.pass(time.Second)
	if n := c.nodes[0].count[event.RewindEnd]; n != 0 {
		t.Error("the end was reached without the record that is not on disk")
	}
	c.nodes[0].stall = false
	c.run()
	if d := c.nodes[0].g.Deadline(); d > c.now {
		t.Errorf("the record is saved, and the group wants to go on at %v, it is %v", d, c.now)
	}
	c.pass(100 * time.Millisecond)
	equal(c)
}

func TestRewindLeavesTimeForOthers(t *testing.T) {
	c, f := newForgetful(t)
	const instances = 5 * rewindInstances
	for i := range instances {
		c.propose(i%3, fmt.Sprint(i))
		c.run()
	}
	c.pass(10 * time.Millisecond)
	f.die()
	for turn := 1; len(f.entries) < instances; turn++ {
		before := f.replays
		c.nodes[0].g.Tick(c.now)
		if n := f.replays - before; n == 0 || n > rewindInstances {
			t.Fatalf("%d instances in one turn, want 1 … %d", n, rewindInstances)
		}
		if d := c.nodes[0].g.Deadline(); len(f.entries) < instances && d > c.now {
			t.Fatalf("turn %d: the group wants to go on at %v, it is %v", turn, d, c.now)
		}
		vote := c.propose(1, fmt.Sprint("meanwhile ", turn))
		c.run()
		if vote.Err != nil {
			t.Error(vote.Err)
		}
	}
	c.pass(time.Second)
	equal(c)
}

func TestInterruptedWhileTheLogIsReplayed(t *testing.T) {
	c, _ := newForgetful(t)
	historyOf(c)
	c.propose(0, "last")
	c.pass(100 * time.Millisecond)
	n := c.nodes[0]
	again := &forgetful{batcher: batcher{recorder: recorder{id: 1}}, savedTo: sm.NoCheckpoint, dieAt: "1:a1"}
	n.edit = func(cfg *Config) { cfg.StateMachines = []sm.StateMachine{again, &recorder{id: 2}} }
	n.start(n.ids())
	n.rec = &again.recorder
	c.pass(4 * time.Second)
	c.propose(0, "more")
	c.pass(time.Second)
	equal(c)
	if again.replays < 6 {
		t.Errorf("%d entries replayed", again.replays)
	}
}

func TestLateMachineGetsNothingOlderAgain(t *testing.T) {
	c, _ := newForgetful(t)
	for i := range 3 {
		c.propose(i, fmt.Sprint(i))
		c.run()
	}
	late := &forgetful{batcher: batcher{recorder: recorder{id: 3}}, savedTo: sm.NoCheckpoint}
	for i, n := range c.nodes {
		m := sm.StateMachine(&recorder{id: 3})
		if i == 0 {
			m = late
		}
		if err := n.g.AddStateMachine(m); err != nil {
			t.Fatal(err)
		}
	}
	c.proposeMany(0, "3:a", "1:b", "3:c")
	c.run()
	late.die()
	c.pass(time.Second)
	if want := []string{"3/0 3:a", "3/2 3:c"}; !slices.Equal(late.entries, want) || late.given != 4 {
		t.Errorf("executed %q, want %q; %d given", late.entries, want, late.given)
	}
}

// An error of that name from a machine that cannot fall back is a failure as
// any other.
func TestInterruptedWithoutRewinder(t *testing.T) {
	c, machines := newBatchers(t, 3)
	broken := true
	machines[0].fail = func(sm.Entry) error {
		if broken {
			return errDied
		}
		return nil
	}
	tk := c.propose(0, "a")
	c.run()
	if !errors.Is(tk.Err, ErrExecuteFailed) {
		t.Errorf("%+v", tk)
	}
	broken = false
	c.pass(time.Second)
	if len(machines[0].entries) != 1 {
		t.Errorf("executed %q", machines[0].entries)
	}
}
