package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

// testOptions make small files and frequent checkpoints.
var testOptions = vfile.Options{FileBytesMax: 8192, FlushEntries: 16, CheckpointBytes: 4096, ZeroAheadMax: 1024}

// healthyStore writes 300 instances in several files and closes the store.
func healthyStore(t *testing.T, groups int) string {
	t.Helper()
	dir := t.TempDir()
	s, err := vfile.Open(dir, groups, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	for g := range groups {
		if err := logdirtest.NewWriter(s, g).Write(300); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// diagnose runs the doctor and checks that it changed nothing.
func diagnose(t *testing.T, dir string) *Report {
	t.Helper()
	before := logdirtest.Snapshot(t, dir)
	r, err := examine(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if logdirtest.Snapshot(t, dir) != before {
		t.Error("the doctor changed the directory")
	}
	return r
}

// expect asserts the verdict and that a finding names check, file and offset;
// offset -1 means that none is asked for.
func expect(t *testing.T, r *Report, code int, check, file string, offset int64) {
	t.Helper()
	if r.exitCode() != code {
		t.Errorf("exit code %d, want %d", r.exitCode(), code)
	}
	all := slices.Clone(r.Findings)
	for _, g := range r.Groups {
		all = append(all, g.Findings...)
	}
	named := slices.ContainsFunc(all, func(f Finding) bool {
		return f.Check == check && strings.HasPrefix(f.File, file) && (offset < 0 || f.Offset != nil && *f.Offset == offset)
	})
	if !named {
		t.Errorf("no finding of %s in %q at offset %d", check, file, offset)
	}
	if t.Failed() {
		var b bytes.Buffer
		printReport(&b, r)
		t.Log(b.String())
	}
}

func TestGoldenDirectoriesAreHealthy(t *testing.T) {
	for name, dir := range map[string]string{
		"phxecho_kill9_node1":       "logpath_127.0.0.1_11111",
		"phxecho_sigterm_node1":     "logpath_127.0.0.1_11111",
		"phxelection_sigterm_node1": "logpath_127.0.0.1_11111",
		"phxkv_sigterm_node1":       "storage/paxoslog_0",
		"peernode_clean_node1":      "n1/log",
	} {
		t.Run(name, func(t *testing.T) {
			r := diagnose(t, filepath.Join(logdirtest.Golden(t, name), dir))
			if r.Verdict != "healthy" || r.exitCode() != exitHealthy {
				var b bytes.Buffer
				printReport(&b, r)
				t.Error(b.String())
			}
			for _, g := range r.Groups {
				if len(g.Findings) != 0 || g.Checksums.Full != 0 || g.Checksums.Sampled != g.Instances || !g.Original {
					t.Errorf("group %d: %+v", g.Group, g)
				}
			}
		})
	}
}

func TestWhatTheReportSays(t *testing.T) {
	r := diagnose(t, filepath.Join(logdirtest.Golden(t, "peernode_clean_node1"), "n1/log"))
	g := r.Groups[0]
	if *g.First != 300 || *g.Last != 654 || g.MinChosen != 201 || g.Cluster != 72058141277300211 {
		t.Errorf("%+v", g)
	}
	if !slices.Equal(g.Members, []string{"127.0.0.1:11111", "127.0.0.1:11112", "127.0.0.1:11113"}) || g.Master != "127.0.0.1:11112" {
		t.Errorf("members %v, master %s", g.Members, g.Master)
	}
}

func TestAClosedStoreIsHealthy(t *testing.T) {
	r := diagnose(t, healthyStore(t, 2))
	g := r.Groups[0]
	if r.Verdict != "healthy" || len(g.Findings) != 0 || !g.Closed || g.Instances != 300 || g.ToBeIndex != 0 {
		t.Errorf("%s, %+v", r.Verdict, g)
	}
	if g.Checksums.Full != g.Records || g.Checksums.Chained != 300 || len(g.Files) < 3 {
		t.Errorf("%+v", g)
	}
}

func TestAnEmptyStoreIsHealthy(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 2, vfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := diagnose(t, dir); r.Verdict != "healthy" || len(r.Groups) != 2 || r.Groups[0].First != nil {
		t.Errorf("%+v", r)
	}
}

// An original directory that this library went on with has records of both.
func TestATakenOverDirectoryIsHealthy(t *testing.T) {
	dir := filepath.Join(logdirtest.Golden(t, "phxecho_kill9_node1"), "logpath_127.0.0.1_11111")
	s, err := logdir.OpenForChange(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := diagnose(t, dir)
	if g := r.Groups[0]; r.Verdict != "healthy" || g.Instances != 6 || !g.Original || !g.Closed {
		t.Errorf("%s, %+v", r.Verdict, g)
	}
}

func TestATrimmedLogIsHealthy(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	w := logdirtest.NewWriter(s, 0)
	for range 5 {
		if err := w.Write(100); err != nil {
			t.Fatal(err)
		}
	}
	setMinChosen(t, s, 350)
	if err := s.Trim(0, 350); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(100); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := diagnose(t, dir)
	if g := r.Groups[0]; r.Verdict != "healthy" || *g.First > 350 || *g.Last != 599 {
		t.Errorf("%s, %+v", r.Verdict, g)
	}
}

func TestCommandLine(t *testing.T) {
	good := healthyStore(t, 1)
	bad := healthyStore(t, 1)
	flip(t, filepath.Join(bad, "g0/vfile/0.f"), 60)
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{good}, exitHealthy},
		{[]string{"-json", good}, exitHealthy},
		{[]string{bad}, exitDamaged},
		{[]string{"-h"}, exitHealthy},
		{nil, exitNoVerdict},
		{[]string{"-x", good}, exitNoVerdict},
		{[]string{good, good}, exitNoVerdict},
		{[]string{filepath.Join(good, "missing")}, exitNoVerdict},
		{[]string{filepath.Join(good, "g0")}, exitNoVerdict}, // a group is not the directory
		{[]string{t.TempDir()}, exitNoVerdict},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), append([]string{"phxpaxos_doctor"}, c.args...), &out, &errOut, nil)
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.args, code, c.code, &out, &errOut)
		}
		if code == exitNoVerdict && errOut.Len() == 0 {
			t.Errorf("%v: no reason given", c.args)
		}
	}
	var out bytes.Buffer
	run(t.Context(), []string{"phxpaxos_doctor", "-json", bad}, &out, &out, nil)
	var parsed struct {
		Verdict string
		Groups  []struct {
			Findings []struct {
				Severity, Check, File string
				Offset                int64
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &parsed); err != nil || parsed.Verdict != "damaged" {
		t.Fatalf("%v\n%s", err, &out)
	}
	if f := parsed.Groups[0].Findings[0]; f.Severity != "damaged" || f.File != "g0/vfile/0.f" {
		t.Errorf("%+v", f)
	}
}

func TestProgress(t *testing.T) {
	g := &gauge{}
	g.beginGroup(1, 2, 200<<20)
	if part, text := g.part(100 << 20); part != 0.75 || text != "group 2 of 2, 100 of 200 MiB" {
		t.Errorf("%v, %q", part, text)
	}
	g.beginGroup(0, 2, 0)
	if part, text := g.part(1 << 20); part != 0.5 || text != "group 1 of 2, 0 of 0 MiB" {
		t.Errorf("an empty group: %v, %q", part, text)
	}
	g.at(1)
	var none *gauge
	none.beginGroup(0, 1, 1)
	none.at(1)
	none.end()
}

func TestManyFindingsAreCounted(t *testing.T) {
	g := &GroupReport{}
	for range 50 {
		g.add(Finding{Severity: Suspicious, Check: "crc32c"})
	}
	g.add(Finding{Severity: Damaged, Check: "crc32c"})
	if len(g.Findings) != findingsMax+1 || g.More["crc32c"] != 50-findingsMax || worst(g.Findings) != Damaged {
		t.Errorf("%d findings, %v", len(g.Findings), g.More)
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("DOCTOR_CHILD_DIR"); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}
