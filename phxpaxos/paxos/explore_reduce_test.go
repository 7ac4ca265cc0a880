package paxos

// The explorer leaves out what cannot matter any more. Each rule says why the
// states that it takes for one have the same futures as far as the checks can
// see, or why one of them can do all that the other can.

// finished: the node has decided all instances that are explored and will not
// crash. Nothing that it hears has an effect; only what it said counts.
func (n *exploreNode) finished() bool {
	return n.core.instance >= n.x.instances && n.crashes >= n.x.crashes[n.me-1] && len(n.tail) == n.written && n.bad == ""
}

// spent: the bounds allow no other prepare.
func (n *exploreNode) spent() bool { return n.prepares >= n.x.prepares[n.me-1] }

// reduce forgets what a node will not use any more.
func (n *exploreNode) reduce() {
	if n.finished() {
		at := n.core.instance
		n.core = n.x.blankCore(n)
		n.core.instance = at
		n.disk, n.tail, n.written, n.prepares, n.tries, n.top = nil, nil, 0, 0, 0, 0
		return
	}
	p := &n.core.proposer
	if !n.spent() || p.preparing {
		return
	}
	// Only the next prepare looks at other; only "skip and not rejected" at
	// the two flags, and only when a value is proposed.
	p.other, n.top = 0, 0
	last := n.core.instance+1 >= n.x.instances && n.tries >= n.x.tries
	if p.rejected || last {
		p.canSkip, p.rejected = false, false
	}
	if !p.canSkip && !p.accepting {
		p.number, p.used, p.saved, p.value = 0, false, 0, nil
	}
}

// deaf reports whether message m, whenever it comes, has no effect on n any
// more. A node that may crash can fall back to what is durable.
func (n *exploreNode) deaf(m *Message) bool {
	if m.To != 0 && m.To != n.me || n.finished() {
		return true
	}
	floor := n.core.instance
	if n.crashes < n.x.crashes[n.me-1] {
		floor = 0
		if len(n.disk) > 0 {
			floor = n.disk[len(n.disk)-1].Instance
		}
	}
	p := &n.core.proposer
	switch m.Kind {
	case PrepareReply, AcceptReply:
		if m.Ballot.Number < p.number {
			return true // a number is taken once in all lives; see checkFresh
		}
		if m.Rejected() {
			// It would only tell to take a higher number next time, and not
			// to go on with this one: the node could do less, not more.
			return n.spent()
		}
		if m.Instance < n.core.instance {
			return true
		}
		if m.Kind == PrepareReply {
			return !p.preparing && (p.used || n.spent())
		}
		return n.spent() && !p.preparing && !p.accepting && !p.canSkip
	case Prepare, Accept, Success, LearnValue:
		return m.Instance < floor
	}
	return false
}

// hearing brings l.deaf up to date.
func (x *explorer) hearing(l *exploreLocal) *exploreSet {
	if l.judged < len(x.messages) && !x.plain {
		n := x.clone(l.frozen)
		for ; l.judged < len(x.messages); l.judged++ {
			if n.deaf(&x.messages[l.judged]) {
				l.deaf.add(l.judged)
			}
		}
	}
	return &l.deaf
}

// exploreDrop is a node and messages that it need not remember to have sent.
type exploreDrop struct {
	at   uint32
	dead exploreSet
}

// forget takes messages out of the network that nobody can hear any more.
func (x *explorer) forget(state []uint32) {
	if x.plain {
		return
	}
	var deaf [exploreNodesMax]*exploreSet
	for i, at := range state {
		deaf[i] = x.hearing(x.locals[at])
	}
	for i, at := range state {
		l := x.locals[at]
		dead, any := l.sent, uint64(0)
		for w := range dead {
			for j := range state {
				if j != i {
					dead[w] &= deaf[j][w]
				}
			}
			any |= dead[w]
		}
		if any == 0 {
			continue
		}
		k := exploreDrop{at, dead}
		to, ok := x.dropped[k]
		if !ok {
			n := x.clone(l.frozen)
			for w := range dead {
				n.sent[w] &^= dead[w]
			}
			to = x.localOf(n)
			x.dropped[k] = to
		}
		state[i] = to
	}
}
