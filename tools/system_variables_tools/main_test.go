package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

func call(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(append([]string{"./system_variables_tools"}, args...), &o, &e)
	return code, o.String(), e.String()
}

// Every recorded call, in the recorded order, prints what it printed.
func TestTranscript(t *testing.T) {
	t.Chdir(t.TempDir()) // where there is no directory "nodir"
	dirs := logdirtest.Recorded(t)
	for _, c := range logdirtest.Transcript(t, "system_variables_tools") {
		args, want := c.Localize(dirs)
		before := logdirtest.Snapshot(t, dirs["peernode_clean_node1"])
		code, out, errOut := call(args...)
		if out != want {
			t.Errorf("%v prints\n%s\nwant\n%s\n%s", c.Args, out, want, errOut)
		}
		if (code == 0) != (c.Exit == "0") {
			t.Errorf("%v: exit code %d, the original's is %s", c.Args, code, c.Exit)
		}
		changes := len(args) > 2 && args[2] == "modgid"
		if changed := logdirtest.Snapshot(t, dirs["peernode_clean_node1"]) != before; changed != changes {
			t.Errorf("%v: changed the directory: %v", c.Args, changed)
		}
	}
	if _, err := os.Stat("nodir"); err == nil {
		t.Error("a missing directory was made")
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{}, {"d", "0"}, {"d", "x", "show"}, {"d", "0", "frob"}, {"d", "0", "modgid"}, {"d", "0", "modgid", "x"}, {"", "0", "show"},
	} {
		if code, _, _ := call(args...); code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", args, code, exitUsage)
		}
	}
	if code, out, _ := call("-h"); code != 0 || !strings.Contains(out, "<gid/membership>") {
		t.Error(code, out)
	}
	if _, out, _ := call("d", "0", "modgid"); out != "no gid to mod\n" {
		t.Error(out)
	}
}

func TestWithoutMembershipAndInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, vfile.Options{FileBytesMax: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range [][]string{{"show"}, {"modgid", "7"}} {
		code, out, errOut := call(append([]string{dir, "0"}, op...)...)
		if code != exitFailed || out != "init log storage fail, ret -1\n" || !strings.Contains(errOut, storage.ErrInUse.Error()) {
			t.Errorf("in use, %v: %d %s%s", op, code, out, errOut)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := call(dir, "0", "show"); code != 0 || out != "gid 0\nversion 18446744073709551615\n" {
		t.Error(code, out)
	}
	before := logdirtest.Snapshot(t, dir)
	if code, out, errOut := call(dir, "0", "modgid", "7"); code != exitFailed || out != "mod gid fail, ret 1 gid 7\n" || errOut == "" {
		t.Error(code, out, errOut)
	}
	if code, _, _ := call(dir, "1", "modgid", "7"); code != exitFailed {
		t.Error(code)
	}
	if logdirtest.Snapshot(t, dir) != before {
		t.Error("the directory was changed")
	}
	if _, err := os.Stat(filepath.Join(dir, "g1")); err == nil {
		t.Error("g1 was made")
	}
}

func TestBrokenVariables(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, vfile.Options{FileBytesMax: 8192})
	if err == nil {
		err = s.SetVariable(0, storage.SystemVariables, []byte{8})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range [][]string{{"show"}, {"modgid", "7"}} {
		if code, out, _ := call(append([]string{dir, "0"}, op...)...); code != exitFailed || out != "system variable sm init fail, ret -1\n" {
			t.Error(op, code, out)
		}
	}
}
