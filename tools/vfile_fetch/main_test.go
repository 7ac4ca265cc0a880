package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/sharedlog"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
	"github.com/phxpaxos/phxpaxos-go/tools/logdir/logdirtest"
)

func call(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(append([]string{"./vfile_fetch"}, args...), &o, &e)
	return code, o.String(), e.String()
}

// Every recorded call prints what it printed, and changes nothing.
func TestTranscript(t *testing.T) {
	dirs := logdirtest.Recorded(t)
	before := logdirtest.Snapshot(t, dirs["phxecho_kill9_node1"])
	for _, c := range logdirtest.Transcript(t, "vfile_fetch") {
		args, want := c.Localize(dirs)
		code, out, errOut := call(args...)
		if out != want {
			t.Errorf("%v prints\n%s\nwant\n%s\n%s", c.Args, out, want, errOut)
		}
		if wantCode := map[string]int{"0": 0, "1": exitFailed, "254": exitUsage}[c.Exit]; code != wantCode {
			t.Errorf("%v: exit code %d, want %d", c.Args, code, wantCode)
		}
	}
	if logdirtest.Snapshot(t, dirs["phxecho_kill9_node1"]) != before {
		t.Error("the directory was changed")
	}
}

func record(instance uint64) []byte {
	data := wire.AppendRecord(nil, &paxos.Record{Instance: instance})
	b := binary.LittleEndian.AppendUint32(nil, uint32(8+len(data)))
	return append(binary.LittleEndian.AppendUint64(b, instance), data...)
}

func TestWhatIsNoRecord(t *testing.T) {
	whole := record(5)
	n := len(whole)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, c := range map[string]struct {
		file []byte
		last string
		code int
	}{
		"end":             {whole, "File End, offset 26", 0},
		"zeros":           {join(whole, make([]byte, 20)), "File Data End, offset 26", 0},
		"part of length":  {join(whole, []byte{9, 0}), "readlen 2 not qual to 4", 0},
		"cut":             {join(whole, whole[:n-3]), "readlen 19 not qual to 22", 0},
		"length too big":  {join(whole, []byte{0, 0, 1, 0}), "File data len wrong, data len 65536 filelen 30", exitFailed},
		"length negative": {join(whole, []byte{255, 255, 255, 255}), "File data len wrong, data len -1 filelen 30", exitFailed},
		"length tiny":     {join(whole, []byte{7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7}), "File data len wrong, data len 7 filelen 37", exitFailed},
		"no state": {join(whole, []byte{9, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 255}),
			"This instance's buffer wrong, can't parse to acceptState, instanceid 6 bufferlen 1 nowoffset 26", 0},
	} {
		file := filepath.Join(t.TempDir(), "0.f")
		if err := os.WriteFile(file, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, _ := call(file, "0", "10")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if lines[len(lines)-1] != c.last || code != c.code || strings.Count(out, "instanceid 5") != 1 {
			t.Errorf("%s: exit code %d\n%s\nwant %s", name, code, out, c.last)
		}
	}
}

func TestCountAndOffset(t *testing.T) {
	file := filepath.Join(t.TempDir(), "0.f")
	if err := os.WriteFile(file, bytes.Repeat(record(5), 4), 0o600); err != nil {
		t.Fatal(err)
	}
	for count, want := range map[string]int{"-1": 1, "0": 1, "1": 1, "3": 3, "4": 4, "9": 4} {
		if _, out, _ := call(file, "0", count); strings.Count(out, "instanceid 5") != want {
			t.Errorf("count %s prints\n%s", count, out)
		}
	}
	if _, out, _ := call(file, "1000", "1"); out != "File End, offset 1000\n" {
		t.Error(out)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{}, {"f"}, {"f", "0"}, {"f", "x", "1"}, {"f", "-1", "1"}, {"f", "0", "x"}, {"f", "0", "1", "2"}} {
		if code, _, _ := call(args...); code != exitUsage {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
	if code, _, _ := call("-h"); code != 0 {
		t.Error(code)
	}
	if code, _, errOut := call(t.TempDir(), "0", "1"); code != exitFailed || errOut == "" {
		t.Error(code, errOut)
	}
}

func TestRefusesAFileInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := vfile.Open(dir, 1, vfile.Options{FileBytesMax: 8192})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	code, out, errOut := call(filepath.Join(dir, "g0/vfile/0.f"), "0", "1")
	if code != exitFailed || out != "" || !strings.Contains(errOut, storage.ErrInUse.Error()) {
		t.Error(code, out, errOut)
	}
}

func TestRefusesASharedLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s, err := sharedlog.Open(dir, 1, sharedlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	code, out, errOut := call(filepath.Join(dir, "shared", "store"), "0", "1")
	if code != exitFailed || out != "" || !strings.Contains(errOut, "phxpaxos_convert") {
		t.Error(code, out, errOut)
	}
}

func FuzzFetch(f *testing.F) {
	f.Add(record(5), int64(0))
	f.Add(append(record(7), 0, 0, 0, 0), int64(3))
	f.Add([]byte{255, 255, 255, 127, 1}, int64(0))
	f.Fuzz(func(t *testing.T, file []byte, offset int64) {
		if offset < 0 {
			return
		}
		var out bytes.Buffer
		err := fetch(&out, bytes.NewReader(file), int64(len(file)), offset, 1000)
		if err != nil && !errors.Is(err, errSaid) {
			t.Fatal(err)
		}
		if out.Len() == 0 {
			t.Fatal("nothing said")
		}
	})
}
