package process_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := process.Start(".", "cat")
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Type("hello")
	err = p.Wait(ctx, func(out string) bool { return strings.Contains(out, "hello\n") })
	p.CloseInput()
	exit, _ := p.Exit(ctx)
	fmt.Println(err, exit)
	// Output: <nil> 0
}

func start(t *testing.T, path string, args ...string) *process.Process {
	t.Helper()
	p, err := process.Start(t.TempDir(), path, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestWaitEndsWithTheProgram(t *testing.T) {
	ctx := await.Context(t)
	p := start(t, "sh", "-c", "echo out; echo why >&2; exit 3")
	err := p.Wait(ctx, func(out string) bool { return strings.Contains(out, "never") })
	if !errors.Is(err, process.ErrEnded) || !strings.Contains(err.Error(), "why") {
		t.Errorf("Wait: %v, want ErrEnded with stderr", err)
	}
	if exit, err := p.Exit(ctx); exit != 3 || err != nil {
		t.Errorf("Exit = %d, %v, want 3", exit, err)
	}
	if err := p.Wait(ctx, func(out string) bool { return out == "out\n" }); err != nil {
		t.Errorf("the output of an ended program is not found: %v", err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("Signal to an ended program: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := start(t, "cat")
	cancel()
	if err := p.Wait(ctx, func(string) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v, want context.Canceled", err)
	}
	if _, err := p.Exit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Exit: %v, want context.Canceled", err)
	}
}

func TestStartOfNothing(t *testing.T) {
	if _, err := process.Start(t.TempDir(), "/nonexistent/program"); err == nil {
		t.Error("no error")
	}
}

func TestStartServerWaitsForAnAddress(t *testing.T) {
	dir := t.TempDir()
	ctx := await.Context(t)
	listens := func(out string) bool { return out == "listening\n" }
	// It fails twice as a server does whose address is taken.
	script := `echo x >> tries; [ $(wc -l < tries) -gt 2 ] || { echo "address already in use" >&2; exit 1; }; echo listening; exec cat`
	p, err := process.StartServer(ctx, listens, dir, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	if p.Ended() {
		t.Error("it has ended")
	}
	p.Kill()
	if !p.Ended() {
		t.Error("it has not ended")
	}
	if _, err := process.StartServer(ctx, listens, dir, "sh", "-c", "echo damaged >&2; exit 1"); !errors.Is(err, process.ErrEnded) {
		t.Errorf("a program that fails otherwise: %v", err)
	}
}
