package sim

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// trouble is a kind of background trouble that can be taken out of a plan.
type trouble struct {
	name string
	calm func(p *Plan)
}

// troubles in the order in which Shrink tries to do without them.
var troubles = []trouble{
	{"loss", func(p *Plan) { p.net.loss = 0 }},
	{"dup", func(p *Plan) { p.net.dup = 0 }},
	{"corrupt", func(p *Plan) { p.net.corrupt = 0 }},
	{"tail", func(p *Plan) { p.net.tail, p.disk.tail = 0, 0 }},
	{"reorder", func(p *Plan) { p.net.fifoStreams = true }},
	{"latency", func(p *Plan) { p.net.delayMean = min(p.net.delayMean, p.net.delayMin) }},
	{"drift", func(p *Plan) { p.drift = 0 }},
	{"jitter", func(p *Plan) { p.jitter = 0 }},
	{"executefails", func(p *Plan) { p.load.executeFails = 0 }},
	{"losses", func(p *Plan) { p.load.losses = 0 }},
	{"cancel", func(p *Plan) { p.load.cancel = 0 }},
	{"large", func(p *Plan) { p.load.large = 0 }},
	{"burst", func(p *Plan) { p.load.burst = 1 }},
	{"batch", func(p *Plan) { p.load.batchMax, p.load.batchDelay = 1, 0 }},
	{"deadlines", func(p *Plan) { p.load.patienceNone = 100 }},
	{"clients", func(p *Plan) { p.load.clients = min(p.load.clients, 2) }},
	{"keys", func(p *Plan) { p.load.keys = 1 }},
}

// Troubles lists what Without takes.
func Troubles() []string {
	var names []string
	for _, t := range troubles {
		names = append(names, t.name)
	}
	return names
}

// Without takes background troubles out of the plan, by name.
func (p *Plan) Without(names ...string) error {
	for _, n := range names {
		i := slices.IndexFunc(troubles, func(t trouble) bool { return t.name == n })
		if i < 0 {
			return fmt.Errorf("no such trouble: %q, want some of %s", n, strings.Join(Troubles(), ", "))
		}
		troubles[i].calm(p)
		p.without = append(p.without, n)
	}
	return nil
}

// Arguments are the command line arguments that give this plan again.
func (p *Plan) Arguments() string {
	s := fmt.Sprintf("-seed %d -world %v -nodes %d -groups %d", p.Seed, p.Kind, p.Nodes, p.Groups)
	var skipped []int
	for i, on := range p.Skip {
		if on {
			skipped = append(skipped, i)
		}
	}
	sort.Ints(skipped)
	if len(skipped) > 0 {
		s += " -skip " + ranges(skipped)
	}
	if len(p.without) > 0 {
		s += " -without " + strings.Join(p.without, ",")
	}
	return s
}

// ranges writes sorted numbers as "1,3-7".
func ranges(n []int) string {
	var parts []string
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(n[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", n[i], n[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// copyPlan returns a plan whose Skip can be changed on its own.
func copyPlan(p Plan) Plan {
	q := p
	q.Skip = map[int]bool{}
	for i, on := range p.Skip {
		q.Skip[i] = on
	}
	q.without = slices.Clone(p.without)
	return q
}

// Shrink looks for a plan with fewer faults and less trouble that violates the
// same check, while more says that there is time. It returns the best plan and
// what came out of it.
func Shrink(p Plan, o Options, more func() bool) (Plan, Result) {
	o.Trace = nil
	best, res := copyPlan(p), Run(p, o)
	if res.Violation == nil {
		return best, res
	}
	try := func(q Plan) bool {
		r := Run(q, o)
		if r.Violation == nil || r.Violation.Check != res.Violation.Check {
			return false
		}
		best, res = q, r
		return true
	}
	q := copyPlan(best)
	for i, f := range q.Faults {
		if f.At > res.Violation.At {
			q.Skip[i] = true // it never happened
		}
	}
	try(q)
	for _, t := range troubles {
		if !more() {
			return best, res
		}
		if slices.Contains(best.without, t.name) {
			continue
		}
		q := copyPlan(best)
		if q.Without(t.name) == nil {
			try(q)
		}
	}
	shrinkFaults(&best, try, more)
	return best, res
}

// shrinkFaults leaves out ever smaller runs of the faults that are left.
func shrinkFaults(best *Plan, try func(Plan) bool, more func() bool) {
	for size := len(best.Faults); size > 0; size /= 2 {
		left := remaining(*best)
		for from := 0; from < len(left); from += size {
			if !more() {
				return
			}
			q := copyPlan(*best)
			for _, i := range left[from:min(from+size, len(left))] {
				q.Skip[i] = true
			}
			try(q)
		}
	}
}

func remaining(p Plan) []int {
	var left []int
	for i := range p.Faults {
		if !p.Skip[i] {
			left = append(left, i)
		}
	}
	return left
}
