package phxpaxos

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

// bootIdle starts a node that has a state machine without entries as well,
// which can neither make nor load a checkpoint.
func (c *ledgers) bootIdle(i int) {
	c.t.Helper()
	m, err := openTally(1, c.smDir(i), 100)
	if err != nil {
		c.t.Fatal(err)
	}
	c.machines[i] = m
	o := &c.options[i]
	o.LogStoragePath, o.StateMachines, o.Network = c.logDir(i), []sm.StateMachine{m, newRegister(5)}, c.hub.network(o.MyNode)
	if err := os.MkdirAll(o.LogStoragePath, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.start(i)
}

// TestIdleMachineOnRealDirectories: with a state machine that never gets an
// entry the log is trimmed, a node starts again, one that was wiped comes
// back, and a ledger that is damaged or newer stops the start and stays.
func TestIdleMachineOnRealDirectories(t *testing.T) {
	c := newLedgers(t, 3, nil)
	for i := range 3 {
		must(t, c.nodes[i].Close())
		c.bootIdle(i)
	}
	c.propose(0, 1500)
	for i := range 3 {
		await.True(t, "the log is trimmed", func() bool {
			at, err := c.nodes[i].MinChosenInstanceID(0)
			return err == nil && at >= 500
		})
	}
	must(t, c.nodes[1].Close())
	c.bootIdle(1)
	c.wipe(2)
	c.bootIdle(2)
	c.propose(0, 20)
	c.level()
	if c.machines[2].loads.Load() == 0 {
		t.Error("the wiped node has loaded no checkpoint")
	}

	files, err := filepath.Glob(filepath.Join(c.logDir(1), "*", "*", ledger.FileName))
	if err != nil || len(files) != 1 {
		t.Fatalf("ledgers %q, %v", files, err)
	}
	must(t, c.nodes[1].Close())
	c.nodes[1] = nil
	whole, err := os.ReadFile(files[0])
	must(t, err)
	refused := func(what string, want error) {
		t.Helper()
		before, err := os.ReadFile(files[0])
		must(t, err)
		o := c.options[1]
		o.Network = c.hub.network(o.MyNode)
		n, err := Run(o)
		if err == nil {
			err = n.GroupError(0)
			must(t, n.Close())
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		if after, err := os.ReadFile(files[0]); err != nil || string(after) != string(before) {
			t.Errorf("%s: the file was changed, %v", what, err)
		}
	}
	must(t, os.WriteFile(files[0], append([]byte("x"), whole[1:]...), 0o644))
	refused("a damaged ledger", storage.ErrDamaged)
	must(t, smallfile.Write(osfs.FS{}, files[0], ledger.FileKind, ledger.Format+1, nil))
	refused("a newer ledger", storage.ErrNewerFormat)
	must(t, os.WriteFile(files[0], whole, 0o644))
	c.bootIdle(1)
	c.level()
}
