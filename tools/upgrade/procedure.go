package main

import (
	"fmt"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
)

// nodes is the size of a cluster.
const nodes = 3

// scenario is one cluster, and what happens to it.
type scenario struct {
	Procedure  string // a key of procedures
	Layout     string // original or shared
	Groups     int
	Membership bool
	Master     bool
	Hold       int // Options.HoldInstances; 0 for its default
	// Parity has every second stop of a node be a SIGKILL: those with an even
	// number, or with an odd one.
	Parity int
}

func (s scenario) String() string {
	text := fmt.Sprintf("%s/%s/groups=%d/parity=%d", s.Procedure, s.Layout, s.Groups, s.Parity)
	if s.Membership {
		text += "/membership"
	}
	if s.Master {
		text += "/master"
	}
	if s.Hold > 0 {
		text += fmt.Sprintf("/hold=%d", s.Hold)
	}
	return text
}

// op is what a step does.
type op int

const (
	opStart op = iota // all nodes start, with Version
	opRun             // Time passes
	opSwap            // Node stops and starts again, with Version
	opDown            // Node stops
	opUp              // Node starts, with Version
	opLimit           // Node limits the level to Level
	opLevel           // wait until each node of the new version is at Level
	opSpoke           // the log of each node of the new version has Text
)

// step is one thing that happens. The clients write all the time.
type step struct {
	Op      op
	Node    int
	Version version
	Kill    bool // SIGKILL, not a clean stop
	Wipe    bool // the node's directory is lost
	Plain   bool // the node sends packets without this library's CRC
	Level   phxpaxos.FeatureLevel
	Time    time.Duration
	Text    string
}

func (s step) String() string {
	with := map[bool]string{true: "killed", false: "stopped"}[s.Kill]
	if s.Wipe {
		with += ", wiped"
	}
	switch s.Op {
	case opStart:
		return fmt.Sprintf("start %v", s.Version)
	case opRun:
		return fmt.Sprintf("run for %v", s.Time)
	case opSwap:
		return fmt.Sprintf("node %d to %v, %s", s.Node, s.Version, with)
	case opDown:
		return fmt.Sprintf("node %d %s", s.Node, with)
	case opUp:
		return fmt.Sprintf("node %d starts, %v", s.Node, s.Version)
	case opLimit:
		return fmt.Sprintf("limit %d", s.Level)
	case opLevel:
		return fmt.Sprintf("level %d in force", s.Level)
	default:
		return fmt.Sprintf("logs say %q", s.Text)
	}
}

// beats is longer than two periods of the heartbeat that raises the level: a
// level that rises too early does so in this time.
const beats = 6 * time.Second

// statedLife is longer than the time for which a member that ceases to state
// the identity still counts.
const statedLife = 12 * time.Second

// procedure makes the steps of a scenario.
type procedure struct {
	steps []step
	stops int
	s     scenario
}

// procedures are what can happen, with what is printed in the usage.
var procedures = map[string]func(*procedure){
	"orderly": orderly, // up; level down; back; up again
	"wiped":   wiped,   // as orderly, and nodes lose their directories on both ways
	"abrupt":  abrupt,  // up; one node back although the level is up; up again
	"all":     allBack, // up; all nodes back although the level is up; up again
	"plain":   plain,   // one node sends the original's packets
}

func stepsOf(s scenario) []step {
	p := &procedure{s: s}
	procedures[s.Procedure](p)
	return p.steps
}

func (p *procedure) do(s step) { p.steps = append(p.steps, s) }

func (p *procedure) run(d time.Duration) { p.do(step{Op: opRun, Time: d}) }

func (p *procedure) limit(node int, l phxpaxos.FeatureLevel) {
	p.do(step{Op: opLimit, Node: node, Level: l})
}

func (p *procedure) level(l phxpaxos.FeatureLevel) { p.do(step{Op: opLevel, Level: l}) }

// swap replaces a node.
func (p *procedure) swap(s step) {
	s.Op, s.Kill = opSwap, p.stops%2 == p.s.Parity
	p.stops++
	p.do(s)
}

// way replaces all nodes, with time for a level that must not rise between
// them.
func (p *procedure) way(v version, between time.Duration, wiped int) {
	for node := range nodes {
		p.swap(step{Node: node, Version: v})
		if node == wiped {
			p.run(time.Second)
			p.swap(step{Node: node, Version: v, Wipe: true})
		}
		if node < nodes-1 {
			p.run(between)
		}
	}
}

func (p *procedure) begin() {
	p.do(step{Op: opStart, Version: oldVersion})
	p.run(2 * time.Second)
}

func orderly(p *procedure)  { ways(p, -1) }
func wiped(p *procedure)    { ways(p, 1) }
func secondUp(p *procedure) { p.limit(2, phxpaxos.FeatureNoLimit); p.level(phxpaxos.FeatureNewest) }

func ways(p *procedure, wiped int) {
	p.begin()
	p.way(newVersion, beats, wiped)
	p.level(phxpaxos.FeatureNewest)
	p.run(2 * time.Second)
	p.limit(0, phxpaxos.FeatureBase)
	p.way(oldVersion, time.Second, wiped)
	p.run(2 * time.Second)
	p.way(newVersion, time.Second, wiped)
	p.run(beats) // the limit still holds
	secondUp(p)
	p.run(2 * time.Second)
}

// plainWords is in the line of the log that says what to do about a member that
// went back although the level is not lowered.
const plainWords = "limit the feature level to 0"

func abrupt(p *procedure) {
	p.begin()
	p.way(newVersion, time.Second, -1)
	p.level(phxpaxos.FeatureNewest)
	p.run(time.Second)
	for node := range nodes {
		p.swap(step{Node: node, Version: oldVersion})
		p.run(statedLife)
		p.do(step{Op: opSpoke, Text: plainWords})
		p.swap(step{Node: node, Version: newVersion})
		p.run(time.Second)
		p.level(phxpaxos.FeatureNewest)
	}
	// The plain member is needed for the quorum.
	p.swap(step{Node: 2, Version: oldVersion})
	p.run(statedLife)
	p.do(step{Op: opDown, Node: 1, Kill: true})
	p.run(statedLife)
	p.do(step{Op: opUp, Node: 1, Version: newVersion})
	p.swap(step{Node: 2, Version: newVersion})
	p.level(phxpaxos.FeatureNewest)
	// The limit is lifted while a member is of the old version.
	p.limit(0, phxpaxos.FeatureBase)
	p.swap(step{Node: 1, Version: oldVersion})
	p.limit(0, phxpaxos.FeatureNoLimit)
	p.run(2 * beats)
	p.swap(step{Node: 1, Version: newVersion})
	p.level(phxpaxos.FeatureNewest)
	p.run(2 * time.Second)
}

func allBack(p *procedure) {
	p.begin()
	for range 2 {
		p.way(newVersion, time.Second, -1)
		p.level(phxpaxos.FeatureNewest)
		p.way(oldVersion, statedLife, -1)
		p.run(statedLife)
	}
	p.way(newVersion, statedLife, -1)
	p.level(phxpaxos.FeatureNewest)
	p.run(2 * time.Second)
}

func plain(p *procedure) {
	p.do(step{Op: opStart, Version: newVersion, Plain: true})
	p.run(3 * beats)
	for node := range nodes {
		p.swap(step{Node: node, Version: newVersion, Plain: true})
		p.run(time.Second)
	}
	p.run(beats)
	p.swap(step{Node: 2, Version: newVersion}) // with the CRC
	p.level(phxpaxos.FeatureNewest)
	p.limit(1, phxpaxos.FeatureBase)
	p.swap(step{Node: 2, Version: newVersion, Plain: true})
	p.run(2 * beats)
}
