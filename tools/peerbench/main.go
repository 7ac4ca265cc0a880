package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	systems  []system
	procs    []int
	loads    []load
	rounds   int
	warmup   time.Duration
	measured time.Duration
	dir      string
	markdown string
	json     string
}

// defaultLoads are groups x value bytes x callers.
const defaultLoads = "1x100x1,1x100x100,1x100x1000,1x2048x1000,1x102400x100,20x100x100,100x100x100,100x100x1000"

func main() {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	o, err := parseArgs(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(1)
	}
}

func parseArgs(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("peerbench", flag.ContinueOnError)
	which := flags.String("systems", names(), "which to compare; the first is compared with each of the others")
	what := flags.String("loads", defaultLoads, "groups x bytes x callers, several with commas")
	procs := flags.String("procs", "0,1", "GOMAXPROCS of each process, several with commas, each is tried and the best counts; 0 leaves it to Go, which takes all `processors`")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each system plays each load, 1..100")
	flags.DurationVar(&o.warmup, "warmup", 700*time.Millisecond, "how long a load runs before it is measured")
	flags.DurationVar(&o.measured, "measured", 2*time.Second, "how long it is measured")
	flags.StringVar(&o.dir, "dir", "", "`directory` whose disk is measured (default: the one for temporary files)")
	flags.StringVar(&o.markdown, "markdown", "", "write the tables to this `file` too")
	flags.StringVar(&o.json, "json", "", "write every single figure to this `file`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 1 || o.rounds > 100 {
		return nil, fmt.Errorf("-rounds is %d, must be in 1..100", o.rounds)
	}
	if o.warmup < 0 || o.measured < 100*time.Millisecond {
		return nil, errors.New("-warmup must not be negative, and -measured at least 100ms")
	}
	for name := range strings.SplitSeq(*which, ",") {
		s, err := find(name)
		if err != nil {
			return nil, fmt.Errorf("-systems: %w", err)
		}
		o.systems = append(o.systems, s)
	}
	for text := range strings.SplitSeq(*procs, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1024 {
			return nil, fmt.Errorf("-procs: %q must be in 0..1024", text)
		}
		o.procs = append(o.procs, n)
	}
	for text := range strings.SplitSeq(*what, ",") {
		l, err := parseLoad(text)
		if err != nil {
			return nil, fmt.Errorf("-loads: %w", err)
		}
		o.loads = append(o.loads, l)
	}
	// Loads that can share a cluster follow each other.
	slices.SortStableFunc(o.loads, func(a, b load) int { return a.Groups - b.Groups })
	return o, nil
}

func parseLoad(text string) (load, error) {
	var n [3]int
	parts := strings.Split(text, "x")
	if len(parts) != len(n) {
		return load{}, fmt.Errorf("%q is not groups x bytes x callers", text)
	}
	for i, limit := range [...]int{10000, 4 << 20, 100000} {
		v, err := strconv.Atoi(parts[i])
		if err != nil || v < 1 || v > limit {
			return load{}, fmt.Errorf("%q in %q must be in 1..%d", parts[i], text, limit)
		}
		n[i] = v
	}
	return load{n[0], n[1], n[2]}, nil
}

// run plays everything. What was measured before a failure is printed.
func run(ctx context.Context, o *options) error {
	r := newResults(o)
	began := time.Now()
	var failed error
	all := o.variants()
	for round := range o.rounds {
		for i := range all {
			// Each round begins with another one.
			v := all[(i+round)%len(all)]
			if failed = playAll(ctx, o, v, r, func(what string) {
				fmt.Fprintf(os.Stderr, "[%6.1fs] round %d of %d, %v: %s\n", time.Since(began).Seconds(), round+1, o.rounds, v, what)
			}); failed != nil {
				failed = fmt.Errorf("%v: %w", v, failed)
				break
			}
		}
		if failed != nil {
			break
		}
	}
	text := r.markdown()
	fmt.Print(text)
	var errs []error
	if o.markdown != "" {
		errs = append(errs, os.WriteFile(o.markdown, []byte(text), 0o644))
	}
	if o.json != "" {
		data, err := json.MarshalIndent(r.all, "", "  ")
		if err == nil {
			err = os.WriteFile(o.json, data, 0o644)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, failed)...)
}

// variants are all systems in all ways.
func (o *options) variants() (all []variant) {
	for _, s := range o.systems {
		for _, n := range o.procs {
			all = append(all, variant{s, n})
		}
	}
	return all
}

// playAll plays all loads on one variant, with one cluster for each number of
// groups.
func playAll(ctx context.Context, o *options, v variant, r *results, show func(string)) (err error) {
	var c *cluster
	stop := func() {
		if c != nil {
			c.close()
			c = nil
		}
	}
	defer func() { stop() }()
	groups := 0
	for _, l := range o.loads {
		if l.Groups > 1 && !v.groups || l.Callers > 1 && v.single {
			continue
		}
		if l.Groups != groups {
			stop()
			show(fmt.Sprintf("starting with %d groups", l.Groups))
			if c, err = startCluster(v, o.dir, l.Groups); err != nil {
				return err
			}
			groups = l.Groups
		}
		f, err := c.play(ctx, l, o.warmup, o.measured)
		if err != nil {
			return fmt.Errorf("%v: %w", l, err)
		}
		r.add(l, v, f)
		show(fmt.Sprintf("%v: %.0f ops/s", l, f.OpsPerSec))
	}
	return nil
}

func (l load) String() string {
	return fmt.Sprintf("%d groups, %d B, %d callers", l.Groups, l.ValueBytes, l.Callers)
}
