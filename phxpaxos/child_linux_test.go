package phxpaxos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Processes that hold one node each, so that tests can kill and pause them.
// The test's own binary is the program: with childVariable set it reads
// commands from stdin and writes answers and samples to stdout.

// refused is the answer to what has had no effect and will have none.
const refused = "refused"

const childVariable = "PHXPAXOS_TEST_CHILD"

func TestMain(m *testing.M) {
	if config := os.Getenv(childVariable); config != "" {
		os.Exit(childMain(config))
	}
	os.Exit(m.Run())
}

// childConfig is what a child is.
type childConfig struct {
	Me     nodeid.ID
	Nodes  []nodeid.ID
	Dir    string
	Lease  time.Duration
	Fence  bool
	Sample time.Duration // between two looks at IsMaster, 0 for none
}

// monotonic is the clock that all processes of the machine share.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// child is the program.
type child struct {
	node  *Node
	store *registers
	mu    sync.Mutex // guards out
	out   io.Writer
}

func (c *child) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format+"\n", args...) // one write; who reads is gone if it fails
}

func childMain(config string) int {
	var cfg childConfig
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		panic(err)
	}
	c := &child{store: &registers{values: map[string]string{}}, out: os.Stdout}
	var err error
	c.node, err = Run(Options{
		MyNode: cfg.Me, Nodes: cfg.Nodes, LogStoragePath: cfg.Dir,
		UseMaster: true, MasterLease: cfg.Lease, Fence: cfg.Fence, StateMachines: []sm.StateMachine{c.store},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c.say("ready")
	if cfg.Sample > 0 {
		go c.sample(cfg.Sample)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[0] == "quit" {
			break
		}
		go c.obey(words[0], words[1], words[2:])
	}
	if err := c.node.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// sample writes when it asked IsMaster, when it had the answer, and the answer.
func (c *child) sample(every time.Duration) {
	for range time.Tick(every) {
		begin := monotonic()
		is := c.node.IsMaster(0)
		end := monotonic()
		c.say("sample %d %d %v", begin, end, is)
	}
}

// obey carries out one command and answers "done id word…".
func (c *child) obey(command, id string, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var err error
	var value string
	switch command {
	case "write":
		_, err = c.node.Propose(ctx, 0, 1, []byte(args[0]+" "+args[1]))
	case "index":
		_, err = c.node.ReadIndex(ctx, 0)
		value = c.store.get(args[0])
	case "lease":
		_, err = c.node.LeaseRead(0)
		value = c.store.get(args[0])
	case "transfer":
		var to nodeid.ID
		if to, err = nodeid.Parse(args[0]); err == nil {
			err = c.node.TransferMaster(ctx, 0, to)
		}
	case "drop":
		err = c.node.DropMaster(ctx, 0)
	}
	outcome := fmt.Sprint(Code(err))
	if errors.Is(err, ErrNotMaster) {
		outcome = refused
	}
	c.say("done %s %s %s", id, outcome, value)
}

// registers is a state machine of named values; a value is "name value".
type registers struct {
	mu     sync.Mutex
	values map[string]string
}

func (r *registers) ID() sm.ID { return 1 }

func (r *registers) Execute(e sm.Entry) ([]byte, error) {
	name, value, _ := strings.Cut(string(e.Value), " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[name] = value
	return nil, nil
}

func (r *registers) get(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.values[name]; ok {
		return v
	}
	return "-"
}

// children are the processes of a cluster, as their parent sees them.
type children struct {
	t     *testing.T
	nodes []*process
}

// process is one child, or none while it is down.
type process struct {
	t       *testing.T
	config  childConfig
	onLine  func(words []string) // a sample
	mu      sync.Mutex
	running *exec.Cmd
	stdin   io.WriteCloser
	ended   chan struct{}
	next    int
	waiting map[string]chan []string // commands under way
}

func startChildren(t *testing.T, size int, config childConfig, onSample func(i int, words []string)) *children {
	t.Helper()
	all := freeIDs(t, size)
	c := &children{t: t}
	for i := range size {
		config.Me, config.Nodes, config.Dir = all[i], all, t.TempDir()
		c.nodes = append(c.nodes, &process{t: t, config: config, onLine: func(words []string) { onSample(i, words) }})
	}
	t.Cleanup(func() {
		for _, p := range c.nodes {
			p.kill()
		}
	})
	for _, p := range c.nodes {
		p.start()
	}
	return c
}

// start runs the program and waits until its node does.
func (p *process) start() {
	config, err := json.Marshal(p.config)
	must(p.t, err)
	self, err := os.Executable()
	must(p.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(config))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(p.t, err)
	stdout, err := cmd.StdoutPipe()
	must(p.t, err)
	must(p.t, cmd.Start())
	ended, ready := make(chan struct{}), make(chan struct{})
	p.mu.Lock()
	p.running, p.stdin, p.ended, p.waiting = cmd, stdin, ended, map[string]chan []string{}
	p.mu.Unlock()
	go p.listen(cmd, stdout, ready, ended)
	select {
	case <-ready:
	case <-ended:
		p.t.Error("a node did not start")
	case <-time.After(await.Limit(p.t)):
		p.t.Error("a node does not start")
	}
}

// listen reads what the program says, until it has ended.
func (p *process) listen(cmd *exec.Cmd, stdout io.Reader, ready, ended chan struct{}) {
	r := bufio.NewReader(stdout)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // what was cut off by the end counts for nothing
			break
		}
		switch words := strings.Fields(line); words[0] {
		case "ready":
			close(ready)
		case "sample":
			p.onLine(words[1:])
		case "done":
			p.mu.Lock()
			answer := p.waiting[words[1]]
			delete(p.waiting, words[1])
			p.mu.Unlock()
			if answer != nil {
				answer <- words[2:]
			}
		}
	}
	_ = cmd.Wait() // killed mostly
	close(ended)
}

// ask sends a command. It returns a channel for the answer, which never comes
// if the program ends first, or nil if it is down.
func (p *process) ask(command string, args ...string) <-chan []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	p.next++
	id := fmt.Sprint(p.next)
	answer := make(chan []string, 1)
	p.waiting[id] = answer
	if _, err := fmt.Fprintln(p.stdin, command, id, strings.Join(args, " ")); err != nil {
		return nil
	}
	return answer
}

func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		_ = p.running.Process.Signal(sig)
	}
}

// kill ends the program as a crash does.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.await()
}

// quit ends the program in order.
func (p *process) quit() {
	p.mu.Lock()
	if p.running != nil {
		_, _ = fmt.Fprintln(p.stdin, "quit")
	}
	p.mu.Unlock()
	p.await()
}

func (p *process) await() {
	p.mu.Lock()
	ended, stdin := p.ended, p.stdin
	p.running = nil
	p.mu.Unlock()
	if ended != nil {
		<-ended
		_ = stdin.Close()
	}
}
