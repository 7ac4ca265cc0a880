// Phxecho is the smallest program over phxpaxos: every line that is typed at
// any node is proposed, and every node prints it, in the same order and with
// the same instance number.
//
// Start one process per node, each with its own address and the same list:
//
//	phxecho 127.0.0.1:11111 127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113
//
// Command line and output are the original sample's (spec/storage-api.md
// section 9.1), and so is the layout of the log, so that the original's
// programs can open it. It ends at the end of its input, at SIGINT and at
// SIGTERM. main.go and options.go are the command line, server.go runs a node, and
// machine.go is the state machine: start reading there.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, should closing take too long.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, exit, ok := parseArgs(args, stdout, stderr)
	if !ok {
		return exit
	}
	return serve(ctx, o, stdin, newConsole(stdout), stderr)
}
