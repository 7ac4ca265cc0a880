package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// errChild is matched by errors about a child that did not do what it was
// asked to do.
var errChild = errors.New("node process")

// child is the parent's side of one process. Requests are made by one
// goroutine; reports arrive on another.
type child struct {
	number   int // of the node, from 1
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	requests *gob.Encoder
	printed  *lastBytes

	ready    chan struct{} // closed when the node runs
	primed   chan struct{}
	counters chan *counters
	outcome  chan *outcome
	failed   chan string   // what it complained about first
	ended    chan struct{} // closed when the process is gone and all of its reports were read
}

// startChild starts this program again, as the process of one node.
func startChild(set setup) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChild, err)
	}
	mine, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChild, err)
	}
	c := &child{
		number: set.Me + 1, cmd: exec.Command(self), printed: &lastBytes{},
		ready: make(chan struct{}), primed: make(chan struct{}, 1), counters: make(chan *counters, 1),
		outcome: make(chan *outcome, 1), failed: make(chan string, 1), ended: make(chan struct{}),
	}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stdout, c.cmd.Stderr = c.printed, c.printed
	// A ^C at the terminal is for the parent alone, which ends the children.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.ExtraFiles = []*os.File{theirs}
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	theirs.Close()
	if err != nil {
		mine.Close()
		return nil, fmt.Errorf("%w %d: %w", errChild, c.number, err)
	}
	c.requests = gob.NewEncoder(c.stdin)
	go c.read(mine)
	if err := c.requests.Encode(set); err != nil {
		c.kill()
		return nil, fmt.Errorf("%w %d: %w", errChild, c.number, err)
	}
	return c, nil
}

// read is the goroutine that takes the reports in.
func (c *child) read(pipe *os.File) {
	in := gob.NewDecoder(pipe)
	for {
		var r report
		if err := in.Decode(&r); err != nil {
			break // the process has ended
		}
		switch {
		case r.Ready:
			close(c.ready)
		case r.Primed:
			c.primed <- struct{}{}
		case r.Counters != nil:
			c.counters <- r.Counters
		case r.Outcome != nil:
			c.outcome <- r.Outcome
		case r.Failed != "":
			select {
			case c.failed <- r.Failed:
			default: // the first one says why
			}
		}
	}
	pipe.Close()
	_ = c.cmd.Wait() // how it ended is in ProcessState
	close(c.ended)
}

// ask makes a request.
func (c *child) ask(q request) error {
	if err := c.requests.Encode(q); err != nil {
		return c.complaint(fmt.Sprintf("takes no requests: %v", err))
	}
	return nil
}

// await waits for an answer.
func await[T any](ctx context.Context, c *child, answer <-chan T) (T, error) {
	var none T
	select {
	case a := <-answer:
		return a, nil
	case text := <-c.failed:
		return none, fmt.Errorf("%w %d: %s", errChild, c.number, text)
	case <-c.ended:
		return none, c.complaint(fmt.Sprintf("ended by itself: %v", c.cmd.ProcessState))
	case <-ctx.Done():
		return none, fmt.Errorf("%w %d: %w", errChild, c.number, context.Cause(ctx))
	}
}

// complaint is an error for what the parent sees, unless the child has said
// more, with the last that it printed.
func (c *child) complaint(what string) error {
	select {
	case text := <-c.failed:
		what = text
	default:
	}
	if printed := c.printed.String(); printed != "" {
		what += "; it printed:\n" + printed
	}
	return fmt.Errorf("%w %d: %s", errChild, c.number, what)
}

// kill ends the process at once and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails only when it has ended already
	<-c.ended
	c.stdin.Close()
}

// finish lets the process close its node and end.
func (c *child) finish(ctx context.Context) error {
	c.stdin.Close()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return fmt.Errorf("%w %d does not end: %w", errChild, c.number, context.Cause(ctx))
	}
	if !c.cmd.ProcessState.Success() {
		return c.complaint(fmt.Sprintf("ended badly: %v", c.cmd.ProcessState))
	}
	return nil
}

// lastBytes keeps the end of what is written to it.
type lastBytes struct {
	mu   sync.Mutex
	data []byte
}

// lastBytesMax is room for the first lines of a panic with a few goroutines.
const lastBytesMax = 8 << 10

func (l *lastBytes) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = append(l.data, p...)
	if extra := len(l.data) - lastBytesMax; extra > 0 {
		l.data = append(l.data[:0], l.data[extra:]...)
	}
	return len(p), nil
}

func (l *lastBytes) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.data))
}
