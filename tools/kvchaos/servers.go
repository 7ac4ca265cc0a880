package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

const (
	program = "github.com/phxpaxos/phxpaxos-go/sample/phxkv/phxkv_grpcserver"

	// lease is short, so that a run sees many masters; pauses are longer.
	lease = 2 * time.Second
	// hold is the least: a server that lost its disk then needs a snapshot.
	hold = 300
	// patience is how long a server may take for anything before that counts
	// as a failure. Machines that run this are busy.
	patience = 90 * time.Second
)

// cluster is the servers and the network between them.
type cluster struct {
	o       options
	dir     string
	bin     string
	ids     []nodeid.ID // where the proxies listen: the names of the nodes
	inner   []nodeid.ID // where the nodes really listen
	grpc    []string
	links   *links
	proxies []*proxy
	servers []*process.Process // nil while down
	lives   int
	release func() // gives the ports back, when no server comes back any more
}

func newCluster(ctx context.Context, o options, dir string) (*cluster, error) {
	const redirectRule = 10000
	all, release, err := freeaddr.Hold(2*o.nodes, redirectRule)
	if err != nil {
		return nil, err
	}
	ids, inner := all[:o.nodes], all[o.nodes:]
	c := &cluster{o: o, dir: dir, bin: o.bin, ids: ids, inner: inner, links: newLinks(), servers: make([]*process.Process, o.nodes), release: release}
	for i, id := range ids {
		address, err := phxkv.GRPCAddress(id)
		if err != nil {
			c.close()
			return nil, err
		}
		c.grpc = append(c.grpc, address.String())
		p, err := newProxy(c.links, ids, i, inner[i].String())
		if err != nil {
			c.close()
			return nil, err
		}
		c.proxies = append(c.proxies, p)
	}
	if c.bin != "" {
		c.bin, err = filepath.Abs(c.bin) // servers run in another directory
	} else {
		c.bin = filepath.Join(dir, "phxkv_grpcserver")
		var out []byte
		if out, err = exec.CommandContext(ctx, "go", "build", "-o", c.bin, program).CombinedOutput(); err != nil {
			err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close leaves no process and no connection behind, and then no port.
func (c *cluster) close() {
	for i := range c.servers {
		c.kill(i)
	}
	for _, p := range c.proxies {
		p.close()
	}
	c.release()
}

func (c *cluster) path(i int, name string) string {
	return filepath.Join(c.dir, fmt.Sprintf("node%d", i), name)
}

// start starts a server and waits until it answers.
func (c *cluster) start(ctx context.Context, i int) error {
	c.lives++
	args := []string{"-log_layout", "shared", "-lease", lease.String(), "-hold", strconv.Itoa(hold), "-paxos_listen", c.inner[i].String(), "-log_dir", c.path(i, "log")}
	if c.o.fenced {
		args = append(args, "-fenced")
	}
	args = append(args, c.grpc[i], c.ids[i].String(), nodeaddr.List(c.ids), c.path(i, "kvdb"), c.path(i, "paxoslog"))
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it does not start"))
	defer cancel()
	p, err := process.StartServer(ctx, func(out string) bool { return strings.HasPrefix(out, "Server listening on ") }, c.dir, c.bin, args...)
	if err != nil {
		return fmt.Errorf("server %d: %w", i, errors.Join(err, context.Cause(ctx)))
	}
	c.servers[i] = p
	return nil
}

// kill ends a server as kill -9 does.
func (c *cluster) kill(i int) {
	if p := c.servers[i]; p != nil {
		p.Kill()
		c.servers[i] = nil
	}
}

// finish ends a server with SIGTERM; it has to end well.
func (c *cluster) finish(ctx context.Context, i int) error {
	p := c.servers[i]
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it does not end"))
	defer cancel()
	exit, err := p.Exit(ctx)
	if err != nil || exit != 0 {
		return fmt.Errorf("server %d ended with exit code %d: %w, %s", i, exit, errors.Join(err, context.Cause(ctx)), p.Stderr())
	}
	c.servers[i] = nil
	return nil
}

// check fails if a server has ended by itself.
func (c *cluster) check() error {
	for i, p := range c.servers {
		if p != nil && p.Ended() {
			return fmt.Errorf("server %d ended by itself: %s", i, p.Stderr())
		}
	}
	return nil
}

// wipe removes everything that a server that is down has on disk.
func (c *cluster) wipe(i int) error {
	return errors.Join(os.RemoveAll(c.path(i, "kvdb")), os.RemoveAll(c.path(i, "paxoslog")))
}
