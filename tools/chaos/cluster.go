package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// patience is how long a node may take for anything before that counts as a
// violation. Machines that run this are busy; a healthy node needs a fraction.
const patience = 60 * time.Second

// packetsMax is how many sampled packets are kept to damage copies of.
const packetsMax = 512

// cluster is the nodes as the parent sees them.
type cluster struct {
	*journal
	o     options
	dir   string
	ids   []nodeid.ID
	nodes []*child // nil while a node is down
	lives []uint32

	release func() // gives the ports back, when no node comes back any more

	samplesMu sync.Mutex
	samples   [][]byte // a ring of packets that nodes sent
	sampled   int
}

func newCluster(o options, dir string) (*cluster, error) {
	ids, release, err := freeaddr.Hold(o.Nodes)
	if err != nil {
		return nil, err
	}
	return &cluster{
		journal: newJournal(o.Nodes, o.Groups), o: o, dir: dir, ids: ids,
		nodes: make([]*child, o.Nodes), lives: make([]uint32, o.Nodes), release: release,
	}, nil
}

// start starts some nodes and waits until they run.
func (c *cluster) start(ctx context.Context, nodes ...int) error {
	for _, i := range nodes {
		if err := c.launch(i); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it does not start"))
	defer cancel()
	for _, i := range nodes {
		if _, err := await(ctx, c.nodes[i], c.nodes[i].ready); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) launch(i int) error {
	dir := filepath.Join(c.dir, fmt.Sprintf("node%d", i))
	if err := os.MkdirAll(dir, 0o775); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("node%d.log", i)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o664)
	if err != nil {
		return err
	}
	defer log.Close()
	set := setup{
		Me: i, Nodes: c.ids, Life: c.lives[i], Dir: dir, Layout: c.o.layout(i),
		Clients: c.o.Clients, Large: c.o.Large, Groups: c.o.Groups, Tap: c.o.Garbage > 0,
	}
	if i%2 == 1 {
		// Half of the nodes give up as the original does, so that refusals,
		// and their promise that the value is not chosen, are tried as well.
		set.Attempts = 3
	}
	c.lives[i]++
	c.nodes[i], err = startChild(set, log, c)
	return err
}

// kill ends some nodes with SIGKILL, at once.
func (c *cluster) kill(nodes ...int) {
	for _, i := range nodes {
		c.nodes[i].cmd.Process.Kill()
	}
	for _, i := range nodes {
		c.nodes[i].kill()
		c.nodes[i] = nil
	}
}

// killAll leaves no process behind, stopped ones included.
func (c *cluster) killAll() {
	for i, n := range c.nodes {
		if n != nil {
			c.kill(i)
		}
	}
}

// finish lets all nodes close.
func (c *cluster) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("closing takes too long"))
	defer cancel()
	for i, n := range c.nodes {
		if err := n.finish(ctx); err != nil {
			return err
		}
		c.nodes[i] = nil
	}
	return nil
}

// statuses asks all nodes where they are.
func (c *cluster) statuses(ctx context.Context) ([]*status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("its status takes too long"))
	defer cancel()
	all := make([]*status, len(c.nodes))
	for i, n := range c.nodes {
		s, err := ask(ctx, n, request{Status: true}, n.status)
		if err != nil {
			return nil, err
		}
		all[i] = s
	}
	return all, nil
}

// pause lets the clients of all nodes end.
func (c *cluster) pause(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("its clients do not end"))
	defer cancel()
	for _, n := range c.nodes {
		if _, err := ask(ctx, n, request{Pause: true}, n.paused); err != nil {
			return err
		}
	}
	return nil
}

// packets keeps samples of what the nodes send.
func (c *cluster) packets(ps [][]byte) {
	c.samplesMu.Lock()
	defer c.samplesMu.Unlock()
	for _, p := range ps {
		if len(c.samples) < packetsMax {
			c.samples = append(c.samples, p)
		} else {
			c.samples[c.sampled%packetsMax] = p
		}
		c.sampled++
	}
}

// sample returns the n-th packet that is kept, or nil while there is none.
func (c *cluster) sample(n int) []byte {
	c.samplesMu.Lock()
	defer c.samplesMu.Unlock()
	if len(c.samples) == 0 {
		return nil
	}
	return c.samples[n%len(c.samples)]
}
