package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
)

func listOf(c *cluster) string { return nodeaddr.List(c.ids) }

// Texts on stdout are the original's; the reasons on stderr and the exit code
// of wrong usage are this program's.
func TestUsageErrors(t *testing.T) {
	const list = "127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113"
	const usage = " <myip:myport> <node0_ip:node_0port,node1_ip:node_1_port,node2_ip:node2_port,...>\n"
	tests := []struct {
		name, args     string
		exit           int
		stdout, stderr string // stdout as a whole, a part of stderr
	}{
		{"nothing", "", cmdline.ExitUsage, "$0" + usage, ""},
		{"no list", "127.0.0.1:11111", cmdline.ExitUsage, "$0" + usage, ""},
		{"no own port", "127.0.0.1 " + list, cmdline.ExitUsage, "parse myip:myport fail\n", `"127.0.0.1"`},
		{"no port in list", "127.0.0.1:11111 127.0.0.1:11111,127.0.0.1,127.0.0.1:11113", cmdline.ExitUsage, "parse ip/port list fail\n", "address 2"},
		{"bad ip in list", "127.0.0.1:11111 127.0.0.1:11111,abc:11112", cmdline.ExitUsage, "parse ip/port list fail\n", `"abc" is not an IPv4 address`},
		{"bad own ip", "300.0.0.1:11111 " + list, cmdline.ExitUsage, "parse myip:myport fail\n", `"300.0.0.1" is not an IPv4 address`},
		{"bad own port", "127.0.0.1:70000 " + list, cmdline.ExitUsage, "parse myip:myport fail\n", "1..65535"},
		{"empty element", "127.0.0.1:11111 127.0.0.1:11111,,127.0.0.1:11112", cmdline.ExitUsage, "parse ip/port list fail\n", "address 2"},
		{"space in list", "127.0.0.1:11111 127.0.0.1:11111, 127.0.0.1:11112", cmdline.ExitUsage, "$0" + usage, "no spaces"},
		{"unknown flag", "-storage d 127.0.0.1:11111 " + list, cmdline.ExitUsage, "$0" + usage, "-storage"},
		{"flag without value", "127.0.0.1:11111 " + list + " -log_dir", cmdline.ExitUsage, "$0" + usage, "-log_dir"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := launch(t, t.TempDir(), strings.Fields(tt.args)...)
			exits(t, p, tt.exit)
			path, _ := binary()
			if want := strings.Replace(tt.stdout, "$0", path, 1); p.Stdout() != want {
				t.Errorf("stdout %q, want %q", p.Stdout(), want)
			}
			if !strings.Contains(p.Stderr(), tt.stderr) || tt.stderr == "" && p.Stderr() != "" {
				t.Errorf("stderr %q, want %q in it", p.Stderr(), tt.stderr)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	p := launch(t, t.TempDir(), "-h")
	exits(t, p, cmdline.ExitOK)
	for _, want := range []string{"<myip:myport>", "-log_dir", "-storage_dir"} {
		if !strings.Contains(p.Stdout(), want) {
			t.Errorf("help lacks %q: %q", want, p.Stdout())
		}
	}
}

// refused checks a start that fails: the original's line on stdout, one line
// on stderr that says what to do, exit code 1.
func refused(t *testing.T, dir, stdout, stderr string, args ...string) {
	t.Helper()
	p := launch(t, dir, args...)
	exits(t, p, cmdline.ExitFail)
	if p.Stdout() != stdout {
		t.Errorf("stdout %q, want %q", p.Stdout(), stdout)
	}
	if !strings.Contains(p.Stderr(), stderr) || strings.Count(p.Stderr(), "\n") != 1 {
		t.Errorf("stderr %q, want one line with %q", p.Stderr(), stderr)
	}
}

func TestStorageThatCannotBeUsed(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	name := fmt.Sprintf("logpath_127.0.0.1_%d", c.ids[0].AddrPort().Port())
	file := filepath.Join(c.dir, name)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, c.dir, "run paxos fail, ret -1\n", "is not a directory", me, me)
	refused(t, c.dir, "Create dir fail, path "+file+"/"+name+"\n", "choose another -storage_dir", "-storage_dir", file, me, me)
	refused(t, c.dir, "get logger_google fail, ret -1\n", "-log_dir", "-log_dir", file, "-storage_dir", "s", me, me)
}

func TestStateMachineThatDoesNotStart(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	refused(t, c.dir, "load state machine fail, ret -1\n", "no/such/program", "-sm", "no/such/program", me, me)
	refused(t, c.dir, "load state machine fail, ret -1\n", "did not start as a state machine", "-sm", "/bin/true", me, me)
}

func TestPortThatIsTaken(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	l, err := net.Listen("tcp4", me)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused(t, c.dir, "run paxos fail, ret -1\n", "is in use", me, me)
}

func TestSecondProcessOnTheSameStorage(t *testing.T) {
	c := newCluster(t, 1)
	c.start(1)
	me := c.ids[0].String()
	refused(t, c.dir, "run paxos fail, ret -1\n", "another running process", me, me)
	c.answers(1, "the first one goes on")
}

func TestAddressOfAnotherMachine(t *testing.T) {
	c := newCluster(t, 1)
	me := fmt.Sprintf("192.0.2.1:%d", c.ids[0].AddrPort().Port())
	refused(t, c.dir, "run paxos fail, ret -1\n", "not an address of this machine", me, me)
}

func TestSignalsEndTheProgramWhileItWaitsForAMajority(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		c := newCluster(t, 3)
		c.start(1)
		c.typed(1, "never chosen")
		c.nodes[0].Signal(sig)
		exits(t, c.nodes[0], cmdline.ExitOK)
		if out := c.nodes[0].Stdout(); !strings.HasSuffix(out, prompt) {
			t.Errorf("%v: stdout ends with %.100q", sig, out)
		}
	}
}

func TestStorageDirectoryIsMadeAndKeepsTheLog(t *testing.T) {
	c := newCluster(t, 1)
	me := c.ids[0].String()
	args := []string{"-storage_dir", "a/b", "-log_dir", "c/d", me, me}
	c.nodes[0] = launch(t, c.dir, args...)
	c.shows(1, prompt)
	c.answers(1, "first")
	c.answers(1, "second")
	c.nodes[0].CloseInput()
	exits(t, c.nodes[0], cmdline.ExitOK)
	for _, dir := range []string{fmt.Sprintf("a/b/logpath_127.0.0.1_%d", c.ids[0].AddrPort().Port()), "c/d"} {
		if info, err := os.Stat(filepath.Join(c.dir, dir)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", dir, err)
		}
	}
	c.nodes[0] = launch(t, c.dir, args...)
	c.shows(1, prompt)
	if out := c.nodes[0].Stdout(); !strings.HasPrefix(out, "[SM Execute] ok, smid 1 instanceid 0 value first\nrun paxos ok\n") {
		t.Errorf("restarted: stdout %q", out)
	}
	c.answers(1, "third")
	c.executes(1, "second")
}
