package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// setup is what a process is told about its place.
type setup struct {
	System string
	Me     int      // index into Addrs; process 0 leads
	Addrs  []string // ip:port of each
	Dir    string   // the process's own
	Groups int
}

// variant is a system with what Go is allowed to use.
type variant struct {
	system
	procs int // GOMAXPROCS of each process, 0 to leave it to Go
}

func (v variant) String() string {
	if v.procs == 0 {
		return v.name
	}
	return fmt.Sprintf("%s, GOMAXPROCS=%d", v.name, v.procs)
}

// opMax bounds one operation. It is far above anything that is measured.
const opMax = 30 * time.Second

// node is one process of a system.
type node interface {
	// propose brings a value through a group and returns when it is executed
	// here. Only called at process 0, by many goroutines.
	propose(group int, value []byte) error
	// lead waits until this process leads all groups.
	lead() error
	close()
}

// system is a way to start a node.
type system struct {
	name   string
	groups bool // can have more than one
	single bool // serves one caller only
	start  func(setup) (node, error)
}

var systems = []system{
	{name: "phxpaxos", groups: true, start: startPhxpaxos},
	{name: "dragonboat-tan", groups: true, start: startTan},
	{name: "dragonboat-mux", groups: true, start: startMux},
	{name: "dragonboat-pebble", groups: true, start: startPebble},
	{name: "hashicorp-wal", start: startHashicorp},
	{name: "etcd-raft-wal", start: startEtcd},
	{name: "bare", single: true, start: startBare},
}

func names() string {
	var all []string
	for _, s := range systems {
		all = append(all, s.name)
	}
	return strings.Join(all, ",")
}

func find(name string) (system, error) {
	i := slices.IndexFunc(systems, func(s system) bool { return s.name == name })
	if i < 0 {
		return system{}, fmt.Errorf("there is no system %q, must be one of %s", name, names())
	}
	return systems[i], nil
}

// poll waits until done, or gives up.
func poll(what string, done func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return fmt.Errorf("%s: not within a minute", what)
}
