package group

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// saver is a recorder whose checkpoint the test moves.
type saver struct {
	recorder
	at uint64
}

func newSaver(id sm.ID) *saver { return &saver{recorder{id: id}, sm.NoCheckpoint} }

func (s *saver) CheckpointInstance(int) uint64 { return s.at }

// trimming is a group of one node with three machines, whose log keeps 100
// instances.
type trimming struct {
	t *testing.T
	*cluster
	n    *testNode
	m    []*saver
	more func(*Config)
	read []uint64 // instances that a start read
}

func newTrimming(t *testing.T, more func(*Config)) *trimming {
	f := &trimming{t: t, more: more, m: []*saver{newSaver(1), newSaver(2), newSaver(3)}}
	f.cluster = newCluster(t, 1, f.config)
	f.n = f.nodes[0]
	return f
}

func (f *trimming) config(cfg *Config) {
	cfg.Hold, cfg.StateMachines = 100, nil
	for _, m := range f.m {
		cfg.StateMachines = append(cfg.StateMachines, m)
	}
	if f.more != nil {
		f.more(cfg)
	}
}

// propose decides so many values for a machine, one in each instance.
func (f *trimming) propose(m *saver, count int) {
	f.t.Helper()
	for i := range count {
		tk := &Ticket{SM: m.id, Value: []byte(fmt.Sprint(i))}
		f.n.g.Propose(tk)
		f.run()
		if tk.Err != nil || tk.Instance+1 != f.n.g.Instance() {
			f.t.Fatalf("%+v", tk)
		}
	}
}

// clean lets time pass and does what the group wants done with files.
func (f *trimming) clean() {
	f.t.Helper()
	for range 60 {
		f.pass(100 * time.Millisecond)
		if err := f.n.g.Err(); err != nil {
			f.t.Fatal(err)
		}
		for len(f.n.jobs) > 0 {
			j := f.n.jobs[0]
			f.n.jobs = f.n.jobs[1:]
			switch j.Kind {
			case KeepLedger:
				f.n.vars[Ledger] = j.Ledger
			case CleanLog:
				f.n.vars[MinChosen] = AppendInstance(nil, j.Instance)
				for i := range f.n.log {
					if i < j.Instance {
						delete(f.n.log, i)
					}
				}
			}
			f.n.g.JobDone(JobResult{Kind: j.Kind, Instance: j.Instance})
		}
	}
}

// restart opens the group again, with new machines whose durable state is that
// of the old ones. It returns how many instances were replayed into each.
func (f *trimming) restart(machines ...*saver) (given []int, err error) {
	f.t.Helper()
	for _, m := range machines {
		m.entries = nil
	}
	f.m, f.n.queue, f.n.jobs = machines, nil, nil
	cfg := f.n.g.cfg
	f.config(&cfg)
	g, err := Open(cfg, f.n, f.now)
	if err == nil {
		f.n.g = g
	}
	for _, m := range machines {
		given = append(given, len(m.entries))
	}
	return given, err
}

// reopen is restart with the same machines.
func (f *trimming) reopen() []int {
	f.t.Helper()
	given, err := f.restart(f.m...)
	if err != nil {
		f.t.Fatal(err)
	}
	return given
}

// TestIdleMachineHoldsNothing: of three machines one never gets an entry, and
// one got one long ago.
func TestIdleMachineHoldsNothing(t *testing.T) {
	f := newTrimming(t, nil)
	busy, once := f.m[0], f.m[1]
	f.propose(once, 1)
	once.at = 0
	f.propose(busy, 3000)
	busy.at = 2990
	f.clean()
	if min := f.n.g.MinChosen(); min < 2800 {
		t.Errorf("the log begins at %d, want 2 891, 100 below what the busy machine has", min)
	}
	if given := f.reopen(); given[0] != 9 || given[1] != 0 || given[2] != 0 {
		t.Errorf("replayed %v, want the 9 behind the busy machine's checkpoint", given)
	}
	f.propose(f.m[2], 1) // the first ever
	f.propose(once, 1)
	f.propose(busy, 500)
	busy.at = 3500
	f.clean()
	if min := f.n.g.MinChosen(); min > 3001 {
		t.Errorf("the log begins at %d, and instance 3001 is in no checkpoint", min)
	}
	given := f.reopen()
	if given[1] != 1 || given[2] != 1 {
		t.Errorf("replayed %v, want the entries that are in no checkpoint", given)
	}
	once.at, f.m[2].at = 3002, 3001
	f.propose(busy, 1000)
	busy.at = f.n.g.Instance() - 1
	f.clean()
	if min := f.n.g.MinChosen(); min < 4300 {
		t.Errorf("the log begins at %d though every entry is in a checkpoint", min)
	}
	if given := f.reopen(); given[0]+given[1]+given[2] != 0 {
		t.Errorf("replayed %v", given)
	}
}

// TestLeaseRenewalsHoldNothing: a machine without entries, and elections alone.
func TestLeaseRenewalsHoldNothing(t *testing.T) {
	f := newTrimming(t, func(cfg *Config) { cfg.UseMaster, cfg.MasterLease = true, time.Second })
	f.propose(f.m[0], 1)
	f.m[0].at = f.n.g.Instance() - 1
	for f.n.g.Instance() < 3000 {
		f.clean()
	}
	if min := f.n.g.MinChosen(); min < 2500 {
		t.Errorf("the log begins at %d of %d", min, f.n.g.Instance())
	}
	stored, err := ledger.Decode(f.n.vars[Ledger])
	if err != nil || f.n.g.Instance()-stored.Through > ledgerReplay+100 {
		t.Errorf("a start replays from %d to %d, %v", stored.Through, f.n.g.Instance(), err)
	}
	if given := f.reopen(); given[0] != 0 {
		t.Errorf("replayed %v", given)
	}
}

// TestReplayIsBoundedWithoutTrimming: with the default of a million instances
// nothing is trimmed for long, and yet a start replays little.
func TestReplayIsBoundedWithoutTrimming(t *testing.T) {
	f := newTrimming(t, func(cfg *Config) { cfg.Hold = 0 })
	f.propose(f.m[0], 2*ledgerReplay+500)
	f.m[0].at = f.n.g.Instance() - 1
	f.clean()
	f.propose(f.m[0], ledgerReplay/2)
	from := f.n.g.entries.stored.Through
	if at := f.n.g.Instance(); f.n.g.MinChosen() != 0 || at-from > ledgerReplay {
		t.Fatalf("the log begins at %d; a start replays from %d to %d", f.n.g.MinChosen(), from, at)
	}
	if given := f.reopen(); given[0] != ledgerReplay/2-1 { // the last one may be undecided
		t.Errorf("replayed %v, want %d", given, ledgerReplay/2-1)
	}
}

// trimmed is a group with one busy machine and two that are done, whose log is
// trimmed beyond these.
func trimmed(t *testing.T, more func(*Config)) *trimming {
	f := newTrimming(t, more)
	f.propose(f.m[1], 5)
	f.m[1].at = 4
	f.propose(f.m[0], 2000)
	f.m[0].at = 2004
	f.clean()
	return f
}

// TestLostStateIsNoticed: the log no longer holds what a machine lost, and its
// checkpoint says none, or less than it had.
func TestLostStateIsNoticed(t *testing.T) {
	for what, lost := range map[string]func(f *trimming){
		"a machine without later entries lost all":       func(f *trimming) { f.m[1] = newSaver(2) },
		"it came back with an old backup":                func(f *trimming) { f.m[1].at = 3 },
		"the busy one lost all":                          func(f *trimming) { f.m[0] = newSaver(1) },
		"the ledger was lost and one without is idle":    func(f *trimming) { delete(f.n.vars, Ledger) },
		"another version trimmed the log, and one is at": func(f *trimming) { f.n.vars[Ledger] = (&ledger.Ledger{Through: 10}).Append(nil) },
	} {
		f := trimmed(t, nil)
		if f.n.g.MinChosen() < 1000 {
			t.Fatalf("%s: the log begins at %d", what, f.n.g.MinChosen())
		}
		lost(f)
		if _, err := f.restart(f.m...); !errors.Is(err, ErrLogGap) || !strings.Contains(err.Error(), "state machine ") {
			t.Errorf("%s: %v, want an error that matches ErrLogGap and names the machine", what, err)
		}
	}
	f := trimmed(t, nil)
	f.n.vars[Ledger] = []byte("rotten")
	if _, err := f.restart(f.m...); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("a damaged ledger: %v", err)
	}
}

// TestNewMachineOnATrimmedLog: a machine that can have had no entry needs none,
// from the start or later; one that had some, and was not registered meanwhile,
// needs them.
func TestNewMachineOnATrimmedLog(t *testing.T) {
	f := trimmed(t, nil)
	if given, err := f.restart(append(f.m, newSaver(9))...); err != nil || given[3] != 0 {
		t.Errorf("a new machine: replayed %v, %v", given, err)
	}
	f.propose(f.m[3], 1)
	f.propose(f.m[0], 1)
	if given := f.reopen(); given[3] != 1 {
		t.Errorf("its first entry: replayed %v", given)
	}
	f = trimmed(t, nil)
	old := f.m[1]
	if _, err := f.restart(f.m[0]); err != nil {
		t.Fatal(err)
	}
	f.propose(f.m[0], 1500)
	f.m[0].at = f.n.g.Instance() - 1
	f.clean()
	if err := f.n.g.AddStateMachine(newSaver(2)); !errors.Is(err, ErrLogGap) {
		t.Errorf("a machine that has lost its entries is added: %v", err)
	}
	if err := f.n.g.AddStateMachine(newSaver(1)); !errors.Is(err, ErrMachineExists) {
		t.Errorf("a second one: %v", err)
	}
	if err := f.n.g.AddStateMachine(old); err != nil {
		t.Errorf("one that has all of its entries: %v", err)
	}
	if err := f.n.g.AddStateMachine(newSaver(7)); err != nil {
		t.Errorf("one that had none: %v", err)
	}
	if _, err := f.restart(f.m[0], old, newSaver(7)); err != nil {
		t.Errorf("all of them from the start: %v", err)
	}
	if _, err := f.restart(f.m[0], newSaver(2)); !errors.Is(err, ErrLogGap) {
		t.Errorf("a machine that has lost its entries: %v", err)
	}
}

// TestOlderDirectory: where no ledger was kept, what lies before the slowest
// machine is unknown, so a machine that was never there has to have it all.
func TestOlderDirectory(t *testing.T) {
	f := trimmed(t, func(cfg *Config) { cfg.NoLedger = true })
	if min := f.n.g.MinChosen(); min != 0 {
		t.Fatalf("without a ledger the log is trimmed to %d", min)
	}
	f.m[1].at, f.m[2].at = 2004, 2004
	f.clean()
	if f.n.g.MinChosen() < 1000 || f.n.vars[Ledger] != nil {
		t.Fatalf("trimmed to %d", f.n.g.MinChosen())
	}
	f.more = func(cfg *Config) { cfg.NoLedger = false }
	f.reopen()
	f.propose(f.m[0], 1500)
	f.m[0].at = f.n.g.Instance() - 1
	f.clean()
	if min := f.n.g.MinChosen(); min < 3000 {
		t.Errorf("with a ledger the log is trimmed to %d", min)
	}
	if _, err := f.restart(append(f.m, newSaver(9))...); !errors.Is(err, ErrLogGap) {
		t.Errorf("what the log once had for machine 9 is not known, and it starts: %v", err)
	}
}

// TestOriginalCanStart: in the original's layout the log always holds what
// lies behind the newest checkpoint.
func TestOriginalCanStart(t *testing.T) {
	f := newTrimming(t, func(cfg *Config) {
		cfg.KeepForOriginal, cfg.UseMaster, cfg.MasterLease = true, true, time.Second
	})
	f.propose(f.m[0], 500)
	f.m[0].at = f.n.g.Instance() - 1
	first := f.m[0].at + 1
	for f.n.g.Instance() < 2500 {
		f.clean()
	}
	if min := f.n.g.MinChosen(); min < first/2 || min > first {
		t.Errorf("the log begins at %d; an original node begins at %d", min, first)
	}
	if f.n.g.entries.stored.Through < 1400 {
		t.Errorf("a start replays from %d", f.n.g.entries.stored.Through)
	}
}

// TestPowerLossBehindTheLedger: the end of the log was not durable, so the
// ledger is ahead of it; what is learned again is given to machines once.
func TestPowerLossBehindTheLedger(t *testing.T) {
	f := trimmed(t, nil)
	for i := f.n.g.Instance() - 20; i <= f.n.g.Instance(); i++ {
		delete(f.n.log, i)
	}
	f.m[0].at = 1990
	at := f.n.g.Instance()
	f.reopen()
	if got := f.n.g.Instance(); got >= at || got < at-30 {
		t.Fatalf("at %d, it was at %d", got, at)
	}
	f.propose(f.m[1], 1) // without syncs all nodes may have lost the values that were there
	f.propose(f.m[0], 1200)
	f.m[0].at = f.n.g.Instance() - 1
	f.clean()
	if given := f.reopen(); given[1] != 1 {
		t.Errorf("replayed %v, want the entry that is in no checkpoint", given)
	}
}

// Without syncs a power loss takes the end of the log, while all machines have
// saved more. What is decided there anew is given to nobody twice, and is
// lacked by nobody, also after the next crash.
func TestLedgerIsReplacedWhenMachinesAreAhead(t *testing.T) {
	f := newTrimming(t, func(cfg *Config) { cfg.NoSync = true })
	f.propose(f.m[1], 5)
	f.m[1].at = 4
	f.propose(f.m[0], 2000)
	f.m[0].at, f.m[1].at, f.m[2].at = 2004, 1990, 1990
	f.clean()
	if through := f.n.g.entries.stored.Through; through != 2005 {
		t.Fatalf("the ledger goes to %d", through)
	}
	for i := f.n.g.Instance() - 20; i <= f.n.g.Instance(); i++ {
		delete(f.n.log, i)
	}
	f.reopen()
	if at := f.n.g.Instance(); at != 1991 {
		t.Fatalf("at %d", at)
	}
	f.propose(f.m[1], 3) // 1991 to 1993, acknowledged
	f.propose(f.m[2], 2)
	if given := f.reopen(); given[1] != 3 || given[2] != 1 {
		t.Errorf("after a crash the machines get %v, want 3 and 1, which are in no checkpoint (the last instance is decided anew)", given)
	}
}
