package main

import (
	"io"
	"log/slog"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/sample/phxecho/echo"
)

// openMachine returns the replicated state machine, which prints each value
// that it executes, and what to close behind the node: with a path it is a
// program of its own.
func openMachine(path string, out *console, logger *slog.Logger) (sm.StateMachine, io.Closer, error) {
	if path == "" {
		return machine{echo.Machine{}, out}, io.NopCloser(nil), nil
	}
	m, err := statemachine.Load(path, statemachine.Options{Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	return &program{Machine: m, out: out}, m, nil
}

// machine prints what the state machine in it has executed.
type machine struct {
	sm.StateMachine
	out *console
}

// Execute executes and prints a value.
func (m machine) Execute(e sm.Entry) ([]byte, error) {
	result, err := m.StateMachine.Execute(e)
	if err == nil {
		m.out.executed(e)
	}
	return result, err
}

// program prints what the program in it has executed. What it executes again
// after a crash was printed before.
type program struct {
	statemachine.Machine
	out      *console
	instance uint64 // everything before …
	index    int    // … this place is printed
}

// ExecuteBatch executes and prints values.
func (p *program) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	results, err := p.Machine.ExecuteBatch(entries, results)
	for _, e := range entries[:len(results)] {
		if e.Instance > p.instance || e.Instance == p.instance && e.Index >= p.index {
			p.out.executed(e)
			p.instance, p.index = e.Instance, e.Index+1
		}
	}
	return results, err
}
