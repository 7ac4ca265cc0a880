package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

const (
	exitOK    = 0
	exitFail  = 1 // a violation, or the run could not be finished
	exitUsage = 2
)

func main() {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	o, err := parseArgs(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitOK)
	case err != nil:
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		os.Exit(exitUsage)
	}
	// Not SIGPIPE: every connection that a node closes while garbage is thrown
	// at it would end the run.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := chaos(ctx, o, os.Stdout)
	stop()
	os.Exit(code)
}

// lineEvery is how often a run that nobody watches prints a line.
const lineEvery = 10 * time.Second

// chaos runs everything and tells how it went. It returns the exit code.
func chaos(ctx context.Context, o options, w io.Writer) int {
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	dir, temporary, err := workDir(o.Dir)
	if err != nil {
		fmt.Fprintf(w, "chaos: %v\n", err)
		return exitFail
	}
	began := time.Now()
	show := progress.New(w, lineEvery)
	show.Say(fmt.Sprintf("%d nodes, %d clients each, %d groups, %d rounds of %v, seed %d, logs in %s",
		o.Nodes, o.Clients, o.Groups, o.Rounds, o.RoundTime, o.Seed, dir))
	c, err := newCluster(o, dir)
	if err != nil {
		fmt.Fprintf(w, "chaos: %v\n", err)
		return exitFail
	}
	defer c.release()
	r := &runner{
		verifier: &verifier{cluster: c},
		rand:     rand.New(rand.NewPCG(o.Seed, 0)),
		show:     show,
	}
	err = r.run(ctx)
	r.summary(w, time.Since(began), err)
	if err != nil {
		fmt.Fprintf(w, "logs are kept in %s\n", dir)
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
		dir, err = os.MkdirTemp("", "phxpaxos-chaos")
		return dir, true, err
	}
	if err := os.MkdirAll(dir, 0o775); err != nil {
		return "", false, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false, err
	}
	if len(entries) > 0 {
		return "", false, fmt.Errorf("-dir %s is not empty: old logs would be taken for this run's", dir)
	}
	return dir, false, nil
}

// summary tells what was done and what was found.
func (r *runner) summary(w io.Writer, took time.Duration, err error) {
	counts, acked, violated := r.snapshot()
	r.show.End()
	fmt.Fprintf(w, "\n%d rounds in %v: %d kills, %d times two at once, %d stops\n",
		r.tally.Rounds, took.Round(100*time.Millisecond), r.tally.Kills, r.tally.DoubleKills, r.tally.Stops)
	fmt.Fprintf(w, "clients: %d values acknowledged (by node %d), %d refused, %d with unknown outcome\n",
		counts.Acked, acked, counts.Refused, counts.Unknown)
	if r.o.Large > 0 {
		fmt.Fprintf(w, "large values: %d accepts named one that went ahead of them\n", counts.Named)
	}
	instances := uint64(0)
	for _, to := range r.judged {
		instances += to
	}
	fmt.Fprintf(w, "logs: %d values in %d instances, equal on %d nodes; %d marks of executed order compared\n",
		counts.Chosen, instances, r.o.Nodes, counts.Marks)
	if err == nil {
		fmt.Fprintf(w, "no violation\n")
		return
	}
	fmt.Fprintf(w, "FAILED: %v\n", err)
	for _, text := range r.violations {
		fmt.Fprintf(w, "  %s\n", text)
	}
	if hidden := violated - len(r.violations); hidden > 0 {
		fmt.Fprintf(w, "  and %d more\n", hidden)
	}
}
