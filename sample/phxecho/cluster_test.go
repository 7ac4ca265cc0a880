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

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

// binary is the program under test, built once for all tests, with the program
// of its state machine beside it.
var binary = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-o", binaryDir+"/", ".", "../phxecho_sm").CombinedOutput()
	if err != nil {
		return "", errors.New("go build: " + string(out))
	}
	return filepath.Join(binaryDir, "phxecho"), nil
})

var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "phxecho")
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
	past  []string           // what earlier processes of each node printed
	args  []string           // further arguments of all nodes
}

func newCluster(t *testing.T, size int) *cluster {
	t.Helper()
	ids, release, err := freeaddr.Hold(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return &cluster{
		t: t, dir: t.TempDir(), ids: ids,
		nodes: make([]*process.Process, size), past: make([]string, size),
	}
}

// start starts node i, 1 for the first one, and waits for its prompt.
func (c *cluster) start(i int) {
	c.t.Helper()
	if old := c.nodes[i-1]; old != nil {
		c.past[i-1] += old.Stdout()
	}
	c.nodes[i-1] = launch(c.t, c.dir, append(c.args, c.ids[i-1].String(), nodeaddr.List(c.ids))...)
	c.shows(i, prompt)
}

// vote waits until all nodes, which had no log and were started with -monitor,
// vote. One that came when the others had decided something does so a little
// later; if another one goes before, those that are left decide nothing.
func (c *cluster) vote() {
	c.t.Helper()
	for i, p := range c.nodes {
		await.True(c.t, fmt.Sprintf("node %d votes", i+1), func() bool {
			n, err := p.Events(c.t.Context(), event.Voting.String())
			return err == nil && n > 0
		})
	}
}

// launch starts a phxecho process that ends with the test.
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

func (c *cluster) typed(i int, line string) {
	c.t.Helper()
	if err := c.nodes[i-1].Type(line); err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
}

// shows waits until the running process of node i has printed text.
func (c *cluster) shows(i int, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), await.Limit(c.t))
	defer cancel()
	err := c.nodes[i-1].Wait(ctx, func(out string) bool { return strings.Contains(out, text) })
	if err != nil {
		c.t.Fatalf("node %d does not show %.80q: %.2000v", i, text, err)
	}
}

// answers types a value at node i, and waits for its answer and until all
// given nodes have executed it.
func (c *cluster) answers(i int, value string, nodes ...int) {
	c.t.Helper()
	c.typed(i, value)
	c.shows(i, "echo resp value "+value+"\n"+prompt)
	for _, n := range nodes {
		c.executes(n, value)
	}
}

func (c *cluster) executes(i int, value string) {
	c.t.Helper()
	c.shows(i, " value "+value+"\n")
}

// terminate ends nodes with SIGTERM and checks that they close cleanly.
func (c *cluster) terminate(nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		c.nodes[i-1].Signal(syscall.SIGTERM)
	}
	for _, i := range nodes {
		exits(c.t, c.nodes[i-1], cmdline.ExitOK)
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

// printed is all that node i has printed in all of its lives.
func (c *cluster) printed(i int) string { return c.past[i-1] + c.nodes[i-1].Stdout() }
