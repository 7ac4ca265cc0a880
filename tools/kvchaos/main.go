package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	o, err := parseArgs(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitOK)
	case err != nil:
		fmt.Fprintf(os.Stderr, "kvchaos: %v\n", err)
		os.Exit(exitUsage)
	}
	// Not SIGPIPE: every connection that a server closes would end the run.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := chaos(ctx, o, os.Stdout)
	stop()
	os.Exit(code)
}

// lineEvery is how often a run that nobody watches prints a line.
const lineEvery = 10 * time.Second

// chaos runs everything and tells how it went. It returns the exit code.
func chaos(ctx context.Context, o options, w io.Writer) int {
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	dir, temporary, err := workDir(o.dir)
	if err != nil {
		fmt.Fprintf(w, "kvchaos: %v\n", err)
		return exitFail
	}
	show := progress.New(w, lineEvery)
	show.Say(fmt.Sprintf("%d servers, %d clients, %d keys in each epoch of %v, %v in all, fenced %v, seed %d, data in %s",
		o.nodes, o.clients, o.keys, o.epoch, o.time, o.fenced, o.seed, dir))
	c, err := newCluster(ctx, o, dir)
	if err != nil {
		fmt.Fprintf(w, "kvchaos: %v\n", err)
		return exitFail
	}
	r := newRunner(c, o.seed, show)
	err = r.run(ctx)
	c.close()
	r.summary(w, err)
	if err != nil {
		fmt.Fprintf(w, "data is kept in %s\n", dir)
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
		dir, err = os.MkdirTemp("", "phxkv-chaos")
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
		return "", false, fmt.Errorf("-dir %s is not empty: old data would be taken for this run's", dir)
	}
	return dir, false, nil
}

// summary tells what was done and what was found.
func (r *runner) summary(w io.Writer, err error) {
	r.show.End()
	t := r.total
	fmt.Fprintf(w, "\n%d epochs in %v; faults: %s\n", r.epochs, time.Since(r.began).Round(100*time.Millisecond), r.faults.summary())
	fmt.Fprintf(w, "calls: %d answered (%d puts, %d deletes, %d version conflicts, %d linearizable reads), %d refused, %d with unknown outcome\n",
		t.done(), t.Puts, t.Deletes, t.Conflicts, t.Reads, t.Refused, t.Unknown)
	v := r.verdict
	if err != nil {
		fmt.Fprintf(w, "FAILED: %v\n", err)
		return
	}
	fmt.Fprintf(w, "porcupine: the histories of %d keys, %d calls, are linearizable; %d lost, %d double; %d times all servers were equal\n",
		v.keys, v.operations, v.lost, v.double, v.scans)
}
