// Package process runs a program and talks to it through its pipes.
//
// The tests of the samples and the demonstration use it: a Process is started,
// typed at, and waited for until its output shows something. Waiting is by
// condition and deadline, never by time passing. The package is for the
// samples and may change.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// ErrEnded is matched by errors of Wait about a program that has ended without
// showing what was waited for.
var ErrEnded = errors.New("the program has ended")

// Process is a running program. Its methods are safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{} // closed when the program has ended and its output is complete

	mu      sync.Mutex
	stdout  bytes.Buffer
	stderr  bytes.Buffer
	changed chan struct{} // closed and replaced whenever output arrives
	exit    int
}

// Start runs the program at path in the working directory dir.
func Start(dir, path string, args ...string) (*Process, error) {
	p := &Process{
		cmd:     exec.Command(path, args...),
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
	}
	p.cmd.Dir = dir
	p.cmd.Stdout = output{p, &p.stdout}
	p.cmd.Stderr = output{p, &p.stderr}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	go p.reap()
	return p, nil
}

func (p *Process) reap() {
	p.cmd.Wait() // the exit code is read below, also after an error
	p.mu.Lock()
	p.exit = p.cmd.ProcessState.ExitCode()
	p.mu.Unlock()
	close(p.ended)
}

// Type writes a line to the program's input.
func (p *Process) Type(line string) error {
	_, err := io.WriteString(p.stdin, line+"\n")
	return err
}

// CloseInput ends the program's input.
func (p *Process) CloseInput() error { return p.stdin.Close() }

// Signal sends a signal. A program that has ended already is no error.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill ends the program as kill -9 does and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(os.Kill)
	<-p.ended
}

// Stdout returns what the program has printed so far.
func (p *Process) Stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

// Stderr returns what the program has printed to stderr so far.
func (p *Process) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Wait blocks until shown reports true for the program's stdout. It fails
// when ctx ends first, and with ErrEnded when the program does.
func (p *Process) Wait(ctx context.Context, shown func(stdout string) bool) error {
	for {
		// Take the channel before the output: what arrives in between
		// closes it, so nothing is missed.
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-p.ended:
			if shown(p.Stdout()) {
				return nil
			}
			return fmt.Errorf("%w, stdout %q, stderr %q", ErrEnded, p.Stdout(), p.Stderr())
		default:
		}
		if shown(p.Stdout()) {
			return nil
		}
		select {
		case <-changed:
		case <-p.ended:
		case <-ctx.Done():
			return fmt.Errorf("%w, stdout %q, stderr %q", ctx.Err(), p.Stdout(), p.Stderr())
		}
	}
}

// Exit blocks until the program has ended and returns its exit code, -1 when
// a signal ended it. It fails when ctx ends first.
func (p *Process) Exit(ctx context.Context) (int, error) {
	select {
	case <-p.ended:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.exit, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// output keeps what the program writes and wakes whoever waits for it.
type output struct {
	p    *Process
	kept *bytes.Buffer
}

func (o output) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	o.kept.Write(b)
	close(o.p.changed)
	o.p.changed = make(chan struct{})
	return len(b), nil
}

// StartServer starts a program and waits until its output shows that it
// listens. Whoever looks for a free port takes it for a moment: a program that
// ends because its address is in use is started again until ctx ends.
func StartServer(ctx context.Context, listens func(stdout string) bool, dir, path string, args ...string) (*Process, error) {
	for {
		p, err := Start(dir, path, args...)
		if err != nil {
			return nil, err
		}
		if err = p.Wait(ctx, listens); err == nil {
			return p, nil
		}
		p.Kill()
		if !errors.Is(err, ErrEnded) || !strings.Contains(p.Stderr(), "in use") {
			return nil, fmt.Errorf("%s does not listen: %w", path, err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil, fmt.Errorf("%s does not listen: %w", path, err)
		}
	}
}

// again is how long StartServer waits for an address.
const again = 100 * time.Millisecond
