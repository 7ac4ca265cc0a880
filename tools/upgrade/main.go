package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

// baseDefault is the commit from which clusters are upgraded: the last one
// without feature levels and identities of directories.
const baseDefault = "4c2bb844955a5e1c4e080cfc9d98a1d7a04f236c"

// options is what the command line says.
type options struct {
	Base      string
	Dir       string
	Parallel  int
	Load      load
	Scenarios []scenario
	Verbose   bool
}

func main() {
	o, err := parseArgs(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitOK)
	case err != nil:
		fmt.Fprintln(os.Stderr, "upgrade:", err)
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := upgrade(ctx, o, os.Stdout)
	stop()
	os.Exit(code)
}

func parseArgs(args []string, output io.Writer) (options, error) {
	var o options
	var one scenario
	flags := flag.NewFlagSet("upgrade", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&o.Base, "base", baseDefault, "`commit` of the earlier version")
	flags.StringVar(&o.Dir, "dir", "", "empty `directory` for programs, logs and states, kept; default a temporary one, kept after a failure")
	flags.IntVar(&o.Parallel, "parallel", 2, "how many clusters run at once, 1..16")
	flags.IntVar(&o.Load.Clients, "clients", 2, "clients in each group of each node, 1..100")
	flags.DurationVar(&o.Load.Rest, "rest", 20*time.Millisecond, "pause of a client between two values")
	flags.BoolVar(&o.Verbose, "v", false, "print each step as it is done, and all counters")
	long := flags.Bool("long", false, "all procedures in several settings, some 20 minutes")
	flags.StringVar(&one.Procedure, "procedure", "", "one cluster with this procedure: "+strings.Join(sortedKeys(procedures), ", "))
	flags.StringVar(&one.Layout, "layout", "shared", "of that cluster's logs: shared or original")
	flags.IntVar(&one.Groups, "groups", 1, "of that cluster, 1..64")
	flags.BoolVar(&one.Membership, "membership", false, "that cluster keeps its members in the log")
	flags.BoolVar(&one.Master, "master", false, "that cluster elects masters")
	flags.IntVar(&one.Hold, "hold", 0, "instances that that cluster's logs keep, 300 or more; 0 keeps a million")
	flags.IntVar(&one.Parity, "parity", 0, "0: that cluster's first, third, … stop is a SIGKILL; 1: the second, fourth, …")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *long && one.Procedure != "":
		return o, errors.New("-long and -procedure exclude each other")
	case *long:
		o.Scenarios = longScenarios()
	case one.Procedure != "":
		o.Scenarios = []scenario{one}
	default:
		o.Scenarios = shortScenarios()
	}
	return o, o.validate()
}

func (o *options) validate() error {
	switch {
	case o.Parallel < 1 || o.Parallel > 16:
		return fmt.Errorf("-parallel is %d, must be in 1..16", o.Parallel)
	case o.Load.Clients < 1 || o.Load.Clients > 100:
		return fmt.Errorf("-clients is %d, must be in 1..100", o.Load.Clients)
	case o.Load.Rest < 0:
		return fmt.Errorf("-rest is %v, must be 0 or more", o.Load.Rest)
	}
	for _, s := range o.Scenarios {
		switch {
		case procedures[s.Procedure] == nil:
			return fmt.Errorf("-procedure is %q, must be one of %s", s.Procedure, strings.Join(sortedKeys(procedures), ", "))
		case s.Layout != "shared" && s.Layout != "original":
			return fmt.Errorf("-layout is %q, must be shared or original", s.Layout)
		case s.Groups < 1 || s.Groups > 64:
			return fmt.Errorf("-groups is %d, must be in 1..64", s.Groups)
		case s.Hold != 0 && s.Hold < 300:
			return fmt.Errorf("-hold is %d, must be 0, or 300 or more", s.Hold)
		case s.Parity != 0 && s.Parity != 1:
			return fmt.Errorf("-parity is %d, must be 0 or 1", s.Parity)
		}
	}
	return nil
}

// shortScenarios take about a minute, both at once.
func shortScenarios() []scenario {
	return []scenario{
		{Procedure: "orderly", Layout: "shared", Groups: 2, Membership: true, Parity: 0},
		{Procedure: "orderly", Layout: "original", Groups: 2, Parity: 1},
	}
}

// longScenarios are each procedure in both layouts, with the other settings
// spread over them.
func longScenarios() []scenario {
	var all []scenario
	for i, layout := range []string{"shared", "original"} {
		all = append(all,
			scenario{Procedure: "orderly", Layout: layout, Groups: 4, Parity: 1 - i, Master: true},
			scenario{Procedure: "orderly", Layout: layout, Groups: 1, Membership: true, Parity: i, Hold: 300},
			scenario{Procedure: "wiped", Layout: layout, Groups: 4, Membership: i == 0, Parity: i},
			scenario{Procedure: "wiped", Layout: layout, Groups: 2, Membership: i == 1, Parity: 1 - i, Hold: 300},
			scenario{Procedure: "abrupt", Layout: layout, Groups: 4, Membership: i == 1, Parity: i},
			scenario{Procedure: "abrupt", Layout: layout, Groups: 1, Membership: i == 0, Parity: 1 - i},
			scenario{Procedure: "all", Layout: layout, Groups: 2, Membership: i == 0, Parity: i},
			scenario{Procedure: "plain", Layout: layout, Groups: 2, Membership: i == 1, Parity: i},
		)
	}
	return all
}

// upgrade plays all scenarios and prints how they went. It returns the exit
// code.
func upgrade(ctx context.Context, o options, w io.Writer) int {
	dir, temporary, err := workDir(o.Dir)
	if err == nil {
		var p programs
		began := time.Now()
		if p, err = build(ctx, o.Base, dir); err == nil {
			fmt.Fprintf(w, "built the nodes of %.10s and of this tree in %v\n", o.Base, time.Since(began).Round(time.Second))
			err = playAll(ctx, o, p, dir, w)
		}
	}
	if err != nil {
		fmt.Fprintf(w, "upgrade: %v\n", err)
		if dir != "" {
			fmt.Fprintf(w, "logs and states are kept in %s\n", dir)
		}
		return exitFail
	}
	if temporary {
		os.RemoveAll(dir)
	}
	return exitOK
}

// workDir returns an empty directory.
func workDir(dir string) (path string, temporary bool, err error) {
	if dir == "" {
		dir, err = os.MkdirTemp("", "phxpaxos-upgrade")
		return dir, true, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", false, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("-dir %s is not empty: old logs would be taken for this run's", dir)
	}
	return dir, false, err
}

// playAll plays the scenarios, some at a time. Its error says how many failed.
func playAll(ctx context.Context, o options, p programs, dir string, w io.Writer) error {
	var wg sync.WaitGroup
	var mu sync.Mutex // of w and failed
	failed := 0
	room := make(chan struct{}, o.Parallel)
	for i, s := range o.Scenarios {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			text, ok := playOne(ctx, s, o, p, filepath.Join(dir, fmt.Sprintf("run%d", i)))
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprint(w, text)
			if !ok {
				failed++
			}
		})
	}
	wg.Wait()
	if failed > 0 {
		return fmt.Errorf("%d of %d clusters failed", failed, len(o.Scenarios))
	}
	return nil
}

// playOne plays a scenario in a directory, which it removes if all went well.
func playOne(ctx context.Context, s scenario, o options, p programs, dir string) (text string, ok bool) {
	err := os.MkdirAll(dir, 0o755)
	var c *cluster
	if err == nil {
		c, err = newCluster(s, o.Load, p, dir)
	}
	if err != nil {
		return fmt.Sprintf("%v: %v\n", s, err), false
	}
	r := &runner{cluster: c}
	err = r.play(ctx)
	text = r.describe(err, o.Verbose)
	if err == nil && o.Dir == "" {
		os.RemoveAll(dir)
	}
	return text, err == nil
}
