package main

import (
	"flag"
	"fmt"
	"io"
	"time"
)

// options is what the command line says.
type options struct {
	time    time.Duration
	epoch   time.Duration
	nodes   int
	clients int
	keys    int
	pace    time.Duration
	seed    uint64
	dir     string
	bin     string
	fenced  bool
	wipe    bool
}

func parseArgs(args []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("kvchaos", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.DurationVar(&o.time, "time", 30*time.Minute, "how long to run")
	flags.DurationVar(&o.epoch, "epoch", 20*time.Second, "how long an epoch takes; each has its own keys")
	flags.IntVar(&o.nodes, "nodes", 3, "how many servers, 3..7")
	flags.IntVar(&o.clients, "clients", 12, "how many clients, 1..1000")
	flags.IntVar(&o.keys, "keys", 12, "how many keys an epoch has; the fewer, the more clients meet")
	flags.DurationVar(&o.pace, "pace", 20*time.Millisecond, "longest pause of a client between two calls")
	flags.Uint64Var(&o.seed, "seed", 0, "decides what is done to whom and when; 0 takes one from the clock")
	flags.StringVar(&o.dir, "dir", "", "empty `directory` for data, kept; default a temporary one, kept after a violation")
	flags.StringVar(&o.bin, "server", "", "the phxkv_grpcserver to run; default: build it")
	flags.BoolVar(&o.fenced, "fenced", false, "run the servers with -fenced: reads by lease")
	flags.BoolVar(&o.wipe, "wipe", true, "let servers lose their disks")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.time <= 0:
		return fmt.Errorf("-time is %v, must be above 0", o.time)
	case o.epoch < 2*time.Second || o.epoch > 10*time.Minute:
		return fmt.Errorf("-epoch is %v, must be in 2s..10m", o.epoch)
	case o.nodes < 3 || o.nodes > 7:
		return fmt.Errorf("-nodes is %d, must be in 3..7", o.nodes)
	case o.clients < 1 || o.clients > 1000:
		return fmt.Errorf("-clients is %d, must be in 1..1000", o.clients)
	case o.keys < 1:
		return fmt.Errorf("-keys is %d, must be 1 or more", o.keys)
	case o.pace < 0:
		return fmt.Errorf("-pace is %v, must be 0 or more", o.pace)
	}
	return nil
}
