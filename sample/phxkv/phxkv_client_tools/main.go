// Phxkv_client_tools talks to the servers of the key-value store:
//
//	phxkv_client_tools 127.0.0.1:21111 put key_hello value_paxos 0
//	phxkv_client_tools 127.0.0.1:21111 getglobal key_hello
//
// put, getlocal, getglobal and delete have the original's arguments, output
// and exit codes (spec/storage-api.md section 9.3); batch, scan, status and
// bench are ours. -h explains all of them. Why something failed is on stderr.
//
// options.go is the command line, operations.go are the original's commands;
// the others have a file each. Connections and redirects are package client.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/sample/phxkv/client"
)

const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 254 // the original returns -2 from main
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// tool is one run of the program.
type tool struct {
	options
	client         *client.Client
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, exit, ok := parseArgs(args, stdout, stderr)
	if !ok {
		return exit
	}
	t := &tool{options: o, stdin: stdin, stdout: stdout, stderr: stderr}
	t.client = client.New(o.address, client.Options{TLS: o.tlsConfig, Redirected: t.redirected})
	defer t.client.Close()
	return commands()[o.command].run(t, ctx)
}

// redirected prints what the original prints; for commands with many calls it
// would only be noise.
func (t *tool) redirected(address string) {
	if commands()[t.command].original {
		fmt.Fprintf(t.stdout, "NewChannel %s\n", address)
	}
}

// warn says why on stderr.
func (t *tool) warn(format string, args ...any) {
	fmt.Fprintf(t.stderr, "%s: "+format+"\n", append([]any{t.program}, args...)...)
}

// context bounds one call.
func (t *tool) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, t.timeout)
}
