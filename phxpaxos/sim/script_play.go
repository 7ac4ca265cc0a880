package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var errWords = errors.New("wrong words, see Script")

// play does what one line says.
func (p *player) play(words []string) (err error) {
	args := words[1:]
	switch verb := words[0]; {
	case verb == "only":
		p.only, err = p.parseRules(args)
	case verb == "all" && len(args) == 0:
		p.only = nil
	case verb == "none" && len(args) == 0:
		p.only = []rule{}
	case verb == "hold":
		var rules []rule
		rules, err = p.parseRules(args)
		p.hold = append(p.hold, rules...)
	case verb == "release" && len(args) == 0:
		p.release()
	case verb == "run" && len(args) == 1:
		var d time.Duration
		if d, err = time.ParseDuration(args[0]); err == nil {
			p.w.runUntil(p.w.now + d)
		}
	case verb == "converge" && len(args) == 0:
		p.converge()
	case verb == "expect" && len(args) >= 2:
		err = p.expect(args)
	case len(args) >= 1:
		err = p.playNode(verb, args[0], args[1:])
	default:
		err = errWords
	}
	return err
}

// playNode does what a line says to a node.
func (p *player) playNode(verb, name string, args []string) error {
	n, err := p.node(name)
	if err != nil {
		return err
	}
	switch {
	case verb == "start" && len(args) == 0:
		if n.state == absent {
			n.state = down
		}
		n.boot()
	case verb == "change" && len(args) > 0 && n.state == up:
		return p.change(n, args)
	case (verb == "kill" || verb == "power") && len(args) == 0 && n.state == up:
		p.w.tracef(n.name, "ends, power=%v", verb == "power")
		n.end(verb == "power")
	case verb == "propose" && len(args) > 0 && n.state == up:
		for _, v := range args {
			p.propose(n, v)
		}
		n.members[0].settle()
	case verb == "shadow" && len(args) == 1 && n.state == up && p.s.Hold > 0:
		op := &operation{kind: opMark, id: p.value(args[0]), shadow: true}
		p.calls[args[0]] = op
		n.members[0].propose(op, 0)
		n.members[0].settle()
	case verb == "save" && len(args) == 1 && n.state == up && p.s.Hold > 0:
		return n.members[0].save(args[0])
	case verb == "stall" && len(args) == 1:
		d, err := time.ParseDuration(args[0])
		n.disk.stalled = p.w.now + d
		return err
	case verb == "fail" && len(args) == 1 && n.state == up:
		n.members[0].machine.failNext = p.value(args[0])
	default:
		return errWords
	}
	return nil
}

func (p *player) node(name string) (*node, error) {
	for _, n := range p.w.nodes {
		if n.name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no such node: %s", name)
}

// value returns the id of a named value.
func (p *player) value(name string) uint64 {
	id, ok := p.values[name]
	if !ok {
		p.w.nextID++
		id = p.w.nextID
		p.values[name] = id
	}
	return id
}

func (p *player) propose(n *node, name string) {
	op := &operation{kind: opPut, id: p.value(name)}
	p.calls[name] = op
	n.members[0].propose(op, 0)
}

// change reads "+D -B" and asks for it.
func (p *player) change(n *node, args []string) error {
	add, remove := -1, -1
	for _, a := range args {
		other, err := p.node(a[1:])
		switch {
		case err != nil:
			return err
		case a[0] == '+':
			add = other.index
		case a[0] == '-':
			remove = other.index
		default:
			return errWords
		}
	}
	m := n.members[0]
	m.change(add, remove, 0)
	m.settle()
	return nil
}

// release sends on what was held.
func (p *player) release() {
	p.hold = nil
	for _, h := range p.held {
		p.w.events.push(event{at: p.w.now + time.Millisecond, kind: evPacket,
			node: int16(h.to), from: int16(h.from), group: int16(h.group), packet: h.packet})
	}
	p.held = nil
}

// converge ends the scenario as a seed's run ends.
func (p *player) converge() {
	p.only, p.hold = nil, nil
	for _, n := range p.w.nodes {
		n.boot()
	}
	p.w.enter(proving)
	p.w.run()
}

func (p *player) expect(args []string) error {
	switch args[0] {
	case "chosen":
		return p.expectChosen(args[1:])
	case "acknowledged", "open":
		op := p.calls[args[1]]
		if op == nil || op.ended != (args[0] == "acknowledged") || op.ended && op.ticket.Err != nil {
			return fmt.Errorf("the call is %s", describeCall(op))
		}
		return nil
	}
	n, err := p.node(args[0])
	if err != nil {
		return err
	}
	m := n.members[0]
	switch {
	case n.state != up:
		return errors.New("the node is down")
	case args[1] == "at" && len(args) == 3:
		if at := strconv.FormatUint(m.g.Instance(), 10); at != args[2] {
			return fmt.Errorf("it is at %s", at)
		}
	case args[1] == "members" && len(args) == 3:
		if have := setOf(m.g.Members()).String(); have != args[2] {
			return fmt.Errorf("they are %s", have)
		}
	case args[1] == "executed":
		return p.expectExecuted(m, args[2:])
	default:
		return errWords
	}
	return nil
}

func describeCall(op *operation) string {
	switch {
	case op == nil:
		return "unknown"
	case !op.ended:
		return "open"
	case op.ticket.Err != nil:
		return "over: " + op.ticket.Err.Error()
	}
	return "acknowledged"
}

func (p *player) expectChosen(args []string) error {
	if len(args) != 2 {
		return errWords
	}
	at, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return err
	}
	c := p.w.checks[0]
	if _, ok := c.votes.chosen(at); !ok {
		return errors.New("nothing is chosen there")
	}
	for _, e := range c.log.entries {
		if e.instance == at && e.id == p.value(args[1]) {
			return nil
		}
	}
	return errors.New("another value is")
}

func (p *player) expectExecuted(m *member, names []string) error {
	var want, got []string
	for _, n := range names {
		want = append(want, strconv.FormatUint(p.value(n), 10))
	}
	for _, e := range p.w.checks[0].log.entries[:m.executed] {
		got = append(got, strconv.FormatUint(e.id, 10))
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("it has executed values %s, want %s", strings.Join(got, " "), strings.Join(want, " "))
	}
	return nil
}
