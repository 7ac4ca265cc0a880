package sim

import "time"

// proof is the liveness check: after the last fault and the last client,
// within settleBound, every group of every node that is not dead gets a value
// of its own chosen, all of them have executed the same, no call is left
// without an answer, and the logs are the same to the last record.
type proof struct {
	w      *World
	proved [][]bool // by node and group
	begun  time.Duration
}

const proofPoll = 100 * time.Millisecond

func (p *proof) init(w *World) {
	p.w = w
	for range w.nodes {
		p.proved = append(p.proved, make([]bool, w.plan.Groups))
	}
}

func (p *proof) begin() {
	p.begun = p.w.now
	for _, n := range p.w.nodes {
		for g := range n.members {
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
	if n.state != up {
		p.w.events.push(again)
		return
	}
	p.w.nextID++
	op := &operation{kind: opPut, key: uint8(group), id: p.w.nextID, done: func(o *operation, _ bool) {
		if o.ticket.Err == nil && o.member.n.life == o.life {
			p.proved[node][group] = true
			return
		}
		again.at = p.w.now + proofPoll
		p.w.events.push(again)
	}}
	n.members[group].propose(op, 0) // a call that hangs must not be cut off
	n.members[group].settle()
}

func (p *proof) poll() {
	missing := p.missing()
	if missing == "" {
		p.w.enter(over)
		p.judge()
		return
	}
	if p.w.now-p.begun > settleBound {
		p.w.report.fail("liveness", "%v after the last fault and the last client %s", p.w.now-p.begun, missing)
		return
	}
	p.w.events.push(event{at: p.w.now + proofPoll, kind: evProbe, node: -1})
}

// missing says what is not proved yet, or nothing.
func (p *proof) missing() string {
	for _, n := range p.w.nodes {
		if n.state == dead {
			continue
		}
		for g, m := range n.members {
			log := p.w.checks[g].log
			switch {
			case n.state != up:
				return sprintf("node %s is not up", n.name)
			case !p.proved[n.index][g]:
				return sprintf("node %s has not got a value chosen in group %d (instance %d, elsewhere %d are executed)",
					n.name, g, m.g.Instance(), len(log.entries))
			case m.executed != len(log.entries):
				return sprintf("node %s has executed %d of %d entries of group %d", n.name, m.executed, len(log.entries), g)
			case len(m.order) > 0:
				return sprintf("node %s has %d calls of group %d open, the oldest since %v", n.name, len(m.order), g, m.order[0].from)
			}
		}
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
	for _, c := range w.checks {
		w.stats.Searched += uint64(c.calls.judge(c.log.place))
	}
}
