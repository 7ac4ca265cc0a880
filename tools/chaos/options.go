package main

import (
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
)

// options is what the command line says.
type options struct {
	Rounds    int
	Nodes     int
	Clients   int // per node
	Large     int // so many of them propose large values
	Groups    int
	Seed      uint64
	Dir       string // "" for a temporary one
	RoundTime time.Duration
	Garbage   time.Duration // 0 for none
	Layout    string        // of the logs: mixed, original or shared
}

// clientsTotal is the default load: fewer clients leave the places where
// proposals meet each other untouched.
const clientsTotal = 60

func parseArgs(args []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&o.Rounds, "rounds", 200, "how many times to kill or stop nodes")
	flags.IntVar(&o.Nodes, "nodes", 3, "how many nodes, 3..9")
	flags.IntVar(&o.Clients, "clients", 0, "how many clients each node has, default 60 over all nodes")
	flags.IntVar(&o.Large, "large", 0, "how many of each node's clients propose values of up to 100 KB")
	flags.IntVar(&o.Groups, "groups", 1, "how many groups, 1..64")
	flags.Uint64Var(&o.Seed, "seed", 0, "decides which nodes fall and when; 0 takes one from the clock")
	flags.StringVar(&o.Dir, "dir", "", "empty `directory` for logs, kept; default a temporary one, kept after a violation")
	flags.DurationVar(&o.RoundTime, "round-time", 2*time.Second, "how long a round takes")
	flags.DurationVar(&o.Garbage, "garbage", 0, "first throw garbage at the nodes for this `time`")
	flags.StringVar(&o.Layout, "layout", "mixed", "how the logs lie on disk: `original`, shared, or mixed, which alternates from node to node")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.Clients == 0 && o.Nodes > 0 {
		o.Clients = (clientsTotal + o.Nodes - 1) / o.Nodes
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, o.validate()
}

// layout is how the log of a node lies.
func (o options) layout(node int) phxpaxos.LogLayout {
	if o.Layout == "original" || o.Layout == "mixed" && node%2 == 1 {
		return phxpaxos.LayoutOriginal
	}
	return phxpaxos.LayoutShared
}

func (o options) validate() error {
	switch {
	case o.Rounds < 0:
		return fmt.Errorf("-rounds is %d, must be 0 or more", o.Rounds)
	case o.Nodes < 3 || o.Nodes > 9:
		return fmt.Errorf("-nodes is %d, must be in 3..9", o.Nodes)
	case o.Clients < 1 || o.Clients > 1000:
		return fmt.Errorf("-clients is %d, must be in 1..1000", o.Clients)
	case o.Large < 0 || o.Large > o.Clients:
		return fmt.Errorf("-large is %d, must be in 0..%d, the number of clients of a node", o.Large, o.Clients)
	case o.Groups < 1 || o.Groups > 64:
		return fmt.Errorf("-groups is %d, must be in 1..64", o.Groups)
	case o.Clients < o.Groups:
		return fmt.Errorf("-clients is %d, must be at least -groups, %d, so that every group has load", o.Clients, o.Groups)
	case o.RoundTime < 100*time.Millisecond || o.RoundTime > time.Hour:
		return fmt.Errorf("-round-time is %v, must be in 100ms..1h", o.RoundTime)
	case o.Layout != "mixed" && o.Layout != "original" && o.Layout != "shared":
		return fmt.Errorf("-layout is %q, must be mixed, original or shared", o.Layout)
	case o.Garbage < 0:
		return fmt.Errorf("-garbage is %v, must be 0 or more", o.Garbage)
	}
	return nil
}
