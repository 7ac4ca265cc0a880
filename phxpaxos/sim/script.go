package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// Script is a scenario written by hand: a cluster without any chance, in
// which only that happens which the lines say. Its first comment is its claim.
//
// Nodes are A, B, C …, a ballot's ties go to the later letter. A packet takes
// a millisecond, a write too. Values have names. The lines:
//
//	breaks CHECK with HOOK...   the check fails with these safety rules off
//	holds with HOOK...          and nothing fails with only these off
//	nodes N                     must come first
//	spares N                    the membership is in the log, and so many more
//	                            nodes, which start by "start", can be taken in
//	checkpoints N               there are two state machines whose states are made
//	                            durable by "save", and logs keep N instances
//	batch N                     so many values in one instance, 1 by default
//	only RULE, RULE ...         from now on other packets are lost
//	all, none                   from now on every packet passes, or none
//	hold RULE                   packets that match wait, until ...
//	release                     ... they are all sent on, and hold ends
//	propose NODE VALUE ...      the node is asked, all at once
//	shadow NODE VALUE           the node is asked for the second state machine
//	save NODE 1|2               a state machine makes its state durable
//	fail NODE VALUE             its state machine fails on the value, once
//	stall NODE DURATION         its disk does nothing for so long
//	kill NODE, power NODE       its process ends; the machine loses power, with
//	                            it everything that was not synced
//	start NODE                  it starts again, or a spare for the first time
//	change NODE +NODE -NODE     the first is asked to take in, to remove, or both
//	run DURATION                time passes
//	expect NODE at INSTANCE     that is its current instance
//	expect NODE executed VALUE ...
//	expect NODE members NODES   such as ABC, as it knows them
//	expect chosen INSTANCE VALUE
//	expect acknowledged VALUE   and expect open VALUE
//	converge                    all packets pass; every node has to get a value
//	                            chosen and all have to agree
//
// A RULE is KINDS FROM->TO, such as "Accept|AcceptReply A->BC" or "* *->A".
type Script struct {
	Claim  string
	Nodes  int
	Spares int // below zero: the membership is not in the log
	Batch  int
	Hold   int // 0: no checkpoints
	Breaks []Expectation
	Holds  []paxos.Hazards
	lines  []scriptLine
}

// never is a state machine's pause between checkpoints in a script.
const never = 1 << 31

// Expectation is what a script says about switched off rules.
type Expectation struct {
	Check   string
	Hazards paxos.Hazards
}

type scriptLine struct {
	number int
	words  []string
}

// rule selects packets.
type rule struct {
	kinds    map[paxos.Kind]bool // nil: all
	from, to uint64              // bit sets
}

func (r *rule) matches(from, to int, kind paxos.Kind) bool {
	return r.from>>from&1 == 1 && r.to>>to&1 == 1 && (r.kinds == nil || r.kinds[kind])
}

// heldPacket waits for release.
type heldPacket struct {
	from, to, group int
	packet          []byte
}

// player runs a script in a world.
type player struct {
	s      *Script
	w      *World
	only   []rule // nil: all pass
	hold   []rule
	held   []heldPacket
	values map[string]uint64
	calls  map[string]*operation
}

// ParseScript reads a script.
func ParseScript(text string) (*Script, error) {
	s := &Script{Batch: 1, Spares: -1}
	for i, line := range strings.Split(text, "\n") {
		if c, ok := strings.CutPrefix(line, "#"); ok {
			if len(s.lines) == 0 {
				s.Claim = strings.TrimSpace(s.Claim + " " + strings.TrimSpace(c))
			}
			continue
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := s.add(scriptLine{i + 1, words}); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if s.Nodes < 1 || s.Nodes > 9 || s.Spares > 9 {
		return nil, fmt.Errorf("nodes is %d, want 1 … 9, spares is %d, want 0 … 9", s.Nodes, s.Spares)
	}
	return s, nil
}

// add takes a line; what describes the whole script is read at once.
func (s *Script) add(l scriptLine) (err error) {
	w := l.words
	switch {
	case w[0] == "nodes" && len(w) == 2:
		_, err = fmt.Sscan(w[1], &s.Nodes)
	case w[0] == "spares" && len(w) == 2:
		_, err = fmt.Sscan(w[1], &s.Spares)
	case w[0] == "checkpoints" && len(w) == 2:
		_, err = fmt.Sscan(w[1], &s.Hold)
	case w[0] == "batch" && len(w) == 2:
		_, err = fmt.Sscan(w[1], &s.Batch)
	case w[0] == "breaks" && len(w) > 3 && w[2] == "with":
		var h paxos.Hazards
		h, err = parseHazards(w[3:])
		s.Breaks = append(s.Breaks, Expectation{w[1], h})
	case w[0] == "holds" && len(w) > 2 && w[1] == "with":
		var h paxos.Hazards
		h, err = parseHazards(w[2:])
		s.Holds = append(s.Holds, h)
	default:
		s.lines = append(s.lines, l)
	}
	return err
}

func parseHazards(names []string) (h paxos.Hazards, err error) {
	for _, n := range names {
		switch n {
		case "ReuseBallotAfterLoss":
			h.ReuseBallotAfterLoss = true
		case "InferFromNextAccept":
			h.InferFromNextAccept = true
		case "KeepBallotOnMembers":
			h.KeepBallotOnMembers = true
		case "LearnLowersPromise":
			h.LearnLowersPromise = true
		case "ReplayFromNewest":
			h.ReplayFromNewest = true
		case "CleanToNewest":
			h.CleanToNewest = true
		case "RepeatBatch":
			h.RepeatBatch = true
		default:
			return h, fmt.Errorf("no such hook: %s", n)
		}
	}
	return h, nil
}

// RunScript plays a script. It returns an error when the script itself is
// wrong or one of its expectations is not met. With only, violations of other
// checks are passed over.
func RunScript(s *Script, o Options, only string) (res Result, err error) {
	p := Plan{Seed: 1, Nodes: s.Nodes, Groups: 1, crc: true, Chaos: time.Hour}
	p.net.delayMin, p.disk.writeMin = time.Millisecond, time.Millisecond
	p.net.fifoStreams = true
	p.load.batchMax = s.Batch
	p.world.members, p.world.spares = s.Spares >= 0, max(0, s.Spares)
	if s.Hold > 0 {
		x := &p.world
		x.checkpoints, x.shadow, x.hold, x.every = true, true, uint64(s.Hold), [2]int{never, never}
	}
	w := newWorld(p, o)
	w.report.only = only
	w.script = &player{s: s, w: w, values: map[string]uint64{}, calls: map[string]*operation{}}
	for _, n := range w.nodes {
		w.events.push(event{kind: evBoot, node: int16(n.index), life: n.life})
	}
	w.runUntil(0)
	for _, l := range s.lines {
		if w.trace != nil {
			w.tracef("script", "%s", strings.Join(l.words, " "))
		}
		if err := w.script.play(l.words); err != nil && w.report.first == nil {
			return w.result(), fmt.Errorf("line %d: %s: %w", l.number, strings.Join(l.words, " "), err)
		}
		if w.report.first != nil {
			break
		}
	}
	return w.result(), nil
}

// runUntil lets time pass.
func (w *World) runUntil(until time.Duration) {
	for w.report.first == nil {
		at, ok := w.events.next()
		if !ok || at > until {
			break
		}
		w.step()
	}
	w.now = max(w.now, until)
}

// passes decides whether a packet is sent on now.
func (p *player) passes(from, to, group int, packet []byte) bool {
	m, ok := p.w.reader.read(packet)
	if !ok {
		return p.only == nil
	}
	for i := range p.hold {
		if p.hold[i].matches(from, to, m.Kind) {
			p.held = append(p.held, heldPacket{from, to, group, packet})
			return false
		}
	}
	if p.only == nil {
		return true
	}
	for i := range p.only {
		if p.only[i].matches(from, to, m.Kind) {
			return true
		}
	}
	return false
}

// parseRules reads "KINDS FROM->TO, KINDS FROM->TO".
func (p *player) parseRules(words []string) ([]rule, error) {
	var out []rule
	for part := range strings.SplitSeq(strings.Join(words, " "), ",") {
		f := strings.Fields(part)
		if len(f) != 2 {
			return nil, fmt.Errorf("rule %q, want KINDS FROM->TO", part)
		}
		from, to, ok := strings.Cut(f[1], "->")
		if !ok {
			return nil, fmt.Errorf("rule %q, want FROM->TO", part)
		}
		r := rule{}
		if f[0] != "*" {
			r.kinds = map[paxos.Kind]bool{}
			for name := range strings.SplitSeq(f[0], "|") {
				k, ok := kindNamed(name)
				if !ok {
					return nil, fmt.Errorf("no such message: %s", name)
				}
				r.kinds[k] = true
			}
		}
		var err error
		if r.from, err = p.nodeSet(from); err == nil {
			r.to, err = p.nodeSet(to)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func kindNamed(name string) (paxos.Kind, bool) {
	for k := paxos.Kind(1); k < 32; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

func (p *player) nodeSet(s string) (set uint64, err error) {
	if s == "*" {
		return ^uint64(0), nil
	}
	for _, c := range s {
		i := int(c - 'A')
		if i < 0 || i >= len(p.w.nodes) {
			return 0, fmt.Errorf("no such node: %c", c)
		}
		set |= 1 << i
	}
	return set, nil
}
