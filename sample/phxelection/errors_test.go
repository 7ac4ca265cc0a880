package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// start runs the program in this process; it must end by itself.
func start(args ...string) (exit int, stdout, stderr string) {
	var out, err bytes.Buffer
	exit = run(context.Background(), append([]string{"phxelection"}, args...), &out, &err)
	return exit, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	exit, out, stderr := start("-h")
	if exit != cmdline.ExitOK || stderr != "" {
		t.Errorf("exit code %d, stderr %q", exit, stderr)
	}
	for _, want := range []string{"<myip:myport>", "-storage_dir"} {
		if !strings.Contains(out, want) {
			t.Errorf("help lacks %q: %q", want, out)
		}
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	const me, list = "127.0.0.1:11111", "127.0.0.1:11111,127.0.0.1:11112"
	for _, tt := range []struct {
		args   string
		stderr string
	}{
		{"-storage d " + me + " " + list, "-storage"},
		{me + " 127.0.0.1:11111, 127.0.0.1:11112", "no spaces"},
		{"300.0.0.1:11111 " + list, "not an IPv4 address"},
		{me + " 127.0.0.1:11111,abc:1", "not an IPv4 address"},
	} {
		exit, _, stderr := start(strings.Fields(tt.args)...)
		if exit != cmdline.ExitUsage || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%s: exit code %d, stderr %q, want %q in it", tt.args, exit, stderr, tt.stderr)
		}
	}
	o, _, ok := program.Parse([]string{"phxelection", me + ";x", "-storage_dir", "d", list}, io.Discard, io.Discard)
	if !ok || o.LogPath() != "d/logpath_127.0.0.1_11111" || len(o.Nodes) != 2 {
		t.Errorf("options %+v, path %s", o, o.LogPath())
	}
}

// A start that fails: the original's line on stdout, one line on stderr that
// says what to do, exit code 1.
func TestStartsThatFail(t *testing.T) {
	ids, release, err := freeaddr.Hold(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	dir := t.TempDir()
	me := ids[0].String()
	l, err := net.Listen("tcp4", ids[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("%s/logpath_127.0.0.1_%d", file, ids[0].AddrPort().Port())
	for _, tt := range []struct{ me, dir, stdout, stderr string }{
		{me, file, "Create dir fail, path " + path + "\n", "choose another -storage_dir"},
		{ids[1].String(), dir, "run paxos fail, ret -1\n", "is in use"},
		{"192.0.2.1:11111", dir, "run paxos fail, ret -1\n", "not an address of this machine"},
	} {
		exit, out, stderr := start("-storage_dir", tt.dir, tt.me, tt.me)
		if exit != cmdline.ExitFail || out != tt.stdout || !strings.Contains(stderr, tt.stderr) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%+v: exit code %d, stdout %q, stderr %q", tt, exit, out, stderr)
		}
	}
}
