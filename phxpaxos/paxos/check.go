package paxos

import "fmt"

func invariant(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvariant}, args...)...)
}

// check asserts after every input what must hold then. It costs a few
// comparisons, so it is always on: a core that finds itself wrong stops before
// it says anything more.
func (c *Core) check() {
	if c.err != nil {
		return
	}
	a, p := &c.acceptor, &c.proposer
	switch {
	case a.promised.Less(a.accepted):
		c.fail(invariant("P1: accepted %v above the promise %v", a.accepted, a.promised))
	case a.accepted.IsNull() && a.value != nil:
		c.fail(invariant("P1: a value is held without a ballot"))
	case len(c.out.gated) > 0 && c.out.gated[0].after <= c.out.durable:
		c.fail(invariant("P3: a message waits for save %d, %d is durable", c.out.gated[0].after, c.out.durable))
	case p.preparing && p.accepting:
		c.fail(invariant("P4: prepare and accept at once"))
	case (p.preparing || p.accepting) && (!p.used || !p.hasValue):
		c.fail(invariant("P4: a round without a ballot of its own or without a value"))
	case c.learner.chosen != nil && c.learner.chosen.Instance != c.instance:
		c.fail(invariant("P5: value of instance %d is chosen at instance %d", c.learner.chosen.Instance, c.instance))
	case c.learner.chosen != nil && (p.preparing || p.accepting):
		c.fail(invariant("P6: a round goes on in the decided instance %d", c.instance))
	case c.learner.chosen != nil && a.accepted.IsNull() && !c.cfg.Hazards.LearnLowersPromise:
		c.fail(invariant("P6: instance %d is decided and its record is not", c.instance))
	}
}
