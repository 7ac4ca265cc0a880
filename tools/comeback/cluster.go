package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// patience bounds every wait; a healthy cluster needs a fraction of it, but
// machines that run this are busy.
const patience = 3 * time.Minute

// cluster is the nodes as the parent sees them.
type cluster struct {
	o     options
	dir   string
	ids   []nodeid.ID
	nodes []*child // nil while a node is down
	acked uint64   // of lives that are over
	peak  int64

	release func() // gives the ports back, when no node comes back any more
}

// child is one process.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}

	mu   sync.Mutex
	last report
	any  bool
}

func newCluster(o options, dir string) (*cluster, error) {
	ids, release, err := freeaddr.Hold(nodesCount)
	return &cluster{o: o, dir: dir, ids: ids, nodes: make([]*child, nodesCount), release: release}, err
}

const nodesCount = 3

func (c *cluster) nodeDir(i int) string { return filepath.Join(c.dir, fmt.Sprint("node", i)) }

func (c *cluster) start(i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("node%d.log", i)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	n := &child{cmd: exec.Command(self), ended: make(chan struct{})}
	n.cmd.Env = append(os.Environ(), childEnv+"=1")
	n.cmd.Stderr = log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C is for the parent
	stdout, err := n.cmd.StdoutPipe()
	if err == nil {
		n.stdin, err = n.cmd.StdinPipe()
	}
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		return nodeError(i, "start: %w", err)
	}
	c.nodes[i] = n
	go n.read(stdout)
	return json.NewEncoder(n.stdin).Encode(setup{Me: i, Nodes: c.ids, Dir: c.nodeDir(i), Big: c.o.size, Clients: c.o.clients, Rate: c.o.rate})
}

func (n *child) read(stdout io.Reader) {
	defer close(n.ended)
	in := bufio.NewScanner(stdout)
	for in.Scan() {
		var r report
		if json.Unmarshal(in.Bytes(), &r) == nil {
			n.mu.Lock()
			n.last, n.any = r, true
			n.mu.Unlock()
		}
	}
	_ = n.cmd.Wait() // how it ended is known to whoever ended it
}

func (n *child) report() (r report, any bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last, n.any
}

// kill ends a process with SIGKILL.
func (c *cluster) kill(i int) {
	n := c.nodes[i]
	if n == nil {
		return
	}
	_ = n.cmd.Process.Kill() // it may have ended already
	<-n.ended
	r, _ := n.report()
	c.acked += r.Acked
	c.peak = max(c.peak, r.Resident)
	c.nodes[i] = nil
}

func (c *cluster) killAll() {
	for i := range c.nodes {
		c.kill(i)
	}
}

func (c *cluster) wipe(i int) error { return os.RemoveAll(c.nodeDir(i)) }

// until waits until what node i reports is as it should be. A process that
// ends meanwhile is an error.
func (c *cluster) until(i int, what string, ok func(r report) bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n := c.nodes[i]
		r, any := n.report()
		c.peak = max(c.peak, r.Resident)
		switch {
		case r.Failed != "":
			return nodeError(i, "%s", r.Failed)
		case any && ok(r):
			return nil
		}
		select {
		case <-tick.C:
		case <-n.ended:
			return nodeError(i, "its process has ended while it should have been seen: %s", what)
		case <-limit.C:
			return nodeError(i, "not within %v: %s (%+v)", patience, what, r)
		}
	}
}
