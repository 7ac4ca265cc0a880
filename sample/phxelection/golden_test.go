package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// golden returns a transcript of the original program, or skips the test when
// the recordings are not beside this checkout.
func golden(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "golden", "transcripts", name)
		text, err := os.ReadFile(path)
		if err == nil {
			return string(text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("shared/golden/transcripts/%s is not there: nothing to compare with", name)
		}
		dir = parent
	}
}

// Every line that the original printed comes out of this program's functions
// byte by byte, given the same master.
func TestLinesAreTheOriginals(t *testing.T) {
	kinds := map[string]int{}
	for i := 1; i <= 3; i++ {
		for line := range strings.Lines(golden(t, fmt.Sprintf("phxelection_cluster.node%d.stdout.txt", i))) {
			kind, got := reprint(t, line)
			if got != line {
				t.Errorf("the original printed %q, this program %q", line, got)
			}
			kinds[kind]++
		}
	}
	for _, kind := range []string{"master", "none", "change", "ok"} {
		if kinds[kind] == 0 {
			t.Errorf("no line of kind %q was compared: %v", kind, kinds)
		}
	}
}

// reprint says what this program prints for the same thing.
func reprint(t *testing.T, line string) (kind, text string) {
	t.Helper()
	var node, version uint64
	var group, port int
	var ip string
	if n, _ := fmt.Sscanf(line, "master change!!! groupidx %d newmaster ip %s port %d version %d\n", &group, &ip, &port, &version); n == 4 {
		id, err := nodeid.Parse(fmt.Sprintf("%s:%d", ip, port))
		if err != nil {
			t.Fatal(err)
		}
		return "change", changeLine(group, id, version)
	}
	if n, _ := fmt.Sscanf(line, "master: nodeid %d version %d", &node, &version); n == 2 {
		kind = "master"
		if node == 0 {
			kind = "none"
		}
		return kind, masterLine(nodeid.ID(node), version)
	}
	return "ok", "run paxos ok\n"
}

// Wrong usage prints what the original printed. The exit code is this
// program's, and the reason is on stderr.
func TestUsageErrorsAreTheOriginals(t *testing.T) {
	text := golden(t, "phxelection_usage_errors.txt")
	cases := regexp.MustCompile(`(?m)^\$ (.*)\n((?:.*\n)*?)\[exit 255, .*\]$`).FindAllStringSubmatch(text, -1)
	if len(cases) != 4 {
		t.Fatalf("%d cases in the transcript, want 4", len(cases))
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range cases {
		args, want := strings.Fields(match[1]), match[2]
		p := launch(t, t.TempDir(), args[1:]...)
		exits(t, p, cmdline.ExitUsage)
		if got := strings.ReplaceAll(p.Stdout(), path, args[0]); got != want {
			t.Errorf("%s: printed %q, want %q", match[1], got, want)
		}
	}
}
