package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// childEnv is set in the children.
const childEnv = "PHXPAXOS_COMEBACK_CHILD"

// setup is what a child is told, as a line of JSON.
type setup struct {
	Me      int
	Nodes   []nodeid.ID
	Dir     string
	Big     int64
	Clients int
	Rate    int
}

// report is what a child says of itself, as a line of JSON, ten times a second.
type report struct {
	Phase     int
	Done      uint64
	Total     uint64
	From      string
	State     state
	MinChosen uint64
	Acked     uint64 // by clients of this life
	Resident  int64  // most of its memory, in bytes
	Paused    bool
	Failed    string
}

// childMain runs a node until its input ends. A line "pause" ends its load.
func childMain() int {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	var set setup
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &set)
	}
	if err == nil {
		err = runNode(set, in, out)
	}
	if err != nil {
		_ = out.Encode(report{Failed: err.Error()})
		return 1
	}
	return 0
}

func runNode(set setup, in *bufio.Reader, out *json.Encoder) error {
	m, err := openMachine(filepath.Join(set.Dir, "state"), set.Big)
	if err != nil {
		return err
	}
	logDir := filepath.Join(set.Dir, "log")
	if err := os.MkdirAll(logDir, 0o755); err != nil {
		return err
	}
	rate := set.Rate
	if rate == 0 {
		rate = -1
	}
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: set.Nodes[set.Me], Nodes: set.Nodes, LogStoragePath: logDir, StateMachines: []sm.StateMachine{m},
		HoldInstances: 300, CheckpointBytesPerSecond: rate, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var acked atomic.Uint64
	var load sync.WaitGroup
	for range set.Clients {
		load.Go(func() { propose(ctx, node, &acked, rand.Uint64()) })
	}
	paused := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line == "pause\n" {
				cancel()
				load.Wait()
				close(paused)
			}
		}
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			cancel()
			load.Wait()
			return node.Close()
		case <-tick.C:
		}
		if err := out.Encode(describe(node, m, acked.Load(), paused)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
	}
}

func describe(node *phxpaxos.Node, m *machine, acked uint64, paused <-chan struct{}) report {
	r := report{State: *m.shown.Load(), Acked: acked, Resident: resident()}
	p, err := node.Progress(0)
	if err == nil {
		r.Phase, r.Done, r.Total, r.From = int(p.Phase), p.Done, p.Total, p.From.String()
		r.MinChosen, err = node.MinChosenInstanceID(0)
	}
	if err != nil {
		r.Failed = err.Error()
	}
	select {
	case <-paused:
		r.Paused = true
	default:
	}
	return r
}

// propose is a client. What it is refused or loses it forgets.
// No two values are equal: of equal ones that are proposed at once by two
// nodes one may stand for both.
func propose(ctx context.Context, node *phxpaxos.Node, acked *atomic.Uint64, client uint64) {
	for n := uint64(0); ctx.Err() == nil; n++ {
		value := binary.LittleEndian.AppendUint64(make([]byte, 84, 100), client)
		value = binary.LittleEndian.AppendUint64(value, n)
		call, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if _, err := node.Propose(call, 0, machineID, value); err == nil {
			acked.Add(1)
		}
		cancel()
	}
}

// resident is the most memory that this process has had, in bytes; 0 where the
// system does not say.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

var errNode = errors.New("node process")

func nodeError(i int, format string, args ...any) error {
	return fmt.Errorf("%w %d: %w", errNode, i, fmt.Errorf(format, args...))
}
