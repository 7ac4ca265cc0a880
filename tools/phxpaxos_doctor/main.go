package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/phxpaxos/phxpaxos-go/tools/progress"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args, os.Stdout, os.Stderr, &gauge{show: progress.New(os.Stderr, lineEvery)})
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, errOut io.Writer, p *gauge) int {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(errOut)
	asJSON := flags.Bool("json", false, "print the report as one JSON object")
	quiet := flags.Bool("q", false, "show no progress")
	flags.Usage = func() {
		fmt.Fprintf(errOut, "%s [-json] [-q] DIR\n", args[0])
		fmt.Fprintln(errOut, "DIR is the storage directory of a stopped node, with g0, g1 … in it, or with a shared log.")
		fmt.Fprintln(errOut, "Exit code: 0 healthy, 1 damaged, 2 no verdict, 3 suspicious.")
		flags.PrintDefaults()
	}
	err := flags.Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return exitHealthy
	}
	if err == nil && flags.NArg() != 1 {
		flags.Usage()
	}
	if err != nil || flags.NArg() != 1 {
		return exitNoVerdict
	}
	if *quiet {
		p = nil
	}
	report, err := examine(ctx, flags.Arg(0), p)
	p.end()
	if err == nil && *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else if err == nil {
		err = printReport(out, report)
	}
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", args[0], err)
		return exitNoVerdict
	}
	return report.exitCode()
}
