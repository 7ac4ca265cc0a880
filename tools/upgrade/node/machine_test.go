package main

import (
	"os"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

func open(t *testing.T, dir string) *machine {
	t.Helper()
	m, err := openMachine(dir, 0, func(text string) { t.Error(text) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.file.Close() })
	return m
}

// execute gives m the values of instances from to to-1.
func execute(t *testing.T, m *machine, from, to uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		e := sm.Entry{Instance: i, Last: true, Value: protocol.Key{Seq: uint32(i)}.Value()}
		if _, err := m.Execute(e); err != nil {
			t.Fatal(err)
		}
	}
}

// entries are what the checkpoint of m holds.
func entries(t *testing.T, m *machine) []protocol.Executed {
	t.Helper()
	b, err := os.ReadFile(m.historyPath(m.saved.Number))
	if err != nil {
		t.Fatal(err)
	}
	all, err := protocol.ParseHistory(b[:m.saved.Bytes])
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		if e.Instance != uint64(i) || e.Key.Seq != uint32(i) {
			t.Fatalf("entry %d is %+v", i, e)
		}
	}
	return all
}

// A machine that is killed goes on at its checkpoint; what it had executed
// after that comes again.
func TestMachineGoesOnAtItsCheckpoint(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir)
	if m.CheckpointInstance(0) != sm.NoCheckpoint {
		t.Fatal("a new machine has a checkpoint")
	}
	execute(t, m, 0, saveEvery+50)
	m = open(t, dir)
	at := m.CheckpointInstance(0)
	if at != saveEvery {
		t.Fatalf("checkpoint at %d", at)
	}
	execute(t, m, at+1, 2*saveEvery+10)
	if err := m.save(); err != nil {
		t.Fatal(err)
	}
	if n := len(entries(t, m)); n != 2*saveEvery+10 {
		t.Errorf("%d entries", n)
	}
}

func TestMachineTakesASnapshot(t *testing.T) {
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	if _, err := from.Snapshot(0); err == nil {
		t.Error("a machine without a checkpoint sends one")
	}
	execute(t, from, 0, saveEvery+1)
	execute(t, to, 0, 5)
	s, err := from.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, from, saveEvery+1, 3*saveEvery) // the snapshot stays as it is
	if err := to.LoadSnapshot(0, s); err != nil {
		t.Fatal(err)
	}
	s.Release()
	if at := to.CheckpointInstance(0); at != s.Instance || len(entries(t, to)) != saveEvery+1 {
		t.Errorf("checkpoint at %d, %d entries", at, len(entries(t, to)))
	}
	execute(t, to, s.Instance+1, 3*saveEvery)
	if err := to.save(); err != nil {
		t.Fatal(err)
	}
	if n := len(entries(t, to)); n != 3*saveEvery {
		t.Errorf("%d entries", n)
	}
}

func TestMachineNoticesDamageAndRepetition(t *testing.T) {
	var faults []string
	m, err := openMachine(t.TempDir(), 0, func(text string) { faults = append(faults, text) })
	if err != nil {
		t.Fatal(err)
	}
	defer m.file.Close()
	execute(t, m, 0, 3)
	execute(t, m, 2, 3)
	if _, err := m.Execute(sm.Entry{Instance: 3, Last: true, Value: []byte("nothing that was proposed")}); err != nil {
		t.Fatal(err)
	}
	if len(faults) != 2 {
		t.Errorf("faults %q", faults)
	}
}
