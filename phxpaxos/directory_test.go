package phxpaxos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/identity"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
)

// bothLayouts runs a test for logs of either layout.
func bothLayouts(t *testing.T, test func(t *testing.T, l LogLayout)) {
	for _, l := range []LogLayout{LayoutOriginal, LayoutShared} {
		t.Run(l.String(), func(t *testing.T) { test(t, l) })
	}
}

// soloOptions are those of a cluster of one node in a directory.
func soloOptions(me nodeid.ID, dir string, l LogLayout, groups int) Options {
	return Options{
		MyNode: me, Nodes: []nodeid.ID{me}, LogStoragePath: dir, LogLayout: l, GroupCount: groups,
		Network: newHub().network(me), StateMachines: []sm.StateMachine{newRegister(1)},
	}
}

// visit starts a node, proposes a value in each group, closes it, and returns
// what its log says.
func visit(t *testing.T, o Options) (identity.Identity, error) {
	t.Helper()
	n, err := Run(o)
	if err != nil {
		return identity.Identity{}, err
	}
	for g := range n.Groups() {
		if _, err := n.Propose(await.Context(t), g, 1, fmt.Appendf(nil, "of %v in group %d", o.MyNode, g)); err != nil {
			t.Fatal(err)
		}
	}
	id, status := n.owner.get(), n.Status()
	if status.Directory != id.Directory || status.Incarnation != id.Incarnation || status.Cluster != id.Cluster {
		t.Errorf("the status says %+v, the log says %v", status, id)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return id, nil
}

func mustVisit(t *testing.T, o Options) identity.Identity {
	t.Helper()
	id, err := visit(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// headBytes is how much of a file these tests look at: value files are mostly
// a hole of 100 MiB.
const headBytes = 1 << 20

// filesIn is every file below a directory with its size and how it begins.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			all[name] = "directory"
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(f, headBytes))
		all[name] = fmt.Sprint(st.Size(), " bytes: ", string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mustRefuse checks that a node does not start, why, and that nothing in its
// directory changed.
func mustRefuse(t *testing.T, what string, o Options, match error, parts ...string) {
	t.Helper()
	before := filesIn(t, o.LogStoragePath)
	_, err := visit(t, o)
	if !errors.Is(err, match) || !errors.Is(err, ErrStorage) {
		t.Errorf("%s: %v, want an error that matches %v", what, err, match)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q does not say %q", what, err, part)
		}
	}
	if !maps.Equal(before, filesIn(t, o.LogStoragePath)) {
		t.Errorf("%s: the directory changed", what)
	}
}

func exchange(t *testing.T, a, b string) {
	t.Helper()
	for _, move := range [][2]string{{a, a + ".moved"}, {b, a}, {a + ".moved", b}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(from))); err != nil {
		t.Fatal(err)
	}
}

// tearTail appends half a record to the newest file of a log, which the next
// start would cut off.
func tearTail(t *testing.T, dir string, l LogLayout) {
	t.Helper()
	name := filepath.Join(dir, "g0", "vfile", "0.f")
	if l == LayoutShared {
		name = filepath.Join(dir, "shared", "0000000000000001.log")
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, headBytes)
	_, err = f.ReadAt(head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil {
		_, err = f.WriteAt([]byte("\x40\x00\x00\x00 torn"), int64(len(bytes.TrimRight(head, "\x00"))))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// The logs of three nodes, exchanged, copied and renamed in every way.
func TestDirectoryOfAnotherNode(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		noLeaks(t)
		all, base := ids(3), t.TempDir()
		options := func(i int) Options {
			return soloOptions(all[i], filepath.Join(base, fmt.Sprint(i)), l, 2)
		}
		recorded := make([]identity.Identity, 3)
		for i := range all {
			recorded[i] = mustVisit(t, options(i))
			if want := (identity.Identity{Node: all[i], Groups: 2, Layout: l.String(), Directory: recorded[i].Directory, Incarnation: 1}); recorded[i] != want {
				t.Fatalf("node %d recorded %v", i, recorded[i])
			}
		}
		tearTail(t, options(0).LogStoragePath, l)
		for i := range all {
			for j := range i {
				what := fmt.Sprintf("directories %d and %d exchanged", i, j)
				exchange(t, options(i).LogStoragePath, options(j).LogStoragePath)
				mustRefuse(t, what, options(i), ErrForeignDirectory, "node "+all[i].String(), "node "+all[j].String(), "Options.AdoptDirectory")
				mustRefuse(t, what, options(j), ErrForeignDirectory, "node "+all[i].String(), "node "+all[j].String())
				exchange(t, options(i).LogStoragePath, options(j).LogStoragePath)
			}
		}
		// Another name of the directory is no other directory.
		o := options(0)
		o.LogStoragePath = filepath.Join(base, "renamed")
		if err := os.Rename(options(0).LogStoragePath, o.LogStoragePath); err != nil {
			t.Fatal(err)
		}
		if id := mustVisit(t, o); id.Directory != recorded[0].Directory || id.Incarnation != 2 {
			t.Errorf("renamed: %v, was %v", id, recorded[0])
		}
		// A deliberate move to another address.
		o = options(2)
		copyDir(t, options(1).LogStoragePath, o.LogStoragePath)
		mustRefuse(t, "a copy", o, ErrForeignDirectory)
		o.AdoptDirectory = true
		if id := mustVisit(t, o); id.Node != all[2] || id.Directory != recorded[1].Directory || id.Incarnation != 2 {
			t.Errorf("adopted: %v", id)
		}
		if id := mustVisit(t, options(2)); id.Incarnation != 3 {
			t.Errorf("the start after it: %v", id)
		}
		o = options(1)
		o.LogStoragePath = options(2).LogStoragePath
		mustRefuse(t, "the node that it came from", o, ErrForeignDirectory)
	})
}

func TestLoweredGroupCount(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		me, dir := ids(1)[0], t.TempDir()
		first := mustVisit(t, soloOptions(me, dir, l, 3))
		lower := soloOptions(me, dir, l, 2)
		mustRefuse(t, "lowered", lower, ErrForeignDirectory, "3 groups", "2 groups", "set GroupCount")
		lower.AdoptDirectory = true
		mustRefuse(t, "lowered, with the override", lower, ErrForeignDirectory)
		if id := mustVisit(t, soloOptions(me, dir, l, 5)); id.Groups != 5 || id.Directory != first.Directory {
			t.Errorf("raised: %v", id)
		}
		mustRefuse(t, "back to the first number", soloOptions(me, dir, l, 3), ErrForeignDirectory, "5 groups")
		if id := mustVisit(t, soloOptions(me, dir, l, 5)); id.Incarnation != 3 {
			t.Errorf("incarnation %d after three starts", id.Incarnation)
		}
	})
}

// Parts of directories: groups inside of a node, groups of two nodes, and the
// shared logs of two nodes.
func TestExchangedParts(t *testing.T) {
	all, base := ids(2), t.TempDir()
	for _, c := range []struct {
		layout LogLayout
		a, b   string
	}{
		{LayoutOriginal, "0/g0", "0/g2"},
		{LayoutOriginal, "0/g1", "1/g1"},
		{LayoutOriginal, "0/g0", "1/g2"},
		{LayoutShared, "0/shared", "1/shared"},
	} {
		t.Run(strings.ReplaceAll(c.a+" and "+c.b, "/", "."), func(t *testing.T) {
			home := filepath.Join(base, c.layout.String())
			options := func(i int) Options {
				return soloOptions(all[i], filepath.Join(home, fmt.Sprint(i)), c.layout, 3)
			}
			mustVisit(t, options(0))
			mustVisit(t, options(1))
			a, b := filepath.Join(home, c.a), filepath.Join(home, c.b)
			exchange(t, a, b)
			mustRefuse(t, "exchanged", options(0), ErrForeignDirectory, "stamped as", "AdoptDirectory")
			if strings.HasPrefix(c.b, "1/") {
				mustRefuse(t, "exchanged", options(1), ErrForeignDirectory, "stamped as")
			}
			// The stamps are enough, also when the file of the whole is lost: all
			// of them but one name another directory.
			if c.layout == LayoutOriginal {
				name := filepath.Join(options(0).LogStoragePath, identity.FileName)
				kept, err := os.ReadFile(name)
				if err == nil {
					err = os.Remove(name)
				}
				if err != nil {
					t.Fatal(err)
				}
				mustRefuse(t, "exchanged, identity lost", options(0), ErrForeignDirectory, "stamped as")
				if err := os.WriteFile(name, kept, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			exchange(t, a, b)
			mustVisit(t, options(0))
			mustVisit(t, options(1))
		})
	}
}

// What Clear puts in the place of a group's log is still that group's.
func TestClearKeepsTheStamp(t *testing.T) {
	me, dir := ids(1)[0], t.TempDir()
	mustVisit(t, soloOptions(me, dir, LayoutOriginal, 2))
	s, err := vfile.Open(dir, 2, vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Clear(0), s.Clear(1), s.Close()); err != nil {
		t.Fatal(err)
	}
	exchange(t, filepath.Join(dir, "g0"), filepath.Join(dir, "g1"))
	mustRefuse(t, "exchanged after Clear", soloOptions(me, dir, LayoutOriginal, 2), ErrForeignDirectory)
	exchange(t, filepath.Join(dir, "g0"), filepath.Join(dir, "g1"))
	mustVisit(t, soloOptions(me, dir, LayoutOriginal, 2))
}

func TestIdentityFileLostDamagedNewer(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		me, dir := ids(2)[0], t.TempDir()
		var lines strings.Builder
		o := func() Options {
			o := soloOptions(me, dir, l, 2)
			o.Logger = slog.New(slog.NewTextHandler(&lines, nil))
			return o
		}
		first := mustVisit(t, o())
		mustVisit(t, o())
		if strings.Contains(lines.String(), "did not say") {
			t.Errorf("a new log counts as adopted:\n%s", &lines)
		}
		name := filepath.Join(dir, identity.FileName)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		id := mustVisit(t, o())
		if id.Incarnation != 1 || id.Directory != first.Directory {
			t.Errorf("lost: adopted as %v, was %v", id, first)
		}
		mustVisit(t, o())
		if n := strings.Count(lines.String(), "did not say which node it belongs to"); n != 1 {
			t.Errorf("the adoption was logged %d times:\n%s", n, &lines)
		}
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, content := range [][]byte{nil, whole[:len(whole)/2], append(slices.Clone(whole), 0), bytes.ToUpper(whole)} {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, fmt.Sprintf("damaged, %d bytes", len(content)), o(), storage.ErrDamaged, identity.FileName, "remove this one file")
			adopt := o()
			adopt.AdoptDirectory = true
			mustRefuse(t, "damaged, with the override", adopt, storage.ErrDamaged)
		}
		if err := smallfile.Write(osfs.FS{}, name, "identity", 2, []byte("what nobody here can read")); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, "newer", o(), storage.ErrNewerFormat, identity.FileName, "install the newer version")
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		mustVisit(t, o())
	})
}

// An identity without a log: the log was lost, and FirstStart must not make
// the node forget that there was one.
func TestIdentityWithoutLog(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		all, dir := ids(2), t.TempDir()
		first := mustVisit(t, soloOptions(all[0], dir, l, 2))
		for _, part := range []string{"g0", "g1", "shared", "groups"} {
			if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
				t.Fatal(err)
			}
		}
		mustRefuse(t, "another node", soloOptions(all[1], dir, l, 2), ErrForeignDirectory)
		o := soloOptions(all[0], dir, l, 2)
		o.FirstStart = true
		opened, err := logOpener{fsys: osfs.FS{}, observer: newObserver(nil, nil)}.open(&o)
		if err != nil {
			t.Fatal(err)
		}
		id := opened.owner.get()
		if err := opened.close(); err != nil {
			t.Fatal(err)
		}
		if o.FirstStart {
			t.Error("FirstStart counts although the node has run before")
		}
		if id.Directory == first.Directory || id.Incarnation != 2 {
			t.Errorf("recorded as %v, was %v: a lost log is not the old one", id, first)
		}
		mustVisit(t, soloOptions(all[0], dir, l, 2))
	})
}

// watchedNet looks at the directory when the node may send its first packet.
type watchedNet struct {
	network.Network
	look func()
}

func (n *watchedNet) Start(r network.Receive) error {
	n.look()
	return n.Network.Start(r)
}

func TestIncarnationIsRecordedBeforeTheFirstPacket(t *testing.T) {
	bothLayouts(t, func(t *testing.T, l LogLayout) {
		dir := t.TempDir()
		for start := uint64(1); start <= 3; start++ {
			o := soloOptions(ids(1)[0], dir, l, 1)
			var seen *identity.Identity
			var err error
			o.Network = &watchedNet{o.Network, func() { seen, err = identity.Load(osfs.FS{}, filepath.ToSlash(dir)) }}
			mustVisit(t, o)
			if err != nil || seen == nil || seen.Incarnation != start {
				t.Fatalf("start %d: recorded is %v, %v", start, seen, err)
			}
		}
	})
}

func TestSetCluster(t *testing.T) {
	dir := t.TempDir()
	one, two := [16]byte{1}, [16]byte{2}
	o := soloOptions(ids(1)[0], dir, LayoutShared, 1)
	n, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.setCluster([16]byte{}); !errors.Is(err, ErrOptions) {
		t.Errorf("zeros: %v", err)
	}
	for range 2 {
		if err := n.setCluster(one); err != nil {
			t.Error(err)
		}
	}
	if err := n.setCluster(two); !errors.Is(err, ErrForeignDirectory) || !errors.Is(err, ErrStorage) {
		t.Errorf("a second one: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	o.Network = newHub().network(o.MyNode)
	if id := mustVisit(t, o); id.Cluster != one || id.Incarnation != 2 {
		t.Errorf("after a start: %v", id)
	}
}

func TestSetClusterThatFails(t *testing.T) {
	one, two, sick := [16]byte{1}, [16]byte{2}, errors.New("sick disk")
	var err error
	o := &owner{save: func(identity.Identity) error { return err }}
	err = sick
	if got := o.setCluster(one); !errors.Is(got, sick) || !errors.Is(got, ErrStorage) || o.get().Cluster == one {
		t.Errorf("%v, recorded %v", got, o.get())
	}
	err = nil
	if got := o.setCluster(two); !errors.Is(got, ErrForeignDirectory) {
		t.Errorf("another one, when the first may be on the disk: %v", got)
	}
	if got := o.setCluster(one); got != nil || o.get().Cluster != one {
		t.Errorf("%v, recorded %v", got, o.get())
	}
}
