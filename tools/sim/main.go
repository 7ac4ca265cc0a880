// Command sim runs simulated clusters with faults and checks each of them.
//
//	go run ./tools/sim -budget 60s            as many random seeds as fit
//	go run ./tools/sim -seeds 1-2000          these seeds
//	go run ./tools/sim -seed 381 -trace       one seed, every step of it
//	go run ./tools/sim -script FILE -trace    a scenario written by hand
//
// A run that violates a check is made shorter where possible, and the command
// that plays it again is printed. The status is 1 if a check was violated and
// 2 if the arguments make no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sim"
)

// arguments are the command line.
type arguments struct {
	budget  time.Duration
	seed    uint64
	oneSeed bool
	first   uint64
	last    uint64 // 0: until the budget ends
	kind    sim.Kind
	nodes   int
	groups  int
	skip    map[int]bool
	without []string
	script  string
	trace   bool
	storage sim.Storage
	workers int
	shrink  time.Duration
	most    int // failures, then stop
}

// gcPercent lets the collector run more seldom than usual: a world makes much
// garbage and keeps little, and a fifth of the time is saved. It takes some 2 GB.
const gcPercent = 400

func main() {
	a, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var ok bool
	switch {
	case a.script != "":
		ok, err = playScript(a)
	case a.oneSeed:
		ok, err = playSeed(a)
	default:
		ok = playMany(ctx, a)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func parse(args []string) (a arguments, err error) {
	f := flag.NewFlagSet("sim", flag.ContinueOnError)
	var seeds, skip, without, world, kept string
	f.DurationVar(&a.budget, "budget", time.Minute, "run random seeds for so long")
	f.StringVar(&seeds, "seeds", "", "run the seeds `A-B`, or 1-B")
	f.Uint64Var(&a.seed, "seed", 0, "run one seed")
	f.StringVar(&world, "world", "any", "what groups make use of: `static, members, masters, both`, or any, which lets the seed decide")
	f.IntVar(&a.nodes, "nodes", 0, "nodes of a cluster, 0 lets the seed decide")
	f.IntVar(&a.groups, "groups", 0, "groups of a node, 0 lets the seed decide")
	f.StringVar(&skip, "skip", "", "leave out these faults of the seed, such as `3,5-9`")
	f.StringVar(&without, "without", "", "leave out this background trouble, some of `"+strings.Join(sim.Troubles(), ",")+"`")
	f.StringVar(&a.script, "script", "", "play the scenario in a `file`")
	f.BoolVar(&a.trace, "trace", false, "print every step of the seed or scenario")
	f.StringVar(&kept, "storage", "any", "log storage: `original, shared`, maps, to tell its faults from the protocol's, or any, which lets the seed decide")
	f.IntVar(&a.workers, "workers", runtime.GOMAXPROCS(0), "clusters at once")
	f.DurationVar(&a.shrink, "shrink", 20*time.Second, "look so long for a shorter run of a failing seed, 0 not at all")
	f.IntVar(&a.most, "failures", 3, "stop after so many failing seeds; one bug makes many fail")
	if err = f.Parse(args); err != nil {
		return a, err
	}
	f.Visit(func(g *flag.Flag) { a.oneSeed = a.oneSeed || g.Name == "seed" })
	if a.nodes < 0 || a.nodes > 9 || a.groups < 0 || a.groups > 200 || a.workers < 1 {
		return a, fmt.Errorf("-nodes %d must be in 0 … 9, -groups %d in 0 … 200, -workers %d above 0", a.nodes, a.groups, a.workers)
	}
	if a.kind, err = sim.ParseKind(world); err != nil {
		return a, fmt.Errorf("-world: %w", err)
	}
	if a.storage, err = sim.ParseStorage(kept); err != nil {
		return a, fmt.Errorf("-storage: %w", err)
	}
	if a.most < 1 {
		return a, fmt.Errorf("-failures is %d, must be above 0", a.most)
	}
	if a.first, a.last, err = parseRange(seeds); err != nil {
		return a, fmt.Errorf("-seeds %s: %w", seeds, err)
	}
	if seeds == "" {
		a.first = uint64(time.Now().UnixNano()) % 1e9 * 1000
	}
	if without != "" {
		a.without = strings.Split(without, ",")
	}
	a.skip, err = parseSet(skip)
	return a, err
}

// parseRange reads "A-B" or "B", which stands for 1-B.
func parseRange(s string) (first, last uint64, err error) {
	if s == "" {
		return 0, 0, nil
	}
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		from, to = "1", s
	}
	if first, err = strconv.ParseUint(from, 10, 64); err != nil {
		return 0, 0, err
	}
	if last, err = strconv.ParseUint(to, 10, 64); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("%d is below %d", last, first)
	}
	return first, last, nil
}

// parseSet reads "1,3-7".
func parseSet(s string) (map[int]bool, error) {
	set := map[int]bool{}
	if s == "" {
		return set, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		from, to, ok := strings.Cut(part, "-")
		if !ok {
			to = from
		}
		a, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("-skip %s: %w", s, err)
		}
		b, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("-skip %s: %w", s, err)
		}
		for i := a; i <= b && i-a < 1e6; i++ {
			set[i] = true
		}
	}
	return set, nil
}

func (a *arguments) options() sim.Options { return sim.Options{Storage: a.storage} }
