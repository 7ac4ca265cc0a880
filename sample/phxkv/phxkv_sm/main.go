// Phxkv_sm is the state machine of phxkv_grpcserver as a program of its own.
// It is started by the server, and for it:
//
//	phxkv_grpcserver -sm ./phxkv_sm 127.0.0.1:21111 127.0.0.1:11111 … ./storage/kvdb_0 ./storage/paxoslog_0
//
// The server hands on the two directories. A server with it and one without
// keep the same in them, and may form one cluster.
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/sample/phxkv"
)

const (
	// lockMax is how long the database may be in use at the start: a process
	// whose server was killed ends a moment after it.
	lockMax   = 5 * time.Second
	lockAgain = 50 * time.Millisecond
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "phxkv_sm:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("it needs two arguments, <kvdb storagepath> <paxoslog storagepath>; it is started by phxkv_grpcserver -sm, not by hand")
	}
	m, err := open(args[0], args[1])
	if err != nil {
		return err
	}
	return errors.Join(statemachine.Serve(m), m.Close())
}

// open waits for the end of who uses the database.
func open(path, logPath string) (*phxkv.Machine, error) {
	for end := time.Now().Add(lockMax); ; time.Sleep(lockAgain) {
		m, err := phxkv.OpenMachine(path, logPath)
		if err == nil || !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
			return m, err
		}
	}
}
