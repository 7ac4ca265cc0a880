package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
)

func sample(t *testing.T) Identity {
	return Identity{Node: node(t, "10.0.0.1:7001"), Cluster: [16]byte{1, 15: 16}, Groups: 3, Layout: "original", Directory: 77, Incarnation: 5}
}

// The bytes may not change: directories outlive programs.
func TestBytesOnDisk(t *testing.T) {
	const want = "70687873" + "6d616c6c" + "0100" + "0800" + "35000000" + "6964656e74697479" +
		"591b00000a000001" + "01000000000000000000000000000010" + "03000000" + "4d00000000000000" + "0500000000000000" + "08" + "6f726967696e616c" + "00000000"
	got := sample(t).Encode()
	if a, b := hex.EncodeToString(got[:len(got)-4]), want[:len(want)-8]; a != b {
		t.Errorf("the identity is\n%s, want\n%s", a, b)
	}
	if id, err := Decode(got); err != nil || id != sample(t) {
		t.Errorf("decoded to %+v, %v", id, err)
	}
	if got, want := hex.EncodeToString((Stamp{0x4d, 2}).payload()), "4d0000000000000002000000"; got != want {
		t.Errorf("the stamp is %s, want %s", got, want)
	}
}

func TestAbsentDamagedNewer(t *testing.T) {
	disk := memfs.New()
	if id, err := Load(disk, "/"); id != nil || err != nil {
		t.Fatalf("absent: %v, %v", id, err)
	}
	must(t, Save(disk, "/", sample(t)))
	must(t, disk.FlipBit(FileName, 30, 3))
	if _, err := Load(disk, "/"); !errors.Is(err, storage.ErrDamaged) || !strings.Contains(err.Error(), "remove this one file") {
		t.Fatalf("damaged: %v", err)
	}
	must(t, smallfile.Write(disk, FileName, kind, format+1, []byte("another format")))
	if _, err := Load(disk, "/"); !errors.Is(err, storage.ErrNewerFormat) || errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("newer: %v", err)
	}
	// A checksum that is right over an identity that is none.
	must(t, smallfile.Write(disk, FileName, kind, format, []byte("short")))
	if _, err := Load(disk, "/"); !errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("short: %v", err)
	}
	must(t, disk.MkdirAll("g0"))
	must(t, smallfile.Write(disk, "g0/"+StampName, stampKind, stampFormat+1, nil))
	if _, err := LoadStamps(disk, "/", []string{"g0"}); !errors.Is(err, storage.ErrNewerFormat) {
		t.Fatalf("newer stamp: %v", err)
	}
	must(t, smallfile.Write(disk, "g0/"+StampName, stampKind, stampFormat, nil))
	if _, err := LoadStamps(disk, "/", []string{"g0"}); !errors.Is(err, storage.ErrDamaged) {
		t.Fatalf("short stamp: %v", err)
	}
}

func TestCopyStampKeepsEveryFormat(t *testing.T) {
	disk := memfs.New()
	must(t, disk.MkdirAll("a"))
	must(t, disk.MkdirAll("b"))
	must(t, CopyStamp(disk, "a", "b"))
	must(t, smallfile.Write(disk, "a/"+StampName, stampKind, 40000, []byte("of a newer version")))
	must(t, CopyStamp(disk, "a", "b"))
	if found, payload, err := smallfile.Read(disk, "b/"+StampName, stampKind, 40000); err != nil || found != 40000 || string(payload) != "of a newer version" {
		t.Fatalf("format %d, %q, %v", found, payload, err)
	}
}

// start is a start of a node as far as this package knows it; the log is made
// between the two steps.
func start(disk storage.FS, want Identity, override bool) (Examined, error) {
	_, err := disk.Stat("g0")
	e, err := Examine(disk, "/", err == nil, want, override)
	if err != nil {
		return e, err
	}
	for _, place := range Places(want.Layout, want.Groups) {
		if err := disk.MkdirAll(place); err != nil {
			return e, err
		}
	}
	return e, e.Complete(disk, "/", override)
}

// After a loss of power at any step of the first start and of later ones, the
// next start works, and the incarnation has grown.
func TestStartsSurviveLossOfPower(t *testing.T) {
	want := sample(t)
	want.Cluster = [16]byte{}
	more := want
	more.Groups = 5
	moved := want
	moved.Node = node(t, "10.0.0.2:7001")
	for _, c := range []struct {
		name     string
		before   int // starts
		want     Identity
		override bool
	}{
		{"first start", 0, want, false},
		{"second start", 1, want, false},
		{"more groups", 1, more, false},
		{"a move", 1, moved, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for policy := range memfs.Policy(memfs.Policies) {
				for steps, done := 0, false; !done; steps++ {
					done = startWithCrash(t, c.before, want, c.want, c.override, policy, steps)
				}
			}
		})
	}
}

func startWithCrash(t *testing.T, before int, first, want Identity, override bool, policy memfs.Policy, steps int) (done bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(steps), 1))
	disk := memfs.New()
	for range before {
		if _, err := start(disk, first, false); err != nil {
			t.Fatal(err)
		}
	}
	disk.CrashAfter(steps)
	cut, err := start(disk, want, override)
	disk = disk.Crash(policy, r)
	at := fmt.Sprintf("policy %d, %d steps", policy, steps)
	next := want
	next.Directory = 88 // drawn anew at each start
	e, again := start(disk, next, override)
	if again != nil {
		t.Fatalf("%s: the start after it: %v", at, again)
	}
	if err == nil && (e.Found == nil || e.Next.Incarnation != cut.Next.Incarnation+1) || e.Next.Incarnation <= uint64(before) {
		t.Fatalf("%s: incarnation %d after %d, %v", at, e.Next.Incarnation, cut.Next.Incarnation, err)
	}
	if before > 0 && e.Next.Directory != first.Directory {
		t.Fatalf("%s: the directory id changed to %d", at, e.Next.Directory)
	}
	if last, err := start(disk, next, false); err != nil || len(last.Stamps) > 0 {
		t.Fatalf("%s: a start later: %v, stamps %v are missing", at, err, last.Stamps)
	}
	return err == nil
}

func TestStampsAreWrittenOnce(t *testing.T) {
	disk := memfs.New()
	want := sample(t)
	for i, missing := range []int{0, 0, 0} { // a new directory has no logs, so none without a stamp
		e, err := start(disk, want, false)
		if err != nil || len(e.Stamps) != missing {
			t.Fatalf("start %d: %d stamps, %v", i+1, len(e.Stamps), err)
		}
	}
	must(t, disk.Remove("g1/"+StampName))
	e, err := start(disk, want, false)
	if err != nil || len(e.Stamps) != 1 || e.Stamps[0] != 1 {
		t.Fatalf("with one removed: %v, %v", e.Stamps, err)
	}
}

// Without its file a directory is adopted, with the id that its stamps name.
func TestLostIdentityFileTakesTheIDOfTheStamps(t *testing.T) {
	disk := memfs.New()
	if _, err := start(disk, sample(t), false); err != nil {
		t.Fatal(err)
	}
	must(t, disk.Remove(FileName))
	want := sample(t)
	want.Directory = 1234
	e, err := start(disk, want, false)
	if err != nil || e.Found != nil || e.Next.Directory != sample(t).Directory || e.Next.Incarnation != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
}

func BenchmarkStart1000Groups(b *testing.B) {
	for _, fresh := range []bool{true, false} {
		b.Run(map[bool]string{true: "first", false: "later"}[fresh], func(b *testing.B) {
			dir := b.TempDir()
			want := Identity{Node: 1, Groups: 1000, Layout: "original", Directory: 77}
			for _, place := range Places(want.Layout, want.Groups) {
				if err := (osfs.FS{}).MkdirAll(dir + "/" + place); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				e, err := Examine(osfs.FS{}, dir, true, want, false)
				if err == nil {
					err = e.Complete(osfs.FS{}, dir, false)
				}
				if err != nil {
					b.Fatal(err)
				}
				if !fresh {
					continue
				}
				b.StopTimer()
				for _, place := range Places(want.Layout, want.Groups) {
					if err := (osfs.FS{}).Remove(dir + "/" + place + "/" + StampName); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Identity{Node: 1, Groups: 1, Layout: "shared"}.payload())
	f.Add(Identity{}.payload())
	f.Add(bytes.Repeat([]byte{255}, fixedBytes+255))
	f.Fuzz(func(t *testing.T, payload []byte) {
		id, err := parse(payload)
		if err != nil {
			if !errors.Is(err, storage.ErrDamaged) {
				t.Fatal(err)
			}
		} else if !bytes.Equal(id.payload(), payload) {
			t.Fatalf("%+v has other bytes", id)
		}
		s, err := parseStamp(payload)
		if err != nil {
			if !errors.Is(err, storage.ErrDamaged) {
				t.Fatal(err)
			}
		} else if !bytes.Equal(s.payload(), payload) {
			t.Fatalf("%+v has other bytes", s)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
