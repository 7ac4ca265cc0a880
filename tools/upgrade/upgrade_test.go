package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// The steps of each procedure fit together: a level is awaited only when it
// can come, limits are set at nodes that have levels, and nodes end both ways.
func TestProceduresFitTogether(t *testing.T) {
	for name := range procedures {
		kills, stops := 0, 0
		var at [nodes]version
		var up, plain [nodes]bool
		for i, s := range stepsOf(scenario{Procedure: name}) {
			switch s.Op {
			case opStart:
				for n := range at {
					at[n], up[n], plain[n] = s.Version, true, s.Plain && n == nodes-1
				}
			case opSwap, opDown, opUp:
				if up[s.Node] == (s.Op == opUp) {
					t.Errorf("%s, step %d, %v: the node is up: %v", name, i, s, up[s.Node])
				}
				up[s.Node] = s.Op != opDown
				if s.Op != opDown {
					at[s.Node], plain[s.Node] = s.Version, s.Plain && s.Node == nodes-1
				}
				switch {
				case s.Op == opSwap && s.Kill:
					kills++
				case s.Op == opSwap:
					stops++
				}
			case opLimit:
				if at[s.Node] != newVersion || !up[s.Node] {
					t.Errorf("%s, step %d, %v: node %d has no levels", name, i, s, s.Node)
				}
			case opLevel:
				if s.Level > 0 && (slices.Contains(at[:], oldVersion) || slices.Contains(plain[:], true) || slices.Contains(up[:], false)) {
					t.Errorf("%s, step %d, %v: versions %v, plain %v, up %v", name, i, s, at, plain, up)
				}
			}
		}
		if kills == 0 || stops == 0 {
			t.Errorf("%s: %d kills, %d clean stops", name, kills, stops)
		}
	}
}

// history has a value of each client 0 to n-1, two in each instance.
func history(n int) (all []protocol.Executed) {
	for i := range n {
		all = append(all, protocol.Executed{Instance: uint64(10 + i/2), Index: uint32(i % 2), Key: protocol.Key{Client: uint16(i)}})
	}
	return all
}

func ackOf(e protocol.Executed) protocol.Ack {
	return protocol.Ack{Group: 3, Instance: e.Instance, Index: e.Index, Key: e.Key}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(all *[nodes][]protocol.Executed, acks *[]protocol.Ack)
		want string // in what is wrong; "" for nothing
	}{
		"equal":        {nil, ""},
		"ahead":        {func(all *[nodes][]protocol.Executed, _ *[]protocol.Ack) { all[1] = append(all[1], history(11)[10]) }, ""},
		"other group":  {func(_ *[nodes][]protocol.Executed, a *[]protocol.Ack) { *a = append(*a, protocol.Ack{Group: 1}) }, ""},
		"short":        {func(all *[nodes][]protocol.Executed, _ *[]protocol.Ack) { all[2] = all[2][:9] }, "nodes 0 and 2 differ from entry 9"},
		"other values": {func(all *[nodes][]protocol.Executed, _ *[]protocol.Ack) { all[1][4].Key.Seq = 9 }, "nodes 0 and 1 differ from entry 4"},
		"lost": {func(_ *[nodes][]protocol.Executed, a *[]protocol.Ack) {
			(*a)[5].Key.Life = 7
		}, "lost: {Node:0 Client:5 Life:7"},
		"elsewhere": {func(_ *[nodes][]protocol.Executed, a *[]protocol.Ack) { (*a)[5].Index++ }, "was acknowledged at instance 12, index 2"},
		"twice": {func(all *[nodes][]protocol.Executed, _ *[]protocol.Ack) {
			for n := range all {
				all[n][6].Key = all[n][2].Key
			}
		}, "was executed twice"},
		"order": {func(all *[nodes][]protocol.Executed, _ *[]protocol.Ack) {
			for n := range all {
				all[n][6].Instance = 11
			}
		}, "was executed after"},
	} {
		all := [nodes][]protocol.Executed{history(10), history(10), history(10)}
		var acks []protocol.Ack
		for _, e := range all[0] {
			acks = append(acks, ackOf(e))
		}
		if c.edit != nil {
			c.edit(&all, &acks)
		}
		wrong := strings.Join(judge(3, 15, all[:], acks), "\n")
		if (wrong == "") != (c.want == "") || !strings.Contains(wrong, c.want) {
			t.Errorf("%s: got %q, want %q", name, wrong, c.want)
		}
	}
}

func TestGapIsTheLongestOfAllGroups(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(1000000 + ms)) }
	acks := []protocol.Ack{
		{Group: 0, At: at(10)}, {Group: 0, At: at(90)}, {Group: 0, At: at(50)}, // reports may overtake each other
		{Group: 1, At: at(-1)}, {Group: 1, At: at(30)}, {Group: 1, At: at(100)},
	}
	if got := gap(acks, 2, at(0), at(100)); got != 70*time.Millisecond {
		t.Errorf("gap is %v", got)
	}
	if got := gap(acks, 3, at(0), at(100)); got != 100*time.Millisecond {
		t.Errorf("gap with a silent group is %v", got)
	}
}

func TestRecordNotesWhatMustNotHappen(t *testing.T) {
	p := &process{node: 1, version: newVersion}
	at := func(l uint32) *protocol.Report { return &protocol.Report{Level: &protocol.Level{Level: l}} }
	r := newRecord()
	r.take(p, at(0))
	r.allow(phxpaxos.FeatureNewest)
	r.take(p, at(1))
	r.counted(newVersion, map[string]uint64{event.MemberWithoutFeatures.String(): 1})
	r.judgeCounts(false)
	if len(r.violations) != 0 {
		t.Fatalf("violations %q", r.violations)
	}
	r.judgeCounts(true)
	r.allow(phxpaxos.FeatureBase)
	r.take(p, at(1))
	r.take(p, &protocol.Report{Fault: "it breaks"})
	r.counted(oldVersion, map[string]uint64{event.ChecksumMismatch.String(): 2})
	r.judgeCounts(false)
	want := []string{
		"nodes of the new version counted MemberWithoutFeatures 1 times",
		"node 1 uses level 1, when 0 is the highest that is allowed",
		"node 1 (new): it breaks",
		"nodes of the old version counted ChecksumMismatch 2 times",
	}
	if !slices.Equal(r.violations, want) {
		t.Errorf("violations %q", r.violations)
	}
}

func TestMissingCommitIsExplained(t *testing.T) {
	var out bytes.Buffer
	o := options{Base: "0123456789012345678901234567890123456789", Dir: t.TempDir(), Parallel: 1}
	if code := upgrade(t.Context(), o, &out); code != exitFail {
		t.Errorf("exit code %d", code)
	}
	// Where there is no checkout at all, as in a module cache, it says that.
	text := out.String()
	if !strings.Contains(text, "git fetch --unshallow") && !strings.Contains(text, "this is no checkout of it") {
		t.Errorf("output %q", text)
	}
}

func TestUntar(t *testing.T) {
	archive := func(names ...string) io.Reader {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, name := range names {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 2, Typeflag: tar.TypeReg}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("ab")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	dir := filepath.Join(t.TempDir(), "in")
	if err := untar(archive("x/y/z", "x/a"), dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "x", "y", "z")); err != nil || string(b) != "ab" {
		t.Errorf("got %q, %v", b, err)
	}
	if err := untar(archive("../out"), dir); err == nil {
		t.Error("a name outside of the directory is taken")
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "out")); err == nil {
		t.Error("a file was written outside of the directory")
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-procedure", "sideways"}, {"-procedure", "plain", "-layout", "square"}, {"-procedure", "plain", "-groups", "0"},
		{"-procedure", "plain", "-hold", "7"}, {"-procedure", "plain", "-parity", "2"}, {"-parallel", "0"}, {"-clients", "0"},
		{"-rest", "-1s"}, {"-long", "-procedure", "plain"}, {"more"},
	} {
		if _, err := parseArgs(args, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o, err := parseArgs([]string{"-long"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	for _, s := range o.Scenarios {
		covered[s.Procedure+" "+s.Layout] = true
	}
	if len(covered) != 2*len(procedures) {
		t.Errorf("-long covers %v", sortedKeys(covered))
	}
}
