package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// errChild is matched by errors about a child that did not do what it was
// asked to do.
var errChild = errors.New("node process")

// child is the parent's side of one process. Requests are made by one
// goroutine; reports arrive on another.
type child struct {
	node   int
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *gob.Encoder
	ready  chan struct{} // closed when the node runs
	ranges chan *rangeAnswer
	status chan *status
	paused chan struct{}
	ended  chan struct{} // closed when the process is gone and all of its reports were read

	failed chan string // what it complained about; capacity 1
}

// sink takes what children report on their own.
type sink interface {
	told(node int, r *report)
	packets(ps [][]byte)
}

// startChild starts this program again, as the process of one node. What the
// process prints goes to log.
func startChild(set setup, log *os.File, to sink) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChild, err)
	}
	reports, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChild, err)
	}
	c := &child{
		node: set.Me, cmd: exec.Command(self),
		ready: make(chan struct{}), ended: make(chan struct{}), failed: make(chan string, 1),
		ranges: make(chan *rangeAnswer, 1), status: make(chan *status, 1), paused: make(chan struct{}, 1),
	}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// A ^C at the terminal is for the parent alone, which ends the children.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.ExtraFiles = []*os.File{theirs}
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	theirs.Close()
	if err != nil {
		reports.Close()
		return nil, fmt.Errorf("%w: %w", errChild, err)
	}
	c.out = gob.NewEncoder(c.stdin)
	go c.read(reports, to)
	if err := c.out.Encode(set); err != nil {
		c.kill()
		return nil, fmt.Errorf("%w %d: %w", errChild, c.node, err)
	}
	return c, nil
}

// read is the goroutine that takes the reports in. What a report says about
// clients reaches the sink before an answer behind it reaches its asker.
func (c *child) read(reports *os.File, to sink) {
	in := gob.NewDecoder(reports)
	for {
		var r report
		if err := in.Decode(&r); err != nil {
			break // the process has ended, perhaps within a report
		}
		to.told(c.node, &r)
		if len(r.Packets) > 0 {
			to.packets(r.Packets)
		}
		c.deliver(&r)
	}
	reports.Close()
	c.cmd.Wait() // how it ended is known to whoever ended it
	close(c.ended)
}

// deliver hands out answers. There is at most one open request, and so room
// for its answer.
func (c *child) deliver(r *report) {
	switch {
	case r.Ready:
		close(c.ready)
	case r.Range != nil:
		c.ranges <- r.Range
	case r.Status != nil:
		c.status <- r.Status
	case r.Paused:
		c.paused <- struct{}{}
	}
	if r.Failed != "" {
		select {
		case c.failed <- r.Failed:
		default:
		}
	}
}

// ask sends a request and waits for what arrives on answer.
func ask[T any](ctx context.Context, c *child, q request, answer <-chan T) (T, error) {
	var none T
	if err := c.out.Encode(q); err != nil {
		return none, fmt.Errorf("%w %d: %w", errChild, c.node, err)
	}
	return await(ctx, c, answer)
}

func await[T any](ctx context.Context, c *child, answer <-chan T) (T, error) {
	var none T
	select {
	case a := <-answer:
		return a, nil
	case text := <-c.failed:
		return none, fmt.Errorf("%w %d: %s", errChild, c.node, text)
	case <-c.ended:
		// The last report may say why.
		select {
		case text := <-c.failed:
			return none, fmt.Errorf("%w %d: %s", errChild, c.node, text)
		default:
			return none, fmt.Errorf("%w %d ended by itself: %v", errChild, c.node, c.cmd.ProcessState)
		}
	case <-ctx.Done():
		return none, fmt.Errorf("%w %d: no answer: %w", errChild, c.node, context.Cause(ctx))
	}
}

// kill ends the process with SIGKILL and waits until it is gone.
func (c *child) kill() {
	c.cmd.Process.Kill() // fails only when it has ended already
	<-c.ended
	c.stdin.Close()
}

// stop halts the process where it is; resume lets it go on.
func (c *child) stop() error   { return c.cmd.Process.Signal(syscall.SIGSTOP) }
func (c *child) resume() error { return c.cmd.Process.Signal(syscall.SIGCONT) }

// finish lets the process end by itself. It fails with what the node said, if
// it does not end with exit code 0.
func (c *child) finish(ctx context.Context) error {
	c.stdin.Close()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return fmt.Errorf("%w %d does not end: %w", errChild, c.node, context.Cause(ctx))
	}
	if !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%w %d ended badly: %v", errChild, c.node, c.cmd.ProcessState)
	}
	return nil
}
