package sim

import "time"

// proof is the liveness check: after the last fault and the last client, and
// never more than settleBound after anybody got on, every group of every member that is not dead gets a
// value of its own chosen, or in a fenced group the master does; all nodes
// have executed the same and know the same members; no call is left without an
// answer; and the logs are the same to the last record.
type proof struct {
	w      *World
	proved [][]bool // by node and group
	any    []bool   // by group: somebody has got a value chosen
	begun  time.Duration
	moved  time.Duration // when somebody got further last
	sum    int           // how far all nodes are together
}

const proofPoll = 100 * time.Millisecond

func (p *proof) init(w *World) {
	p.w = w
	for range w.nodes {
		p.proved = append(p.proved, make([]bool, w.plan.Groups))
	}
	p.any = make([]bool, w.plan.Groups)
}

func (p *proof) begin() {
	p.begun, p.moved = p.w.now, p.w.now
	for _, n := range p.w.nodes {
		for g := range n.members {
			if n.role == follower || n.role == stranger {
				continue
			}
			p.w.events.push(event{at: p.w.now, kind: evProbe, node: int16(n.index), group: int16(g)})
		}
	}
	p.w.events.push(event{at: p.w.now + proofPoll, kind: evProbe, node: -1})
}

// probe has a node propose, until it succeeds; node -1 looks how far all are.
func (p *proof) probe(node, group int) {
	if node < 0 {
		p.poll()
		return
	}
	n := p.w.nodes[node]
	if n.state == dead {
		return
	}
	again := event{at: p.w.now + proofPoll, kind: evProbe, node: int16(node), group: int16(group)}
	if n.state != up || !p.votes(n, group) && p.any[group] { // it may still be taken in
		p.w.events.push(again)
		return
	}
	p.w.nextID++
	op := &operation{kind: opPut, key: uint8(group), id: p.w.nextID, done: func(o *operation, _ bool) {
		if o.ticket.Err == nil && o.member.n.life == o.life {
			p.proved[node][group], p.any[group] = true, true
			return
		}
		again.at = p.w.now + proofPoll
		p.w.events.push(again)
	}}
	n.members[group].propose(op, 0) // a call that hangs must not be cut off
	n.members[group].settle()
}

// votes reports whether a node is a member of a group.
func (p *proof) votes(n *node, group int) bool {
	return n.role != stranger && p.w.checks[group].model.present().has(n.index)
}

func (p *proof) poll() {
	missing := p.missing()
	if missing == "" {
		p.w.enter(over)
		p.judge()
		return
	}
	if sum := p.progress(); sum > p.sum {
		p.sum, p.moved = sum, p.w.now
	}
	if p.w.now-p.moved > settleBound || p.w.now-p.begun > 10*settleBound {
		p.w.report.fail("liveness", "%v after the last fault and the last client %s", p.w.now-p.begun, missing)
		return
	}
	p.w.events.push(event{at: p.w.now + proofPoll, kind: evProbe, node: -1})
}

// progress sums up what the nodes have executed: one that is far behind may
// take long to catch up over a slow network, as long as it gets on.
func (p *proof) progress() (sum int) {
	for _, n := range p.w.nodes {
		for _, m := range n.members {
			sum += m.executed + m.shadowed
		}
	}
	return sum
}

// missing says what is not proved yet, or nothing.
func (p *proof) missing() string {
	for _, n := range p.w.nodes {
		if n.state == dead || n.state == absent || n.role == stranger {
			continue
		}
		if n.state != up {
			return sprintf("node %s is not up", n.name)
		}
		for g, m := range n.members {
			if s := p.lacks(n, m, g); s != "" {
				return s
			}
		}
	}
	for g := range p.w.checks {
		if !p.any[g] {
			return sprintf("nobody has got a value chosen in group %d", g)
		}
		if p.w.plan.world.master && p.w.leader(g) == nil {
			return sprintf("group %d has no master", g)
		}
	}
	return ""
}

func (p *proof) lacks(n *node, m *member, g int) string {
	log, shadow, model := p.w.checks[g].log, p.w.checks[g].shadow, p.w.checks[g].model
	_, version := m.g.Membership()
	switch {
	case p.votes(n, g) && !p.proved[n.index][g] && !p.w.plan.world.fence:
		return sprintf("node %s has not got a value chosen in group %d (instance %d, elsewhere %d are executed)",
			n.name, g, m.g.Instance(), len(log.entries))
	case m.executed != len(log.entries):
		return sprintf("node %s has executed %d of %d entries of group %d", n.name, m.executed, len(log.entries), g)
	case p.w.plan.world.shadow && m.shadowed != len(shadow.entries):
		return sprintf("node %s has executed %d of %d entries of the second machine of group %d", n.name, m.shadowed, len(shadow.entries), g)
	case version != model.version || m.g.Cluster() != model.cluster || setOf(m.g.Members()) != model.present():
		return sprintf("node %s knows the members %v of group %d by version %d, they are %v by version %d",
			n.name, setOf(m.g.Members()), g, version, model.present(), model.version)
	case len(m.order) > 0:
		return sprintf("node %s has %d calls of group %d open, the oldest since %v", n.name, len(m.order), g, m.order[0].from)
	}
	return ""
}

// judge compares the whole logs and looks at what the clients saw.
func (p *proof) judge() {
	w := p.w
	for _, n := range w.nodes {
		for _, m := range n.members {
			if n.state == up {
				m.checked = m.g.MinChosen()
				m.checkRecords()
			}
		}
	}
	p.states()
	for _, c := range w.checks {
		w.stats.Searched += uint64(c.calls.judge(c.log.place))
	}
}

// states compares the states of the state machines: a state that came from
// another node has to be what executing everything would have given.
func (p *proof) states() {
	type state struct {
		node          string
		first, second uint64
	}
	for g := range p.w.checks {
		var want *state
		for _, n := range p.w.nodes {
			m := n.members[g]
			if n.state != up || n.role == stranger {
				continue
			}
			have := &state{n.name, m.machine.hash(), 0}
			if m.shadow != nil {
				have.second = m.shadow.hash()
			}
			if want == nil {
				want = have
			}
			if have.first != want.first || have.second != want.second {
				p.w.report.fail("equal states", "group %d: the states of nodes %s and %s differ", g, want.node, have.node)
			}
		}
	}
}
