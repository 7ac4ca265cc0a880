package paxos

import (
	"fmt"
	"slices"
	"strings"
)

// trace says how the violation comes about, one line for every step.
func (x *explorer) trace() string {
	var path []uint32
	for at := x.violated; at != 0; at = x.states.parent(at) {
		path = append(path, at)
	}
	var b strings.Builder
	state, want, next := make([]uint32, x.nodes), make([]uint32, x.nodes), make([]uint32, x.nodes)
	x.states.get(0, state)
	for i := len(path) - 1; i >= 0; i-- {
		x.states.get(path[i], want)
		x.successors(state, func(node int, e exploreEdge, message bool) bool {
			copy(next, state)
			next[node] = e.to
			x.forget(next)
			if !slices.Equal(next, want) {
				return true
			}
			fmt.Fprintf(&b, "%3d. n%d %s\n", len(path)-i, node+1, x.stepName(node, e, message))
			fmt.Fprintf(&b, "       %s\n", x.describe(e.to))
			return false
		})
		copy(state, want)
	}
	fmt.Fprintf(&b, "  => %s\n", x.violation)
	return b.String()
}

func (x *explorer) stepName(node int, e exploreEdge, message bool) string {
	if message {
		m := x.messages[e.what]
		from := fmt.Sprintf("n%d", m.From)
		if m.Kind == LearnValue {
			from = "a teacher"
		}
		s := fmt.Sprintf("takes %v from %s", &m, from)
		if e.also != e.what {
			s += fmt.Sprintf(", and %v from n%d", &x.messages[e.also], x.messages[e.also].From)
		}
		return s
	}
	names := map[uint16]string{stepPropose: "proposes", stepAbandon: "gives up", stepTimer: "loses patience",
		stepExecute: "executes", stepSaved: "hears that %d more records are saved", stepCrash: "crashes, keeps %d records, restarts"}
	name := names[e.what&^0xff]
	if strings.Contains(name, "%") {
		return fmt.Sprintf(name, e.what&0xff)
	}
	return name
}

func (x *explorer) describe(at uint32) string {
	n := x.clone(x.locals[at].frozen)
	a, p := &n.core.acceptor, &n.core.proposer
	s := fmt.Sprintf("i=%d promised %v accepted %v", n.core.instance, a.promised, a.accepted)
	if len(a.value) == 1 {
		s += " " + x.valueName(a.value[0])
	}
	if p.used {
		s += fmt.Sprintf("; own ballot %d skip=%v preparing=%v accepting=%v", p.number, p.canSkip, p.preparing, p.accepting)
	}
	for _, r := range n.disk {
		s += fmt.Sprintf("; disk i=%d %v/%v", r.Instance, r.Promised, r.Accepted)
	}
	for i, r := range n.tail {
		how := "asked"
		if i < n.written {
			how = "written"
		}
		s += fmt.Sprintf("; %s i=%d %v/%v", how, r.Instance, r.Promised, r.Accepted)
	}
	return s
}
