package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
)

// options is what the command line says.
type options struct {
	rounds  int
	size    int64 // bytes of a checkpoint
	clients int   // per node
	rate    int   // bytes a second of each sender, 0 for no limit
	kills   bool
	seed    uint64
	dir     string
	replay  int
}

func main() {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	o, err := parseArgs(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "comeback:", err)
		os.Exit(2)
	}
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "comeback:", err)
		os.Exit(1)
	}
}

func parseArgs(args []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("comeback", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&o.rounds, "rounds", 50, "how many times a node is wiped")
	mib := flags.Int("size", 32, "size of a checkpoint, in MiB, 1..65536")
	flags.IntVar(&o.clients, "clients", 4, "callers on each node, 0..100")
	rate := flags.Int("rate", 64, "most that a node sends of checkpoints, in MiB a second; 0 for no limit")
	flags.BoolVar(&o.kills, "kills", true, "kill senders and receivers in the middle")
	flags.Uint64Var(&o.seed, "seed", 1, "decides who is wiped and killed")
	flags.StringVar(&o.dir, "dir", "", "`directory` for logs and states; default a temporary one")
	flags.IntVar(&o.replay, "replay", 0, "measure a start with a log of so many instances instead")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.size, o.rate = int64(*mib)<<20, *rate<<20
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds is %d, must be 1 or more", o.rounds)
	case *mib < 1 || *mib > 65536:
		return o, fmt.Errorf("-size is %d, must be in 1..65536 MiB", *mib)
	case o.clients < 0 || o.clients > 100:
		return o, fmt.Errorf("-clients is %d, must be in 0..100", o.clients)
	case *rate < 0:
		return o, fmt.Errorf("-rate is %d, must be 0 or more MiB a second", *rate)
	case o.replay < 0:
		return o, fmt.Errorf("-replay is %d, must be 0 or more", o.replay)
	}
	return o, nil
}

func run(o options, w io.Writer) (err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "phxpaxos-comeback"); err != nil {
			return err
		}
	} else if err := ensure(dir); err != nil {
		return err
	}
	if o.replay > 0 {
		err = replay(o, dir, w)
	} else {
		err = rounds(o, dir, w)
	}
	if err == nil && o.dir == "" {
		return os.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("%w\nlogs are kept in %s", err, dir)
	}
	return nil
}

// rounds plays them all.
func rounds(o options, dir string, w io.Writer) error {
	c, err := newCluster(o, dir)
	if err != nil {
		return err
	}
	defer c.release()
	defer c.killAll()
	for i := range c.nodes {
		if err := c.start(i); err != nil {
			return err
		}
	}
	for i := range c.nodes {
		if err := c.until(i, "its log is cleaned", func(r report) bool { return r.MinChosen > 0 }); err != nil {
			return err
		}
	}
	r := rand.New(rand.NewPCG(o.seed, 0))
	for n := range o.rounds {
		if err := c.round(n, r, w); err != nil {
			return fmt.Errorf("round %d: %w", n+1, err)
		}
	}
	if err := c.end(w); err != nil {
		return err
	}
	return raw(c, w)
}

// round wipes a node and sees it come back.
func (c *cluster) round(n int, r *rand.Rand, w io.Writer) error {
	i := r.IntN(nodesCount)
	// A wiped node has forgotten what it voted for: all others have to be whole.
	for k := range c.nodes {
		if err := c.until(k, "it is level with the others before one is wiped", func(r report) bool { return c.level(k, r) }); err != nil {
			return err
		}
	}
	c.kill(i)
	if err := c.wipe(i); err != nil {
		return err
	}
	var alone, along float64
	if !c.o.kills {
		alone = c.rate(i, time.Second)
	}
	began := time.Now()
	if err := c.start(i); err != nil {
		return err
	}
	receiving := func(r report) bool { return r.Phase == int(phxpaxos.Receiving) && r.Done > 0 }
	if err := c.until(i, "a checkpoint comes in", receiving); err != nil {
		return err
	}
	if !c.o.kills { // else the middle of the transfer would be over
		along = c.rate(i, time.Second)
	}
	story := "came back"
	if dice := n % 3; c.o.kills && dice > 0 {
		victim := i
		if dice == 2 {
			last, _ := c.nodes[i].report()
			for k, id := range c.ids {
				if id.String() == last.From {
					victim = k
				}
			}
		}
		c.kill(victim)
		if err := c.start(victim); err != nil {
			return err
		}
		story = []string{"", "was killed while it received, and came back", "lost its sender, and came back"}[dice]
	}
	var fastest float64
	from, before := time.Now(), uint64(0)
	process := c.nodes[i]
	level := func(r report) bool {
		if r.Phase == int(phxpaxos.Receiving) {
			if r.Done < before || before == 0 {
				from, before = time.Now(), r.Done
			} else if took := time.Since(from).Seconds(); took > 0.2 {
				fastest = max(fastest, float64(r.Done-before)/took)
			}
		}
		return c.level(i, r)
	}
	if err := c.until(i, "it is level with the others", level); err != nil {
		return err
	}
	if c.nodes[i] != process {
		return nodeError(i, "it is another process now")
	}
	fmt.Fprintf(w, "round %d: node %d %s after %v, at %.0f MB/s\n", n+1, i, story, time.Since(began).Round(10*time.Millisecond), fastest/1e6)
	if !c.o.kills {
		fmt.Fprintf(w, "  the others acknowledged %.0f values/s while it was away, %.0f while it received\n", alone, along)
	}
	return nil
}

// level reports whether a node takes part as all others do.
func (c *cluster) level(i int, r report) bool {
	for _, n := range c.nodes {
		if other, any := n.report(); !any || r.State.Last+200 < other.State.Last {
			return false
		}
	}
	return r.Phase == int(phxpaxos.Level) && r.State.Last != ^uint64(0) && r.MinChosen > 0
}

// rate is how many values a second all nodes but one acknowledge, over a while.
func (c *cluster) rate(but int, d time.Duration) float64 {
	sum := func() (n uint64) {
		for i, node := range c.nodes {
			if i != but && node != nil {
				r, _ := node.report()
				n += r.Acked
			}
		}
		return n
	}
	before, began := sum(), time.Now()
	time.Sleep(d)
	return float64(sum()-before) / time.Since(began).Seconds()
}

// end compares the states.
func (c *cluster) end(w io.Writer) error {
	for i, n := range c.nodes {
		if _, err := io.WriteString(n.stdin, "pause\n"); err != nil {
			return nodeError(i, "pause: %w", err)
		}
	}
	acked := c.acked
	for i := range c.nodes {
		if err := c.until(i, "its load is paused", func(r report) bool { return r.Paused }); err != nil {
			return err
		}
		r, _ := c.nodes[i].report()
		acked += r.Acked
	}
	for i := range c.nodes {
		if err := c.until(i, "it has the state of node 0", func(r report) bool {
			first, _ := c.nodes[0].report()
			return r.State == first.State
		}); err != nil {
			return err
		}
	}
	r, _ := c.nodes[0].report()
	if r.State.Count < acked {
		return fmt.Errorf("%d values were acknowledged, the state has %d", acked, r.State.Count)
	}
	fmt.Fprintf(w, "all nodes have the same state: %d values in %d instances, hash %016x; %d were acknowledged\n",
		r.State.Count, r.State.Last+1, r.State.Hash, acked)
	fmt.Fprintf(w, "largest resident memory of a process: %d MiB\n", c.peak>>20)
	return nil
}

// diskUse is how many bytes the files below a directory take.
func diskUse(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				bytes += allocated(info)
			}
		}
		return nil
	})
	return bytes
}
