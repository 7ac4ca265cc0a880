package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

// lineEvery is how often a run that nobody watches prints a line.
const lineEvery = 5 * time.Second

const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage marks what the caller can put right by other arguments.
var errUsage = errors.New("wrong arguments")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args, os.Stdout, os.Stderr, progress.New(os.Stderr, lineEvery))
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, errOut io.Writer, p *progress.Printer) int {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(errOut)
	large := flags.Bool("large", false, "make value files of 500 MB, as with LargeValueMode")
	quiet := flags.Bool("q", false, "show no progress")
	flags.Usage = func() {
		fmt.Fprintf(errOut, "%s [-large] [-q] FROM TO\n", args[0])
		fmt.Fprintln(errOut, "FROM is the log directory of a stopped node; TO is written in the other layout and must not exist.")
		fmt.Fprintln(errOut, "Exit code: 0 done and compared, 1 failed, 2 wrong arguments or FROM is in use.")
		flags.PrintDefaults()
	}
	err := flags.Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && flags.NArg() != 2 {
		flags.Usage()
	}
	if err != nil || flags.NArg() != 2 {
		return exitUsage
	}
	if *quiet {
		p = nil
	}
	c := &conversion{ctx: ctx, from: flags.Arg(0), to: flags.Arg(1), large: *large, show: p}
	err = c.run()
	p.End()
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", args[0], err)
		if errors.Is(err, errUsage) || errors.Is(err, storage.ErrInUse) {
			return exitUsage
		}
		return exitFailed
	}
	fmt.Fprintf(out, "%s: %v layout, %d groups, %d instances, %d bytes of records; read back and equal to %s\n",
		c.to, c.layout, c.groups, c.instances, c.bytes, c.from)
	if c.owner != nil {
		fmt.Fprintf(out, "%s: %v\n", c.to, *c.owner)
	}
	return 0
}
