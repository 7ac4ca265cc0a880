package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

// call runs the program and returns its exit code and both outputs.
func call(input string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(append([]string{"./paxos_log_tools"}, args...), strings.NewReader(input), &o, &e)
	return code, o.String(), e.String()
}

// Every recorded call, in the recorded order, prints what it printed. The
// exit codes are ours.
func TestTranscript(t *testing.T) {
	t.Chdir(t.TempDir()) // where there is no directory "nodir"
	dirs := logdirtest.Recorded(t)
	for _, c := range logdirtest.Transcript(t, "paxos_log_tools") {
		args, want := c.Localize(dirs)
		code, out, _ := call(c.Input, args...)
		if out != want {
			t.Errorf("%v prints\n%s\nwant\n%s", c.Args, out, want)
		}
		wrong := len(args) < 3 || args[2] == "frob"
		failed := strings.HasPrefix(out, "get this instance") && !strings.Contains(out, "delete") || strings.HasPrefix(out, "init log")
		if want := map[bool]int{true: exitUsage}[wrong] + map[bool]int{true: exitFailed}[failed]; code != want {
			t.Errorf("%v: exit code %d, want %d", c.Args, code, want)
		}
	}
	if _, err := os.Stat("nodir"); err == nil {
		t.Error("a missing directory was made")
	}
}

func newStore(t *testing.T, groups, instances int) (string, *vfile.Store) {
	t.Helper()
	dir := t.TempDir()
	s, err := vfile.Open(dir, groups, vfile.Options{FileBytesMax: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for g := range groups {
		if err := logdirtest.NewWriter(s, g).Write(instances); err != nil {
			t.Fatal(err)
		}
	}
	return dir, s
}

func TestReadingChangesNothing(t *testing.T) {
	dir, s := newStore(t, 1, 200)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := logdirtest.Snapshot(t, dir)
	if _, out, _ := call("", dir, "0", "getmaxi"); out != "max instanceid 199\n" {
		t.Error(out)
	}
	if _, out, _ := call("", dir, "0", "get", "77"); !strings.Contains(out, "instanceid 77\n") {
		t.Error(out)
	}
	if code, out, _ := call("n\n", dir, "0", "del", "199"); code != 0 || !strings.HasSuffix(out, "(y/n)\n") {
		t.Error(code, out)
	}
	if code, _, _ := call("", dir, "0", "del", "199"); code != 0 { // nobody answers
		t.Error(code)
	}
	if logdirtest.Snapshot(t, dir) != before {
		t.Error("the directory was changed")
	}
}

// What is not in the index yet, because a node was killed, is seen all the
// same, and the directory of a killed node stays as it is.
func TestWhatIsNotIndexedYet(t *testing.T) {
	dir, s := newStore(t, 1, 100)
	defer s.Close()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	before := logdirtest.Snapshot(t, copied)
	if _, out, errOut := call("", copied, "0", "getmaxi"); out != "max instanceid 99\n" {
		t.Error(out, errOut)
	}
	if code, _, errOut := call("", copied, "0", "get", "98"); code != 0 {
		t.Error(errOut)
	}
	if logdirtest.Snapshot(t, copied) != before {
		t.Error("the directory was changed")
	}
}

func TestRefusesADirectoryInUse(t *testing.T) {
	dir, s := newStore(t, 1, 3)
	defer s.Close()
	for _, args := range [][]string{{dir, "0", "getmaxi"}, {dir, "0", "get", "1"}, {"-y", dir, "0", "del", "1"}} {
		code, out, errOut := call("y\n", args...)
		if code != exitFailed || out != "init log storage fail, ret -1\n" || !strings.Contains(errOut, storage.ErrInUse.Error()) {
			t.Errorf("%v: %d %s%s", args, code, out, errOut)
		}
	}
	if _, err := s.Read(0, 1, nil); err != nil {
		t.Error(err)
	}
}

func TestNoGroupIsMade(t *testing.T) {
	dir, s := newStore(t, 1, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{dir, "1", "getmaxi"}, {dir, "1", "get", "1"}, {"-y", dir, "1", "del", "1"}} {
		if code, _, _ := call("", args...); code != exitFailed {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "g1")); err == nil {
		t.Error("g1 was made")
	}
}

func TestDelete(t *testing.T) {
	dir, s := newStore(t, 2, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := call("", "-y", dir, "1", "del", "49")
	if code != 0 || !strings.HasSuffix(out, "delete instance 49 ok\n") || !strings.Contains(out, "fileid 0 offset ") {
		t.Errorf("%d %s%s", code, out, errOut)
	}
	code, _, errOut = call("y\n", dir, "1", "del", "20")
	if code != 0 || !strings.Contains(errOut, "gap") {
		t.Errorf("%d %s", code, errOut)
	}
	s, err := vfile.Open(dir, 2, vfile.Options{FileBytesMax: 8192})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for g, want := range []uint64{49, 48} {
		if max, err := s.Max(g); max != want || err != nil {
			t.Errorf("group %d ends at %d, %v", g, max, err)
		}
	}
	if _, err := s.Read(1, 20, nil); !errors.Is(err, storage.ErrNotFound) {
		t.Error(err)
	}
}

// Whoever types y means what was shown.
func TestDeletesOnlyWhatWasShown(t *testing.T) {
	_, s := newStore(t, 1, 5)
	defer s.Close()
	tl := &tool{instance: 4, out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	if err := tl.drop(s, seen{data: []byte("something else")}); err == nil {
		t.Error("it was deleted")
	}
	if err := tl.drop(s, seen{err: storage.ErrNotFound}); err == nil {
		t.Error("it was deleted")
	}
	if _, err := s.Read(0, 4, nil); err != nil {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{}, {"d"}, {"d", "0"}, {"d", "x", "getmaxi"}, {"d", "-1", "getmaxi"}, {"d", "0", "get", "x"}, {"d", "0", "get", "-1"},
		{"d", "0", "del"}, {"d", "0", "frob"}, {"d", "0", "get", "1", "2"}, {"-z", "d", "0", "getmaxi"}, {"", "0", "getmaxi"},
	} {
		if code, _, _ := call("", args...); code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", args, code, exitUsage)
		}
	}
	if code, out, _ := call("", "-h"); code != 0 || strings.Count(out, "<paxos log dir>") != 3 {
		t.Error(code, out)
	}
}

func TestDamagedRecord(t *testing.T) {
	dir, s := newStore(t, 1, 5)
	_, at, err := s.Locate(0, 3)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "g0/vfile/0.f"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("Z"), at+4+51); err != nil { // not sampled by the original
		t.Fatal(err)
	}
	code, out, errOut := call("", dir, "0", "get", "3")
	if code != exitFailed || out != "get this instance 3 fail\n" || !strings.Contains(errOut, "CRC-32C") {
		t.Errorf("%d %s%s", code, out, errOut)
	}
}
