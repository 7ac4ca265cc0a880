// Phxelection is the smallest program that elects a master: every node prints
// each second who is master, and at once when that changes.
//
// Start one process per node, each with its own address and the same list:
//
//	phxelection 127.0.0.1:11111 127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113
//
// Then end the master in different ways. After kill -9 another node takes over
// when the lease of 3 seconds has passed; after SIGTERM or SIGINT, which end
// it in order, within milliseconds. With kill -STOP and kill -CONT the old
// master never takes itself for one behind its lease.
//
// Command line and output are the original sample's (spec/storage-api.md
// section 9.2), and so is the layout of the log, so that the original's
// programs can open it. Package cmdline reads the command line,
// election.go runs a node: start reading there.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/sample/cmdline"
)

// program is its command line.
var program = cmdline.Program{
	Name:  "phxelection",
	About: "Every node prints each second who is master. The list is the same for all nodes.",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, should closing take too long.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, exit, ok := program.Parse(args, stdout, stderr)
	if !ok {
		return exit
	}
	return serve(ctx, o, &console{w: stdout}, stderr)
}
