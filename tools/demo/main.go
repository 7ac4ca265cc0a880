// Demo shows phxpaxos at work: it builds phxecho, starts a cluster of three
// nodes on this machine, types at them, breaks one, and shows that all of them
// executed the same values in the same order.
//
//	go run ./tools/demo
//
// It takes a few seconds, uses free ports on 127.0.0.1 and a temporary
// directory, and leaves nothing behind. With -v it shows all that the nodes
// print. The exit code is 0 if everything it shows came true.
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

const echo = "github.com/phxpaxos/phxpaxos-go/sample/phxecho"

func main() {
	binary := flag.String("phxecho", "", "the program to show; default: build it")
	verbose := flag.Bool("v", false, "show all that the nodes print")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	// A reader that goes away, as head does, must not keep us from clearing up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	ctx, cancel := context.WithTimeout(ctx, atMost)
	err := show(ctx, *binary, *verbose)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// show prepares a directory and the program, and plays.
func show(ctx context.Context, binary string, verbose bool) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "phxpaxos-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "phxecho")
		step("building phxecho")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, echo).CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	} else if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	s, err := newStage(ctx, dir, binary, verbose)
	if err != nil {
		return err
	}
	defer s.clear()
	if err := s.play(); err != nil {
		return err
	}
	fmt.Printf("\ndone in %.1f s; the nodes are closed and %s is removed\n", time.Since(began).Seconds(), dir)
	return nil
}

func step(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

func note(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }
