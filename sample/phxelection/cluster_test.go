package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// soon is how long anything may take that has to happen; it is long because
// machines that run tests are slow, and a test that passes never waits for it.
const soon = 60 * time.Second

// binary is the program under test, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-o", filepath.Join(binaryDir, "phxelection"), ".").CombinedOutput()
	if err != nil {
		return "", errors.New("go build: " + string(out))
	}
	return filepath.Join(binaryDir, "phxelection"), nil
})

var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "phxelection")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// cluster is some nodes on real ports and a real disk.
type cluster struct {
	t     *testing.T
	dir   string
	ids   []nodeid.ID
	nodes []*process.Process // the last process of each node
}

func newCluster(t *testing.T, size int) *cluster {
	t.Helper()
	ids, release, err := freeaddr.Hold(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	c := &cluster{t: t, dir: t.TempDir(), ids: ids, nodes: make([]*process.Process, size)}
	for i := range size {
		c.start(i)
	}
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	c.nodes[i] = launch(c.t, c.dir, c.ids[i].String(), nodeaddr.List(c.ids))
	c.shows(i, "its banner", func(out string) bool { return strings.HasPrefix(out, "run paxos ok\n") })
}

// launch starts a phxelection process that ends with the test.
func launch(t *testing.T, dir string, args ...string) *process.Process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(dir, path, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// shows waits until the running process of node i has printed what is asked for.
func (c *cluster) shows(i int, what string, shown func(out string) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), soon)
	defer cancel()
	if err := c.nodes[i].Wait(ctx, shown); err != nil {
		c.t.Fatalf("node %d does not show %s: %.3000v", i, what, err)
	}
}

func exits(t *testing.T, p *process.Process, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if exit, err := p.Exit(ctx); err != nil || exit != want {
		t.Fatalf("exit code %d, %v, want %d; stdout %.500q, stderr %q", exit, err, want, p.Stdout(), p.Stderr())
	}
}

// shownMaster is one line of the report.
type shownMaster struct {
	node    uint64
	version uint64
	ip      string
	port    int
}

// reports are the lines of the report in out, in their order.
func reports(out string) []shownMaster {
	var all []shownMaster
	for line := range strings.Lines(out) {
		var r shownMaster
		if n, _ := fmt.Sscanf(line, "master: nodeid %d version %d ip %s port %d\n", &r.node, &r.version, &r.ip, &r.port); n == 4 {
			all = append(all, r)
		}
	}
	return all
}

// last is the last line of the report in out.
func last(out string) shownMaster {
	if all := reports(out); len(all) > 0 {
		return all[len(all)-1]
	}
	return shownMaster{}
}

// elected waits until node i reports a master other than not, and returns who
// that is.
func (c *cluster) elected(i int, not nodeid.ID) (master int) {
	c.t.Helper()
	c.shows(i, "a master", func(out string) bool {
		r := last(out)
		return r.node != 0 && r.node != uint64(not)
	})
	r := last(c.nodes[i].Stdout())
	for k, id := range c.ids {
		if uint64(id) == r.node {
			if r.ip != "127.0.0.1" || r.port != int(id.AddrPort().Port()) {
				c.t.Fatalf("node %d reports %+v for %v", i, r, id)
			}
			return k
		}
	}
	c.t.Fatalf("node %d reports a stranger: %+v", i, r)
	return -1
}

// One master, that renews its lease; when it is killed another one within a
// second after the lease; when two are gone none, and the last node says so.
func TestElection(t *testing.T) {
	c := newCluster(t, 3)
	first := c.elected(0, nodeid.None)
	for i := range c.nodes {
		if m := c.elected(i, nodeid.None); m != first {
			t.Fatalf("node %d reports node %d, node 0 reports node %d", i, m, first)
		}
		c.shows(i, "a renewed version", func(out string) bool { return last(out).version >= 3 })
		change := fmt.Sprintf("master change!!! groupidx 0 newmaster ip 127.0.0.1 port %d version ", c.ids[first].AddrPort().Port())
		if out := c.nodes[i].Stdout(); strings.Count(out, change) != 1 || strings.Count(out, "master change!!!") != 1 {
			t.Errorf("node %d prints %q", i, out)
		}
	}
	other := (first + 1) % 3
	began := time.Now()
	c.nodes[first].Kill()
	second := c.elected(other, c.ids[first])
	// The report comes up to a second later than the election.
	if took := time.Since(began); took > lease+2*time.Second {
		t.Errorf("another master was reported after %v, want %v at most", took, lease+2*time.Second)
	}
	left := 3 - first - second
	c.nodes[second].Kill()
	c.shows(left, "that there is no master", func(out string) bool {
		r := last(out)
		return r.node == 0 && r.ip == "0.0.0.0" && r.port == 0 && r.version != 0
	})
	c.start(first)
	again := c.elected(left, nodeid.None)
	if m := c.elected(first, nodeid.None); m != again {
		t.Errorf("node %d reports node %d, node %d reports node %d", first, m, left, again)
	}
}

// A master that is paused for longer than its lease never reports itself for
// the lease that ended meanwhile.
func TestPausedMaster(t *testing.T) {
	c := newCluster(t, 3)
	old := c.elected(0, nodeid.None)
	other := (old + 1) % 3
	c.nodes[old].Signal(syscall.SIGSTOP)
	next := c.elected(other, c.ids[old])
	before := len(reports(c.nodes[old].Stdout()))
	c.nodes[old].Signal(syscall.SIGCONT)
	c.shows(old, "the new master", func(out string) bool { return last(out).node == uint64(c.ids[next]) })
	for _, r := range reports(c.nodes[old].Stdout())[before:] {
		if r.node == uint64(c.ids[old]) {
			t.Errorf("behind the pause it reports itself, in version %d", r.version)
		}
	}
}

// SIGTERM ends a node in order. A master hands over first: the others hear of
// the next one long before the lease would have ended.
func TestMasterLeavesInOrder(t *testing.T) {
	c := newCluster(t, 3)
	old := c.elected(0, nodeid.None)
	other := (old + 1) % 3
	changes := func(out string) int { return strings.Count(out, "master change!!!") }
	before := changes(c.nodes[other].Stdout())
	began := time.Now()
	c.nodes[old].Signal(syscall.SIGTERM)
	c.shows(other, "a change of the master", func(out string) bool { return changes(out) > before })
	if took := time.Since(began); took > lease/2 {
		t.Errorf("the change took %v", took)
	} else {
		t.Logf("another master was told %v after the signal", took.Round(time.Millisecond))
	}
	exits(t, c.nodes[old], cmdline.ExitOK)
	for i, p := range c.nodes {
		if i != old {
			p.Signal(syscall.SIGINT)
		}
	}
	for i, p := range c.nodes {
		exits(t, p, cmdline.ExitOK)
		if p.Stderr() != "" {
			t.Errorf("node %d: stderr %q", i, p.Stderr())
		}
	}
}

// Before any election the version is that of none.
func TestNoElectionYet(t *testing.T) {
	ids, release, err := freeaddr.Hold(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	p := launch(t, t.TempDir(), ids[0].String(), nodeaddr.List(ids))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	const want = "run paxos ok\nmaster: nodeid 0 version 18446744073709551615 ip 0.0.0.0 port 0\n"
	if err := p.Wait(ctx, func(out string) bool { return strings.HasPrefix(out, want) }); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGTERM)
	exits(t, p, cmdline.ExitOK)
}
