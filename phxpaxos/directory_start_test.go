package phxpaxos

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// A loss of power at any step of the first start, of a later one, of one with
// more groups and of a move: the next start needs no hand, and its incarnation
// is above every one that a packet may have carried.
func TestStartAfterLossOfPower(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		first := soloOptions(ids(2)[0], "/log", l, 2)
		more, moved := first, first
		more.GroupCount = 3
		moved.MyNode, moved.AdoptDirectory = ids(2)[1], true
		for _, c := range []struct {
			name   string
			starts int
			last   Options
		}{{"first", 0, first}, {"later", 1, first}, {"more groups", 1, more}, {"move", 1, moved}} {
			t.Run(c.name, func(t *testing.T) {
				cuts := 0
				for done := false; !done; cuts++ {
					done = startWithCut(t, first, c.last, c.starts, cuts)
				}
				t.Logf("%d steps", cuts)
			})
		}
	})
}

// startWithCut reports whether the start got through before the power went.
func startWithCut(t *testing.T, first, last Options, starts, steps int) bool {
	t.Helper()
	policy := memfs.Policy(steps % memfs.Policies)
	r := rand.New(rand.NewPCG(uint64(steps), 7))
	disk := memfs.New()
	var before uint64
	for range starts {
		id, err := openOn(disk, first)
		if err != nil {
			t.Fatal(err)
		}
		before = id.Directory
	}
	disk.CrashAfter(steps)
	cut, err := openOn(disk, last)
	disk = disk.Crash(policy, r)
	id, again := openOn(disk, last)
	if again != nil {
		t.Fatalf("power cut after %d steps, policy %d: %v", steps, policy, again)
	}
	if id.Incarnation <= uint64(starts) || cut.Incarnation != 0 && id.Incarnation <= cut.Incarnation {
		t.Fatalf("power cut after %d steps, policy %d: incarnation %d after %d starts and %d", steps, policy, id.Incarnation, starts, cut.Incarnation)
	}
	if starts > 0 && id.Directory != before {
		t.Fatalf("power cut after %d steps, policy %d: the directory id changed", steps, policy)
	}
	return err == nil
}

// openOn opens a log as a node does, writes to it and closes it. It returns
// what is recorded once that is durable, and zeros before.
func openOn(disk *memfs.FS, o Options) (identity.Identity, error) {
	opened, err := logOpener{fsys: disk, observer: newObserver(nil, nil)}.open(&o)
	if err != nil {
		return identity.Identity{}, err
	}
	return opened.owner.get(), opened.close()
}

// keeping is log storage in memory that keeps the identity.
type keeping struct {
	*memory
	blob []byte
	fail error
}

func (k *keeping) Identity() ([]byte, error) {
	if k.blob == nil {
		return nil, fmt.Errorf("identity: %w", storage.ErrNotFound)
	}
	return k.blob, k.fail
}

func (k *keeping) SetIdentity(b []byte) error {
	if k.fail == nil {
		k.blob = append([]byte(nil), b...)
	}
	return k.fail
}

func TestStorageOfTheProgramKeepsTheIdentity(t *testing.T) {
	all, k := ids(2), &keeping{memory: newMemory(2)}
	options := func(i int) Options {
		o := soloOptions(all[i], "", LayoutAuto, 2)
		o.LogStorage = k
		return o
	}
	first := mustVisit(t, options(0))
	if first.Layout != "own" || first.Incarnation != 1 {
		t.Errorf("recorded as %v", first)
	}
	if _, err := visit(t, options(1)); !errors.Is(err, ErrForeignDirectory) || !errors.Is(err, ErrStorage) {
		t.Errorf("another node: %v", err)
	}
	lower := options(0)
	lower.GroupCount = 1
	if _, err := visit(t, lower); !errors.Is(err, ErrForeignDirectory) {
		t.Errorf("fewer groups: %v", err)
	}
	if id := mustVisit(t, options(0)); id.Directory != first.Directory || id.Incarnation != 2 {
		t.Errorf("second start: %v", id)
	}
	k.fail = os.ErrPermission
	if _, err := visit(t, options(0)); !errors.Is(err, ErrStorage) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("a storage that fails: %v", err)
	}
	k.fail, k.blob = nil, []byte("garbage")
	if _, err := visit(t, options(0)); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
}

func TestStorageWithoutIdentityIsReportedOnce(t *testing.T) {
	var lines strings.Builder
	o := soloOptions(ids(1)[0], "", LayoutAuto, 3)
	o.LogStorage, o.Logger = newMemory(3), slog.New(slog.NewTextHandler(&lines, nil))
	mustVisit(t, o)
	if n := strings.Count(lines.String(), "IdentityKeeper"); n != 1 {
		t.Errorf("%d lines:\n%s", n, &lines)
	}
}

// A store of this library that the program opened is checked like a path.
func TestOpenStoreIsCheckedLikeAPath(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		all, dir := ids(2), t.TempDir()
		with := func(i int) error {
			var store storage.LogStorage
			var err error
			if l == LayoutShared {
				store, err = sharedlog.Open(dir, 2, sharedlog.Options{})
			} else {
				store, err = vfile.Open(dir, 2, vfile.Options{})
			}
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			o := soloOptions(all[i], "", LayoutAuto, 2)
			o.LogStorage = store
			_, err = visit(t, o)
			return err
		}
		for range 2 {
			if err := with(0); err != nil {
				t.Fatal(err)
			}
		}
		if err := with(1); !errors.Is(err, ErrForeignDirectory) {
			t.Errorf("another node: %v", err)
		}
		if id := mustVisit(t, soloOptions(all[0], dir, l, 2)); id.Incarnation != 3 {
			t.Errorf("opened by its path: %v", id)
		}
	})
}

// A relative path means what it meant when the node was started.
func TestRelativePathOutlivesChdir(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		base, elsewhere := t.TempDir(), t.TempDir()
		t.Chdir(base)
		machine := newRegister(1)
		o := soloOptions(ids(1)[0], "data/log", l, 1)
		o.StateMachines, o.LargeValueMode = []sm.StateMachine{machine}, true
		n, err := Run(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Chdir(elsewhere)
		big := make([]byte, 20<<20) // enough for a second segment
		for k := range 8 {
			if _, err := n.Propose(await.Context(t), 0, 1, big); err != nil {
				t.Fatalf("value %d after chdir: %v", k, err)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
			t.Errorf("the new working directory holds %v, %v", left, err)
		}
		again := newRegister(1)
		o.LogStoragePath, o.Network = filepath.Join(base, "data/log"), newHub().network(o.MyNode)
		o.StateMachines = []sm.StateMachine{again}
		if n, err = Run(o); err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		// The last value counts as decided when the next one is.
		if _, err := n.Propose(await.Context(t), 0, 1, []byte("one more")); err != nil {
			t.Fatal(err)
		}
		if found := len(again.values(0)); found != 9 {
			t.Errorf("%d values are there, want 9", found)
		}
	})
}

// Node 1 lost its disk and gets a copy of node 0's, which was away when values
// were decided. It is refused; with an empty directory it catches up, and no
// acknowledged value is lost.
func TestLostDiskReplacedByACopyOfAnotherNode(t *testing.T) {
	base := t.TempDir()
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		o.LogStorage, o.LogStoragePath = nil, filepath.Join(base, fmt.Sprint(i))
		o.UseMembership, o.FirstStart = true, false
	})
	propose := func(i, count int) {
		t.Helper()
		for k := range count {
			if _, err := c.nodes[i].Propose(await.Context(t), 0, 1, fmt.Appendf(nil, "value %d of node %d", k, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop := func(i int) {
		t.Helper()
		if err := c.nodes[i].Close(); err != nil {
			t.Fatal(err)
		}
	}
	propose(0, 10)
	c.agree(0, 10)
	stop(0)
	propose(1, 10) // of which node 0 knows nothing
	stop(1)
	copyDir(t, c.options[0].LogStoragePath, c.options[1].LogStoragePath)
	c.options[1].Network = c.hub.network(c.options[1].MyNode)
	if _, err := Run(c.options[1]); !errors.Is(err, ErrForeignDirectory) {
		t.Fatalf("node 1 with the directory of node 0: %v", err)
	}
	if err := os.RemoveAll(c.options[1].LogStoragePath); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1} {
		c.machines[i] = newRegister(1)
		c.options[i].StateMachines = []sm.StateMachine{c.machines[i]}
		c.options[i].Network = c.hub.network(c.options[i].MyNode)
		c.start(i)
	}
	c.agree(0, 20)
	propose(1, 1)
	c.agree(0, 21)
}
