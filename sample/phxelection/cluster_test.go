package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

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
	c.vote()
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	c.nodes[i] = launch(c.t, c.dir, "-monitor", "127.0.0.1:0", c.ids[i].String(), nodeaddr.List(c.ids))
	c.shows(i, "its banner", func(out string) bool { return strings.HasPrefix(out, "run paxos ok\n") })
}

// vote waits until all nodes, which have no log yet, vote. One that was started
// when the others had elected a master already does so some elections later; if
// the master goes before, the two that are left elect nobody.
func (c *cluster) vote() {
	c.t.Helper()
	for i, p := range c.nodes {
		await.True(c.t, fmt.Sprintf("node %d votes", i), func() bool {
			n, err := p.Events(c.t.Context(), event.Voting.String())
			return err == nil && n > 0
		})
	}
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
	ctx, cancel := context.WithTimeout(c.t.Context(), await.Limit(c.t))
	defer cancel()
	if err := c.nodes[i].Wait(ctx, shown); err != nil {
		c.t.Fatalf("node %d does not show %s: %v", i, what, err)
	}
}

func exits(t *testing.T, p *process.Process, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
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
	var r shownMaster
	c.shows(i, "a master", func(out string) bool {
		r = last(out)
		return r.node != 0 && r.node != uint64(not)
	})
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

// One master, that renews its lease; when it is killed another one; when two
// are gone none, and the last node says so. How long that takes is compared in
// virtual time, by the tests of package phxpaxos: here the machine may be slow,
// and a mastership lapse or change by itself.
func TestElection(t *testing.T) {
	c := newCluster(t, 3)
	first := c.agreed(0, 1, 2)
	for i := range c.nodes {
		c.shows(i, "a renewed version", func(out string) bool { return last(out).version >= 3 })
		c.announced(i)
	}
	first = c.elected(0, nodeid.None)
	other := (first + 1) % 3
	c.nodes[first].Kill()
	second := c.elected(other, c.ids[first])
	left := 3 - first - second
	c.nodes[second].Kill()
	c.shows(left, "that there is no master", func(out string) bool {
		r := last(out)
		return r.node == 0 && r.ip == "0.0.0.0" && r.port == 0 && r.version != 0
	})
	c.start(first)
	c.agreed(left, first)
}

// agreed waits until the given nodes report the same master in the same
// version, and returns which.
func (c *cluster) agreed(nodes ...int) (master int) {
	c.t.Helper()
	await.True(c.t, fmt.Sprintf("nodes %d report the same master", nodes), func() bool {
		seen := last(c.nodes[nodes[0]].Stdout())
		for _, i := range nodes[1:] {
			if !slices.Contains(reports(c.nodes[i].Stdout()), seen) {
				return false
			}
		}
		master = slices.IndexFunc(c.ids, func(id nodeid.ID) bool { return uint64(id) == seen.node })
		return master >= 0
	})
	return master
}

// announced checks that node i has announced each change of the master once.
func (c *cluster) announced(i int) {
	c.t.Helper()
	before := ""
	for line := range strings.Lines(c.nodes[i].Stdout()) {
		if !strings.HasPrefix(line, "master change!!! ") {
			continue
		}
		master, _, _ := strings.Cut(line, " version ")
		if master == before {
			c.t.Errorf("node %d announces the same master again: %q", i, c.nodes[i].Stdout())
		}
		before = master
	}
	if before == "" {
		c.t.Errorf("node %d has announced no master: %q", i, c.nodes[i].Stdout())
	}
}

// A master that is paused for longer than its lease never reports itself for
// the lease that ended meanwhile. A pause may strike between the look and the
// line that reports it, so once proves nothing; a lease that goes on behind a
// pause shows each time.
func TestPausedMaster(t *testing.T) {
	c := newCluster(t, 3)
	var wrong string
	for range 3 {
		if wrong = c.pauseMaster(); wrong == "" {
			return
		}
	}
	t.Error(wrong)
}

// pauseMaster pauses the master until another one is elected, and returns what
// is wrong with what it reports behind the pause.
func (c *cluster) pauseMaster() (wrong string) {
	c.t.Helper()
	old := c.agreed(0, 1, 2)
	other := (old + 1) % 3
	seen := len(reports(c.nodes[old].Stdout()))
	c.shows(old, "one more report", func(out string) bool { return len(reports(out)) > seen })
	c.nodes[old].Signal(syscall.SIGSTOP)
	c.elected(other, c.ids[old])
	version := last(c.nodes[other].Stdout()).version
	before := len(reports(c.nodes[old].Stdout()))
	c.nodes[old].Signal(syscall.SIGCONT)
	c.shows(old, "a master that was elected meanwhile", func(out string) bool {
		r := last(out)
		return r.node != 0 && r.version >= version
	})
	// On a busy machine it may be master again, by a later election.
	for _, r := range reports(c.nodes[old].Stdout())[before:] {
		if r.node == uint64(c.ids[old]) && r.version < version {
			return fmt.Sprintf("behind the pause node %d reports itself, in version %d; version %d is another one's", old, r.version, version)
		}
	}
	return ""
}

// SIGTERM ends a node in order. A master hands over first. That the others hear
// of the next one long before the lease would have ended is compared in virtual
// time, by TestCloseHandsTheMasterOver of package phxpaxos.
func TestMasterLeavesInOrder(t *testing.T) {
	c := newCluster(t, 3)
	old := c.agreed(0, 1, 2)
	other := (old + 1) % 3
	c.nodes[old].Signal(syscall.SIGTERM)
	c.elected(other, c.ids[old])
	c.announced(other)
	exits(t, c.nodes[old], cmdline.ExitOK)
	for i, p := range c.nodes {
		if i != old {
			p.Signal(syscall.SIGINT)
		}
	}
	for i, p := range c.nodes {
		exits(t, p, cmdline.ExitOK)
		if rest := strings.Split(p.Stderr(), "\n")[1:]; len(rest) != 1 || rest[0] != "" { // the monitor's line apart
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
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit(t))
	defer cancel()
	const want = "run paxos ok\nmaster: nodeid 0 version 18446744073709551615 ip 0.0.0.0 port 0\n"
	if err := p.Wait(ctx, func(out string) bool { return strings.HasPrefix(out, want) }); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGTERM)
	exits(t, p, cmdline.ExitOK)
}
