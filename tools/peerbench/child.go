package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv is set in the children. Parent and child exchange lines of JSON:
// requests on the child's stdin, answers on its descriptor 3.
const childEnv = "PEERBENCH_CHILD"

// request asks a child for one thing.
type request struct {
	Setup *setup // the first one
	Lead  bool
	Load  *load // start callers
	Mark  bool  // say what was used; the first one behind Load begins recording, the second ends it
	End   bool  // end the callers
}

// answer has the field of the request.
type answer struct {
	Failed string
	CPU    time.Duration // of this process so far
	Peak   uint64        // bytes of memory
	Ops    uint64
	At     time.Duration // on the child's clock

	P50, P99, P999 time.Duration
}

func childMain() int {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.NewFile(3, "answers"))
	c := &childNode{start: time.Now()}
	for {
		var q request
		if err := in.Decode(&q); err != nil { // the parent is done, or gone
			break
		}
		a, err := c.handle(q)
		if err != nil {
			a.Failed = err.Error()
		}
		if out.Encode(a) != nil {
			break
		}
	}
	if c.node != nil {
		time.AfterFunc(10*time.Second, func() { os.Exit(0) })
		c.node.close()
	}
	return 0
}

type childNode struct {
	start   time.Time
	node    node
	callers *callers
}

func (c *childNode) handle(q request) (a answer, err error) {
	switch {
	case q.Setup != nil:
		var s system
		if s, err = find(q.Setup.System); err == nil {
			c.node, err = s.start(*q.Setup)
		}
	case q.Lead:
		err = c.node.lead()
	case q.Load != nil:
		c.callers = startCallers(c.node, *q.Load)
	case q.Mark:
		return c.mark()
	case q.End:
		took, err := c.callers.end()
		c.callers = nil
		return answer{P50: quantile(took, 0.5), P99: quantile(took, 0.99), P999: quantile(took, 0.999)}, err
	}
	return a, err
}

func (c *childNode) mark() (a answer, err error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return a, err
	}
	a.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	a.Peak = peak()
	a.At = time.Since(c.start)
	if c.callers != nil {
		a.Ops = c.callers.ops()
		c.callers.recording.Store(!c.callers.recording.Load())
	}
	return a, nil
}

// peak is the most memory that this process has had, or 0 if unknown.
func peak() uint64 {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// child is the parent's side.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *json.Encoder
	in    *json.Decoder
	said  *strings.Builder
}

func startChild(procs int, s setup) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	mine, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &child{cmd: exec.Command(self), said: &strings.Builder{}}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	if procs > 0 {
		c.cmd.Env = append(c.cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", procs))
	}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for the parent alone
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.out, c.in = json.NewEncoder(c.stdin), json.NewDecoder(mine)
	if err := c.send(request{Setup: &s}); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

func (c *child) send(q request) error { return c.out.Encode(q) }

func (c *child) receive() (answer, error) {
	var a answer
	if err := c.in.Decode(&a); err != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait() // so that all it said is here
		text := c.said.String()
		return a, fmt.Errorf("a process ended by itself: %w\n%s", err, text[max(0, len(text)-4000):])
	}
	if a.Failed != "" {
		return a, errors.New(a.Failed)
	}
	return a, nil
}

func (c *child) ask(q request) (answer, error) {
	if err := c.send(q); err != nil {
		return answer{}, err
	}
	return c.receive()
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// finish lets the process end, not for long.
func (c *child) finish() {
	c.stdin.Close()
	stop := time.AfterFunc(15*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer stop.Stop()
	_ = c.cmd.Wait()
}
