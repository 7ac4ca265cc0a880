package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// load says how much the clients of a node write.
type load struct {
	Clients int // in each group of each node
	Rest    time.Duration
}

// cluster is the nodes of one scenario.
type cluster struct {
	*record
	s        scenario
	load     load
	programs programs
	dir      string
	ids      []nodeid.ID
	release  func()
	running  [nodes]*process // nil while a node is down
	lives    [nodes]uint32
}

func newCluster(s scenario, l load, p programs, dir string) (*cluster, error) {
	ids, release, err := freeaddr.Hold(nodes)
	if err != nil {
		return nil, err
	}
	return &cluster{record: newRecord(), s: s, load: l, programs: p, dir: dir, ids: ids, release: release}, nil
}

func (c *cluster) nodeDir(node int) string { return filepath.Join(c.dir, fmt.Sprintf("node%d", node)) }

func (c *cluster) logPath(node int) string {
	return filepath.Join(c.dir, fmt.Sprintf("node%d.log", node))
}

// launch starts the process of a node.
func (c *cluster) launch(node int, v version, plain bool) error {
	log, err := os.OpenFile(c.logPath(node), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- life %d, %v version\n", c.lives[node], v)
	set := protocol.Setup{
		Me: node, Dir: c.nodeDir(node), Layout: c.s.Layout, Life: c.lives[node], Groups: c.s.Groups,
		Clients: c.load.Clients * c.s.Groups, Rest: c.load.Rest,
		Hold: c.s.Hold, Membership: c.s.Membership, Master: c.s.Master, NoPacketCRC: plain,
	}
	for _, id := range c.ids {
		set.Nodes = append(set.Nodes, id.String())
	}
	c.lives[node]++
	c.running[node], err = startProcess(c.programs[v], v, set, log, c.take)
	return err
}

// launched waits until a node runs.
func (c *cluster) launched(ctx context.Context, node int) error {
	_, err := await(ctx, c.running[node], c.running[node].ready)
	return err
}

// stop ends the process of a node and notes its counters.
func (c *cluster) stop(ctx context.Context, node int, kill bool) error {
	p := c.running[node]
	s, err := ask(ctx, p, protocol.Request{Status: true}, p.status)
	if err != nil {
		return err
	}
	c.counted(p.version, s.Counts)
	c.running[node] = nil
	if kill {
		p.kill()
		return nil
	}
	if err := p.finish(ctx); err != nil {
		p.kill()
		return err
	}
	return nil
}

// killAll leaves no process, and gives the ports back.
func (c *cluster) killAll() {
	for node, p := range c.running {
		if p != nil {
			p.kill()
			c.running[node] = nil
		}
	}
	c.release()
}

// wipe removes what a node has stored. Its process does not run.
func (c *cluster) wipe(node int) error { return os.RemoveAll(c.nodeDir(node)) }

// said reports whether the log of a node has text in the node's last life.
func (c *cluster) said(node int, text string) (bool, error) {
	b, err := os.ReadFile(c.logPath(node))
	if at := bytes.LastIndex(b, []byte("--- life ")); at > 0 {
		b = b[at:]
	}
	return bytes.Contains(b, []byte(text)), err
}
