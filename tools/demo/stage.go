package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/sample/nodeaddr"
	"github.com/phxpaxos/phxpaxos-go/sample/process"
)

const size = 3

// stage is the cluster that is shown.
type stage struct {
	ctx     context.Context
	dir     string
	binary  string
	verbose bool
	ids     []nodeid.ID
	nodes   [size]*process.Process
	values  []string // what was typed, in the order of the answers
}

func newStage(ctx context.Context, dir, binary string, verbose bool) (*stage, error) {
	ids, err := nodeaddr.Free(size)
	if err != nil {
		return nil, err
	}
	return &stage{ctx: ctx, dir: dir, binary: binary, verbose: verbose, ids: ids}, nil
}

// clear ends whatever runs.
func (s *stage) clear() {
	for _, p := range s.nodes {
		if p != nil {
			p.Kill()
		}
	}
}

// play shows everything.
func (s *stage) play() error {
	for _, scene := range []func() error{s.begin, s.type3, s.breakOne, s.bringBack, s.compare, s.end} {
		if err := scene(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) begin() error {
	step("starting three nodes, one process each; any two of them are a majority")
	for i := range size {
		if err := s.start(i); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) start(i int) error {
	args := []string{s.ids[i].String(), nodeaddr.List(s.ids)}
	note("node %d: phxecho %s", i+1, strings.Join(args, " "))
	p, err := process.Start(s.dir, s.binary, args...)
	if err != nil {
		return err
	}
	s.nodes[i] = p
	return s.sees(i, "please input: <echo req value>\n")
}

func (s *stage) type3() error {
	step("typing at each node: whatever is typed anywhere gets one place in one log")
	for i, value := range []string{"hello", "hello phxpaxos:)", "from the third node"} {
		if err := s.typed(i, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) breakOne() error {
	step("kill -9 for node 3: two of three nodes go on as if nothing had happened")
	s.nodes[2].Kill()
	return s.typed(0, "two nodes are enough")
}

func (s *stage) bringBack() error {
	step("starting node 3 again: it reads its own log, then learns what it missed")
	if err := s.start(2); err != nil {
		return err
	}
	if err := s.sees(2, " value two nodes are enough\n"); err != nil {
		return err
	}
	return s.typed(2, "all three are back")
}

// typed types a value at a node and waits for its answer.
func (s *stage) typed(i int, value string) error {
	if err := s.nodes[i].Type(value); err != nil {
		return err
	}
	if err := s.sees(i, "echo resp value "+value+"\n"); err != nil {
		return err
	}
	s.values = append(s.values, value)
	note("node %d: typed %q, chosen: %s", i+1, value, s.executed(i)[len(s.values)-1])
	return nil
}

// sees waits until a node has printed text.
func (s *stage) sees(i int, text string) error {
	err := s.nodes[i].Wait(s.ctx, func(out string) bool { return strings.Contains(out, text) })
	if err != nil {
		return fmt.Errorf("node %d does not print %q: %w", i+1, text, err)
	}
	return nil
}

// executed returns the lines of the values that a node has executed.
func (s *stage) executed(i int) []string {
	var lines []string
	for line := range strings.Lines(s.nodes[i].Stdout()) {
		if strings.HasPrefix(line, "[SM Execute] ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func (s *stage) compare() error {
	step("comparing what the nodes executed")
	last := s.values[len(s.values)-1]
	for i := range size {
		if err := s.sees(i, " value "+last+"\n"); err != nil {
			return err
		}
	}
	first := s.executed(0)
	for _, line := range first {
		note("%s", line)
	}
	for i, value := range s.values {
		if i >= len(first) || !strings.HasSuffix(first[i], " value "+value) {
			return fmt.Errorf("node 1 has not executed %q as value %d", value, i+1)
		}
	}
	for i := range size {
		if lines := s.executed(i); !slices.Equal(lines, first) {
			return fmt.Errorf("node %d executed %q, node 1 %q", i+1, lines, first)
		}
		note("node %d: %d values, the same ones in the same order", i+1, len(first))
	}
	return nil
}

func (s *stage) end() error {
	step("SIGTERM for all: they close")
	for i, p := range s.nodes {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("node %d: %w", i+1, err)
		}
	}
	for i, p := range s.nodes {
		exit, err := p.Exit(s.ctx)
		if err != nil || exit != 0 {
			return fmt.Errorf("node %d ended with exit code %d: %v", i+1, exit, err)
		}
		note("node %d: exit code 0", i+1)
		if s.verbose {
			fmt.Printf("\n-- node %d printed:\n%s", i+1, p.Stdout())
		}
	}
	return nil
}
