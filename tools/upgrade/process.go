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
	"time"

	"github.com/phxpaxos/phxpaxos-go/tools/upgrade/protocol"
)

// patience is how long a node may take for anything. A healthy node needs a
// fraction; the machine may be busy.
const patience = 90 * time.Second

var errNode = errors.New("node process")

// process is the parent's side of one life of a node. One goroutine makes the
// requests; reports arrive on another.
type process struct {
	node    int
	version version
	began   time.Time
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	out     *gob.Encoder
	ready   chan struct{}
	status  chan *protocol.Status
	paused  chan struct{}
	limited chan string
	fault   chan string   // capacity 1
	ended   chan struct{} // closed when the process is gone and its reports are read
}

// startProcess starts a node. What it prints goes to log; reports go to sink,
// in their order, and then to those who wait for them.
func startProcess(program string, v version, set protocol.Setup, log *os.File, sink func(*process, *protocol.Report)) (*process, error) {
	p := &process{
		node: set.Me, version: v, began: time.Now(), cmd: exec.Command(program),
		ready: make(chan struct{}), status: make(chan *protocol.Status, 1), paused: make(chan struct{}, 1),
		limited: make(chan string, 1), fault: make(chan string, 1), ended: make(chan struct{}),
	}
	p.cmd.Stderr = log
	// An interrupt from the terminal is for the parent, which ends the nodes.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Not StdoutPipe: Wait would close it before the last reports are read.
	reports, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNode, err)
	}
	p.cmd.Stdout = theirs
	if p.stdin, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	theirs.Close()
	if err != nil {
		reports.Close()
		return nil, fmt.Errorf("%w: %w", errNode, err)
	}
	go p.read(reports, sink)
	p.out = gob.NewEncoder(p.stdin)
	if err := p.out.Encode(set); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w %d: %w", errNode, p.node, err)
	}
	return p, nil
}

func (p *process) read(reports *os.File, sink func(*process, *protocol.Report)) {
	in := gob.NewDecoder(reports)
	for {
		var r protocol.Report
		if err := in.Decode(&r); err != nil {
			break // the process has ended, perhaps within a report
		}
		sink(p, &r)
		switch {
		case r.Ready:
			close(p.ready)
		case r.Status != nil:
			p.status <- r.Status
		case r.Paused:
			p.paused <- struct{}{}
		case r.Limited:
			p.limited <- r.LimitErr
		case r.Fault != "":
			select {
			case p.fault <- r.Fault:
			default:
			}
		}
	}
	reports.Close()
	p.cmd.Wait() // the caller of kill or finish judges how it ended
	close(p.ended)
}

// ask makes a request and returns the answer.
func ask[T any](ctx context.Context, p *process, q protocol.Request, answer <-chan T) (T, error) {
	var none T
	if err := p.out.Encode(q); err != nil {
		return none, fmt.Errorf("%w %d: %w", errNode, p.node, err)
	}
	return await(ctx, p, answer)
}

// await returns what arrives on answer, within patience.
func await[T any](ctx context.Context, p *process, answer <-chan T) (T, error) {
	var none T
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case a := <-answer:
		return a, nil
	case text := <-p.fault:
		return none, fmt.Errorf("%w %d (%v): %s", errNode, p.node, p.version, text)
	case <-p.ended:
		select {
		case text := <-p.fault:
			return none, fmt.Errorf("%w %d (%v): %s", errNode, p.node, p.version, text)
		default:
			return none, fmt.Errorf("%w %d (%v) ended by itself: %v", errNode, p.node, p.version, p.cmd.ProcessState)
		}
	case <-limit.C:
		return none, fmt.Errorf("%w %d (%v): no answer within %v", errNode, p.node, p.version, patience)
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// kill ends the process with SIGKILL and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill() // fails only if it has ended
	<-p.ended
	p.stdin.Close()
}

// finish has the process end by itself, with exit code 0.
func (p *process) finish(ctx context.Context) error {
	p.stdin.Close()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-p.ended:
	case <-limit.C:
		return fmt.Errorf("%w %d (%v) does not close within %v", errNode, p.node, p.version, patience)
	case <-ctx.Done():
		return ctx.Err()
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%w %d (%v) closed with an error: %v", errNode, p.node, p.version, p.cmd.ProcessState)
	}
	return nil
}
