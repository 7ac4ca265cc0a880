package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long a node may take for one thing. Machines that run this
// are busy; a healthy node needs a fraction.
const patience = 60 * time.Second

// errNode is matched by errors about a process that did not do what it was
// asked to do.
var errNode = errors.New("node process")

// child is the process of one node. One goroutine uses it at a time.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *json.Encoder
	states chan state
}

// startChild starts this program again, as a node on a host, and waits until it
// runs. What it logs is appended to the file.
func startChild(on *host, set setup, logFile string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &child{cmd: exec.Command(self), states: make(chan state)}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stderr = log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for the parent, which ends them
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := on.do(c.cmd.Start); err != nil {
		return nil, err
	}
	c.out = json.NewEncoder(c.stdin)
	go c.read(json.NewDecoder(stdout))
	if err := c.out.Encode(set); err != nil {
		c.kill()
		return nil, fmt.Errorf("%w: %w", errNode, err)
	}
	if _, err := c.wait(); err != nil {
		c.kill()
		return nil, fmt.Errorf("start node %s: %w", set.Me, err)
	}
	return c, nil
}

func (c *child) read(in *json.Decoder) {
	for {
		var s state
		if in.Decode(&s) != nil {
			break
		}
		c.states <- s
	}
	close(c.states)
}

func (c *child) wait() (state, error) {
	select {
	case s, ok := <-c.states:
		switch {
		case !ok:
			return s, fmt.Errorf("%w has ended", errNode)
		case s.Failed != "":
			return s, fmt.Errorf("%w: %s", errNode, s.Failed)
		}
		return s, nil
	case <-time.After(2 * patience):
		return state{}, fmt.Errorf("%w does not answer", errNode)
	}
}

func (c *child) ask(q request) (state, error) {
	if err := c.out.Encode(q); err != nil {
		return state{}, fmt.Errorf("%w: %w", errNode, err)
	}
	return c.wait()
}

// kill ends the process with SIGKILL and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails only if it has ended
	for range c.states {
		continue // what it still says
	}
	_ = c.cmd.Wait() // it was killed
	_ = c.stdin.Close()
}
