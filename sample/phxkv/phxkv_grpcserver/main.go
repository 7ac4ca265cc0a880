// Phxkv_grpcserver is one node of the key-value store.
//
// Start one for each node, each with its own addresses and directories and the
// same list. The gRPC port has to be the paxos port + 10000, or clients are
// sent to the wrong place:
//
//	phxkv_grpcserver 127.0.0.1:21111 127.0.0.1:11111 \
//		127.0.0.1:11111,127.0.0.1:11112,127.0.0.1:11113 ./storage/kvdb_0 ./storage/paxoslog_0
//
// Arguments, output and exit codes are the original's (spec/storage-api.md
// section 9.3); flags stand before the arguments. It ends cleanly at SIGINT
// and SIGTERM. The paxos log has the original's layout unless -log_layout says
// otherwise, so that the original's programs can open it; with -sm the state
// machine is a process of its own. options.go and tls.go are the command line;
// the server itself is package phxkv.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/plugin/logger"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
)

// The original returns -1 from main, of which a shell sees the lowest byte.
const (
	exitOK   = 0
	exitFail = 255
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, should closing take too long.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, exit, ok := parseArgs(args, stdout, stderr)
	if !ok {
		return exit
	}
	logs, err := openLogger(o.logDir)
	if err != nil {
		fmt.Fprintf(stdout, "server log init fail, ret %d\n", phxpaxos.Code(err))
		fmt.Fprintf(stderr, "phxkv_grpcserver: %v; choose a writable directory with -log_dir\n", err)
		return exitFail
	}
	defer logs.Close()
	log := slog.New(logs)
	o.server.Logger = log
	if o.server.Monitor, err = o.monitor.Start(stderr); err != nil {
		fmt.Fprintf(stderr, "phxkv_grpcserver: %v\n", err)
		return exitFail
	}
	defer o.server.Monitor.Close()
	started := false
	if o.server.Network, err = o.network(log); err == nil {
		err = phxkv.Serve(ctx, o.server, func() {
			started = true
			log.Info("phxkv: listening", "grpc", o.server.Listen, "paxos", o.server.MyNode.String())
			fmt.Fprintf(stdout, "Server listening on %s\n", o.server.Listen)
		})
	}
	if err == nil {
		return exitOK
	}
	reason := strings.ReplaceAll(err.Error(), "\n", "; ")
	log.Error("phxkv: ended", "error", reason)
	if started || errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "phxkv_grpcserver: %s\n", reason)
		return exitFail
	}
	code := phxpaxos.Code(err)
	fmt.Fprintf(stdout, "server init fail, ret %d\n", code)
	fmt.Fprintf(stderr, "phxkv_grpcserver: %s\n", explain(reason, err, o.server))
	return code & 0xff
}

// network is what the nodes talk over, nil for the default one.
func (o *options) network(log *slog.Logger) (network.Network, error) {
	return o.tls.Network(network.Config{Me: o.server.MyNode, ListenAddr: o.listen, Logger: log, Secret: o.secret})
}

// openLogger opens the log files of the program in dir, and creates dir.
func openLogger(dir string) (*logger.Handler, error) {
	if err := os.MkdirAll(dir, 0o775); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	return logger.New(logger.Options{Module: "phxkv", Dir: dir, Level: slog.LevelInfo})
}
