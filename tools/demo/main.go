// Demo shows phxpaxos at work by its key-value store: it builds server and
// client, starts three servers on this machine, walks through the commands at
// each of them, kills the one that is master, and shows that writes go on and
// that it catches up when it is back.
//
//	go run ./tools/demo
//
// It takes about ten seconds, uses free ports on 127.0.0.1 and a temporary
// directory, and leaves nothing behind. Every step says what it shows and is
// checked: the exit code is 0 if everything came true.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// atMost bounds the whole demonstration on a slow machine.
const atMost = 2 * time.Minute

// The programs that are shown.
const (
	samples = "github.com/phxpaxos/phxpaxos-go/sample/phxkv/"
	server  = "phxkv_grpcserver"
	tools   = "phxkv_client_tools"
)

func main() {
	bin := flag.String("bin", "", "`directory` of the programs to show; default: build them")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	// A reader that goes away, as head does, must not keep us from clearing up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	ctx, cancel := context.WithTimeout(ctx, atMost)
	err := show(ctx, *bin)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// show prepares a directory and the programs, and plays.
func show(ctx context.Context, bin string) error {
	dir, err := os.MkdirTemp("", "phxpaxos-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if bin == "" {
		bin = dir
		step("building %s and %s", server, tools)
		out, err := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), samples+server, samples+tools).CombinedOutput()
		if err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	} else if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	began := time.Now()
	s, err := newStage(ctx, dir, bin)
	if err != nil {
		return err
	}
	defer s.clear()
	if err := s.play(); err != nil {
		return err
	}
	fmt.Printf("\ndone in %.1f s; the servers are closed and %s is removed\n", time.Since(began).Seconds(), dir)
	return nil
}

func step(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

func note(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }
