package statemachine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// handshakeBytesMax bounds the line with which a child introduces itself: it
// holds a path, and perhaps a certificate.
const handshakeBytesMax = 16 << 10

// lastWordsMax is how long the output of a child that has ended is read.
const lastWordsMax = 200 * time.Millisecond

// process is a child as go-plugin runs it. Other than go-plugin's own it holds
// the child's input, whose end tells the child to end; it reads the output
// itself, since bytes of a child must not be able to hurt the host; and it
// kills at once, since a child that hangs cannot be asked.
type process struct {
	cmd    *exec.Cmd
	logs   *childLogs
	stdin  *os.File // the host's end
	out    *os.File
	errs   *os.File
	child  []*os.File // the child's ends
	first  *io.PipeReader
	told   *io.PipeWriter
	exited chan struct{} // closed when it has ended; err says how
	err    error

	read    chan struct{} // closed when all that it wrote has been read
	tooLong atomic.Bool   // its first line

	mu      sync.Mutex
	running *os.Process // nil before the start
	doomed  bool        // killed before the start
}

var _ runner.Runner = (*process)(nil)

func newProcess(cmd *exec.Cmd, logs *childLogs) (*process, error) {
	p := &process{cmd: cmd, logs: logs, exited: make(chan struct{}), read: make(chan struct{})}
	p.first, p.told = io.Pipe()
	var ends [3][2]*os.File
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			for _, e := range ends[:i] {
				e[0].Close()
				e[1].Close()
			}
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		ends[i] = [2]*os.File{r, w}
	}
	p.stdin, p.out, p.errs = ends[0][1], ends[1][0], ends[2][0]
	p.child = []*os.File{ends[0][0], ends[1][1], ends[2][1]}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.child[0], p.child[1], p.child[2]
	return p, nil
}

// Start starts the child. One thread stays with it until it has ended, because
// the system would take the end of that thread for the end of the host.
func (p *process) Start(context.Context) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.launch()
		for _, f := range p.child {
			f.Close()
		}
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		p.stdin.Close()
		p.out.Close()
		p.errs.Close()
		return err
	}
	var readers sync.WaitGroup
	readers.Go(p.readOutput)
	readers.Go(func() { p.logs.read(p.errs, "stderr") })
	go func() {
		<-p.exited
		p.stdin.Close()
		// What the child has started may hold the other ends for ever.
		end := time.Now().Add(lastWordsMax)
		p.out.SetReadDeadline(end)
		p.errs.SetReadDeadline(end)
		readers.Wait()
		p.out.Close()
		p.errs.Close()
		close(p.read)
	}()
	return nil
}

func (p *process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doomed {
		return errors.New("killed before it was started")
	}
	alone(p.cmd)
	err := p.cmd.Start()
	p.running = p.cmd.Process
	return err
}

// started is the child as the system knows it, nil before the start.
func (p *process) started() *os.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

// readOutput gives the first line to go-plugin and the others to the log.
func (p *process) readOutput() {
	r := bufio.NewReaderSize(p.out, handshakeBytesMax)
	line, err := r.ReadSlice('\n')
	if err == nil {
		p.told.Write(bytes.Clone(line)) // it fails only if nobody reads any more
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		p.tooLong.Store(true)
	}
	p.told.Close()
	p.logs.read(r, "stdout")
}

// Wait returns when the child has ended, with how if that was not well.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.err
}

// Kill ends the child, and what it has started, at once.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	p.doomed = true
	p.mu.Unlock()
	child := p.started()
	if child == nil {
		return nil
	}
	select {
	case <-p.exited: // its number may belong to another one by now
		return nil
	default:
		return kill(child)
	}
}

// Stdout is the first line.
func (p *process) Stdout() io.ReadCloser { return p.first }

// Stderr is empty for go-plugin.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(bytes.NewReader(nil)) }

// Name is the path of the program.
func (p *process) Name() string { return p.cmd.Path }

// ID is the process id.
func (p *process) ID() string {
	child := p.started()
	if child == nil {
		return ""
	}
	return strconv.Itoa(child.Pid)
}

// Diagnose has nothing to add; life.failed does.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost leaves an address as it is.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	return network, addr, nil
}

// HostToPlugin leaves an address as it is.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
