package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/ledger"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/layout"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/logstoragetest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/osfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/smallfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

// convert runs the program and returns what it said.
func convert(t *testing.T, wantCode int, args ...string) (out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code := run(context.Background(), append([]string{"phxpaxos_convert"}, args...), &o, &e, progress.New(&e, lineEvery))
	if code != wantCode {
		t.Fatalf("phxpaxos_convert %v: exit code %d, want %d; %s%s", args, code, wantCode, &o, &e)
	}
	return o.String(), e.String()
}

// dump is everything that a log holds, as text.
func dump(t *testing.T, dir string) string {
	t.Helper()
	l, err := layout.Of(osfs.FS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSource(dir, l, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var b strings.Builder
	for g := range s.groups() {
		err := s.records(g, func(instance uint64, data []byte) error {
			fmt.Fprintf(&b, "%d %d %x\n", g, instance, data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for name := storage.MinChosen; name <= storage.MasterVariables; name++ {
			if v, err := s.variable(g, name); err == nil {
				fmt.Fprintf(&b, "%d variable %d %x\n", g, name, v)
			}
		}
		if l, ok, err := groupFiles[0].read(s.dir(g)); ok || err != nil {
			fmt.Fprintf(&b, "%d ledger %q, %v\n", g, l, err)
		}
	}
	return b.String()
}

// contents is every byte in a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, "LOCK") {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, before, after map[string]string) {
	t.Helper()
	if len(before) != len(after) {
		t.Errorf("the source had %d files and has %d", len(before), len(after))
	}
	for name, b := range before {
		if after[name] != b {
			t.Errorf("%s was changed", name)
		}
	}
}

// thereAndBack converts a directory twice: all of it has to be there, and the
// source untouched.
func thereAndBack(t *testing.T, from string) {
	t.Helper()
	before := contents(t, from)
	want := dump(t, from)
	dir := t.TempDir()
	shared, again := filepath.Join(dir, "shared"), filepath.Join(dir, "again")
	out, _ := convert(t, 0, from, shared)
	if !strings.Contains(out, "read back and equal") {
		t.Errorf("output %q", out)
	}
	if got := dump(t, shared); got != want {
		t.Errorf("the other layout holds\n%.2000s\nwant\n%.2000s", got, want)
	}
	convert(t, 0, shared, again)
	if got := dump(t, again); got != want {
		t.Errorf("back in the first layout it holds\n%.2000s\nwant\n%.2000s", got, want)
	}
	same(t, before, contents(t, from))
	if _, err := os.Stat(shared + suffix); err == nil {
		t.Error("the working directory was left")
	}
}

func TestGolden(t *testing.T) {
	for name, dir := range map[string]string{
		"peernode_clean_node1": "n1/log", "phxecho_kill9_node1": "logpath_127.0.0.1_11111",
		"phxecho_sigterm_node1": "logpath_127.0.0.1_11111", "phxelection_sigterm_node1": "logpath_127.0.0.1_11111",
		"phxkv_sigterm_node1": "storage/paxoslog_0",
	} {
		t.Run(name, func(t *testing.T) { thereAndBack(t, filepath.Join(logdirtest.Golden(t, name), dir)) })
	}
}

// fill writes something into the groups but the last.
func fill(t *testing.T, s storage.LogStorage) {
	t.Helper()
	for i := range uint64(120) {
		for g := range s.Groups() - 1 {
			if i < uint64(40*g) {
				continue
			}
			instance := i * uint64(g+1) // with gaps
			for seed := range uint64(2) {
				p := storage.Put{Group: g, Instance: instance, Data: logstoragetest.Record(instance, 100, i+seed), Sync: i%50 == 0}
				if err := s.Write([]storage.Put{p}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, value := range map[storage.Variable]string{storage.MinChosen: "\x07" + strings.Repeat("\x00", 7), storage.SystemVariables: "members"} {
		if err := s.SetVariable(0, name, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeLedger(filepath.ToSlash(s.Dir(1)), "last entries"); err != nil {
		t.Fatal(err)
	}
	if err := s.Trim(0, 20); err != nil {
		t.Fatal(err)
	}
}

func newLog(t *testing.T, l layout.Layout) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	var s storage.LogStorage
	var err error
	if l == layout.Shared {
		s, err = sharedlog.Open(dir, 4, sharedlog.Options{SegmentBytes: 20000})
	} else {
		s, err = vfile.Open(dir, 4, vfile.Options{FileBytesMax: 20000})
	}
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOwn(t *testing.T) {
	for _, l := range []layout.Layout{layout.Original, layout.Shared} {
		t.Run(l.String(), func(t *testing.T) { thereAndBack(t, newLog(t, l)) })
	}
}

// What cannot work is refused with the reason, and nothing is left behind.
func TestRefused(t *testing.T) {
	from := newLog(t, layout.Shared)
	to := filepath.Join(t.TempDir(), "to")
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no arguments", nil, "FROM TO"},
		{"one argument", []string{from}, "FROM TO"},
		{"no log", []string{t.TempDir(), to}, "holds no log"},
		{"no directory", []string{filepath.Join(from, "none"), to}, "holds no log"},
		{"target exists", []string{from, t.TempDir()}, "exists already"},
		{"no parent", []string{from, filepath.Join(to, "below")}, "no directory in which"},
		{"unknown flag", []string{"-x", from, to}, "-x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, e := convert(t, exitUsage, test.args...); !strings.Contains(e, test.want) {
				t.Errorf("it says %q, want %q", e, test.want)
			}
		})
	}
	for _, l := range []layout.Layout{layout.Original, layout.Shared} {
		dir := newLog(t, l)
		var s storage.LogStorage
		var err error
		if l == layout.Shared {
			s, err = sharedlog.Open(dir, 4, sharedlog.Options{})
		} else {
			s, err = vfile.Open(dir, 4, vfile.Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, e := convert(t, exitUsage, dir, to); !strings.Contains(e, "locked") {
			t.Errorf("a log in use: it says %q", e)
		}
		s.Close()
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("something was written")
	}
}

// A damaged log is not converted, and the message says where.
func TestDamaged(t *testing.T) {
	for l, file := range map[layout.Layout]string{layout.Original: "g1/vfile/0.f", layout.Shared: "shared/0000000000000002.log"} {
		dir := newLog(t, l)
		to := filepath.Join(t.TempDir(), "to")
		name := filepath.Join(dir, filepath.FromSlash(file))
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 3000; i < 7000; i += 100 {
			b[i] ^= 4
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, e := convert(t, exitFailed, dir, to); !strings.Contains(e, "offset") || !strings.Contains(e, filepath.Base(file)) {
			t.Errorf("%v: it says %q", l, e)
		}
		for _, name := range []string{to, to + suffix} {
			if _, err := os.Stat(name); err == nil {
				t.Errorf("%s was left", name)
			}
		}
	}
}

// A shared log that a node left without closing is converted as it is.
func TestKilled(t *testing.T) {
	dir := newLog(t, layout.Shared)
	s, err := sharedlog.Open(dir, 4, sharedlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := storage.Put{Group: 2, Instance: 5000, Data: logstoragetest.Record(5000, 100, 1), Sync: true}
	if err := s.Write([]storage.Put{p}); err != nil {
		t.Fatal(err)
	}
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	thereAndBack(t, killed)
	if !strings.Contains(dump(t, killed), "2 5000 ") {
		t.Error("the last record is missing")
	}
}

func writeLedger(dir, payload string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return smallfile.Write(osfs.FS{}, dir+"/"+ledger.FileName, ledger.FileKind, ledger.Format, []byte(payload))
}
