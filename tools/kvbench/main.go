package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options is what the command line says.
type options struct {
	rounds  int
	callers string
	size    int
	time    time.Duration
	warmup  time.Duration
	conns   int
	fenced  bool
	dir     string
}

func main() {
	if member := os.Getenv(etcdEnv); member != "" {
		if err := etcdMain(member); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each is measured, in turns")
	flag.StringVar(&o.callers, "callers", "1,10,100,1000", "numbers of callers")
	flag.IntVar(&o.size, "size", 100, "bytes of each value")
	flag.DurationVar(&o.time, "time", 3*time.Second, "how long one measurement takes")
	flag.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "how long to run before each")
	flag.IntVar(&o.conns, "connections", 8, "how many connections the callers share, to each store")
	flag.BoolVar(&o.fenced, "fenced", false, "run our servers with -fenced: reads by lease")
	flag.StringVar(&o.dir, "dir", "", "`directory` on the disk to measure; default: the one for temporary files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kvbench:", err)
		os.Exit(1)
	}
}

func (o *options) parse() ([]int, error) {
	if o.rounds < 1 || o.size < 0 || o.time <= 0 || o.warmup < 0 || o.conns < 1 || flag.NArg() > 0 {
		return nil, errors.New("-rounds and -connections must be 1 or more, -time above 0, -size and -warmup 0 or more; no further arguments")
	}
	var all []int
	for word := range strings.SplitSeq(o.callers, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 10000 {
			return nil, fmt.Errorf("-callers is %q, must be numbers in 1..10000 with commas between", o.callers)
		}
		all = append(all, n)
	}
	return all, nil
}

// bench starts both stores and measures.
func bench(ctx context.Context, o options, out, progress io.Writer) error {
	callers, err := o.parse()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "kvbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var s servers
	defer s.close()
	address, err := s.startPhxkv(ctx, dir, o.fenced)
	if err != nil {
		return err
	}
	endpoints, err := s.startEtcd(dir)
	if err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ours := newPhxkvTarget(address, o.conns)
	defer ours.close()
	if err := ours.ready(ready); err != nil {
		return err
	}
	theirs, err := newEtcdTarget(ready, endpoints, o.conns)
	if err != nil {
		return err
	}
	defer theirs.close()
	return o.table(ctx, callers, ours, theirs, out, progress)
}

// table measures row after row, each in turns, and prints it.
func (o *options) table(ctx context.Context, callers []int, ours, theirs target, out, progress io.Writer) error {
	header(out)
	done, all := 0, len(kinds)*len(callers)*o.rounds
	for _, k := range kinds {
		for _, n := range callers {
			r := &row{kind: k.name, callers: n}
			for round := range o.rounds {
				if err := o.turn(ctx, r, k, round, ours, theirs); err != nil {
					return err
				}
				done++
				fmt.Fprintf(progress, "%d of %d: %s, %d callers, ratio %.2f\n", done, all, k.name, n, r.ratios()[round])
			}
			r.print(out)
		}
	}
	return nil
}

// turn measures both once; who is first changes from round to round.
func (o *options) turn(ctx context.Context, r *row, k kind, round int, ours, theirs target) error {
	order := []struct {
		t    target
		into *[]result
	}{{ours, &r.ours}, {theirs, &r.theirs}}
	if round%2 == 1 {
		order[0], order[1] = order[1], order[0]
	}
	for _, side := range order {
		measured, err := measure(ctx, side.t, k, r.callers, o.size, o.warmup, o.time)
		if err != nil {
			return err
		}
		*side.into = append(*side.into, measured)
	}
	return nil
}
