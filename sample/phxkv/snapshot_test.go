package phxkv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// A snapshot taken while a group goes on is one state of it: the instances
// behind it lead to the same end.
func TestSnapshotAndLoad(t *testing.T) {
	for seed := range uint64(4) {
		s := newScript(t, int(seed%Groups), 80, rand.New(rand.NewPCG(seed, 7)))
		from := open(t, t.TempDir())
		var snaps []sm.Snapshot
		for i, e := range s.entries {
			execute(t, from, e)
			if i%40 == 39 {
				snap, err := from.Snapshot(s.group)
				if err != nil {
					t.Fatal(err)
				}
				if at := from.CheckpointInstance(s.group); snap.Instance > at {
					t.Fatalf("snapshot of instance %d, and only %d is durable", snap.Instance, at)
				}
				snaps = append(snaps, snap)
			}
		}
		want := state(t, from, s.group)
		for _, snap := range snaps {
			to := open(t, t.TempDir())
			other := newScript(t, s.group, 20, rand.New(rand.NewPCG(seed, 8)))
			other.replay(t, to) // what it held before goes
			if err := to.LoadSnapshot(s.group, snap); err != nil {
				t.Fatal(err)
			}
			if at := to.CheckpointInstance(s.group); at != snap.Instance {
				t.Fatalf("checkpoint is %d, want %d", at, snap.Instance)
			}
			again := open(t, crash(t, to)) // it is durable
			for _, m := range []*Machine{to, again} {
				s.replay(t, m)
				if got := state(t, m, s.group); !maps.Equal(got, want) {
					t.Fatalf("seed %d, snapshot of instance %d:\n%v\nwant\n%v", seed, snap.Instance, got, want)
				}
			}
		}
		for _, snap := range snaps {
			snap.Release()
			if _, err := os.Stat(snap.Dir); err == nil {
				t.Errorf("%s is left after Release", snap.Dir)
			}
		}
	}
}

func someSnapshot(t *testing.T) (*Machine, sm.Snapshot) {
	t.Helper()
	from := open(t, t.TempDir())
	for i := range 10 {
		execute(t, from, sm.Entry{Group: 1, Instance: uint64(i), Last: true, Value: operation(t, operatorWrite, keyOf(1, i), "v", 0)})
	}
	snap, err := from.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	return from, snap
}

// A snapshot that is damaged, cut or another group's changes nothing.
func TestBadSnapshots(t *testing.T) {
	_, snap := someSnapshot(t)
	whole, err := os.ReadFile(filepath.Join(snap.Dir, snapshotFile))
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	to := open(t, path)
	execute(t, to, sm.Entry{Group: 1, Instance: 3, Last: true, Value: operation(t, operatorWrite, "a", "old", 0)})
	execute(t, to, sm.Entry{Group: 0, Instance: 3, Last: true, Value: operation(t, operatorWrite, "c", "old", 0)})
	want := [2]map[string]string{state(t, to, 0), state(t, to, 1)}
	try := func(what string, group int, content []byte, change func(*sm.Snapshot)) {
		bad := sm.Snapshot{Instance: snap.Instance, Dir: t.TempDir(), Files: snap.Files}
		if err := os.WriteFile(filepath.Join(bad.Dir, snapshotFile), content, 0o664); err != nil {
			t.Fatal(err)
		}
		change(&bad)
		if err := to.LoadSnapshot(group, bad); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", what, err)
		}
		if got := state(t, to, group); !maps.Equal(got, want[group]) {
			t.Errorf("%s: left %v, want %v", what, got, want[group])
		}
	}
	none := func(*sm.Snapshot) {}
	for i := 0; i < len(whole); i += 5 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1 << (i % 8)
		try(fmt.Sprintf("bit flipped in byte %d", i), 1, damaged, none)
	}
	for _, n := range []int{0, 1, len(snapshotMagic), len(whole) / 2, len(whole) - 4, len(whole) - 1} {
		try(fmt.Sprintf("cut to %d bytes", n), 1, whole[:n], none)
	}
	try("something behind it", 1, append(bytes.Clone(whole), 0), none)
	try("another group's", 0, whole, none)
	try("of another instance", 1, whole, func(s *sm.Snapshot) { s.Instance++ })
	try("no file", 1, whole, func(s *sm.Snapshot) { s.Files = nil })
	try("an original's", 1, whole, func(s *sm.Snapshot) { s.Files = []string{"000003.log", "CURRENT"} })
	left, err := filepath.Glob(filepath.Join(path, "*"+unfinished))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A crash at any point of loading leaves the old state or the new one.
func TestCrashWhileLoading(t *testing.T) {
	from, snap := someSnapshot(t)
	path := t.TempDir()
	to := open(t, path)
	execute(t, to, sm.Entry{Group: 1, Instance: 3, Last: true, Value: operation(t, operatorWrite, "a", "old", 0)})
	oldState := state(t, to, 1)
	before := crash(t, to)
	if err := to.LoadSnapshot(1, snap); err != nil {
		t.Fatal(err)
	}
	after := crash(t, to)
	newState := state(t, from, 1)

	// Before the rename: the new one has another name.
	building := copyTree(t, before)
	copyInto(t, filepath.Join(after, "g1-1"), filepath.Join(building, "g1-1"+unfinished))
	// Behind the rename, before the old one is gone.
	both := copyTree(t, after)
	copyInto(t, filepath.Join(before, "g1-0"), filepath.Join(both, "g1-0"))
	// What an operator put there stays.
	copyInto(t, filepath.Join(before, "g1-0"), filepath.Join(both, "g1-backup"))

	for _, test := range []struct {
		what, path string
		want       map[string]string
	}{{"before", before, oldState}, {"building", building, oldState}, {"both", both, newState}, {"after", after, newState}} {
		if got := state(t, open(t, test.path), 1); !maps.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.what, got, test.want)
		}
		dirs, err := filepath.Glob(filepath.Join(test.path, "g1-*"))
		for _, dir := range dirs {
			if name := filepath.Base(dir); len(dirs) > 1 && name != "g1-backup" && name != "g1-1" {
				t.Errorf("%s: %s is left, %v", test.what, name, err)
			}
		}
	}
}

func copyInto(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	m := open(t, t.TempDir())
	if snap, err := m.Snapshot(0); err == nil {
		t.Errorf("a snapshot of instance %d of nothing", snap.Instance)
	}
}

// pairs are what readSnapshot sees.
func FuzzReadSnapshot(f *testing.F) {
	f.Add([]byte(snapshotMagic + "\x00\x00\x00\x00\x00"))
	f.Add([]byte(snapshotMagic + "\x01d\x01v\x00\x00\x00\x00\x00"))
	f.Add([]byte(snapshotMagic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		err := readSnapshot(bytes.NewReader(b), func(key, value []byte) error {
			total += len(key) + len(value)
			return nil
		})
		if total > len(b) {
			t.Errorf("%d bytes came out of %d", total, len(b))
		}
		if err != nil && !errors.Is(err, ErrSnapshot) {
			t.Errorf("error %v", err)
		}
		if err == nil && !strings.HasPrefix(string(b), snapshotMagic) {
			t.Error("accepted without magic")
		}
	})
}
