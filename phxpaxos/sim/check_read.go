package sim

// readCheck: a read that begins after something was acknowledged, or was seen
// by another read, has to see it. It is cheap and needs no search.
type readCheck struct {
	r     *reporter
	group int
	seen  sight
}

// sight is how far somebody could see: everything below an instance, and so
// many entries of the log. An instance may be executed in part.
type sight struct {
	instance uint64
	entries  int
}

// saw takes a caller's answer that shows what has been executed somewhere.
func (c *readCheck) saw(s sight) {
	c.seen.instance, c.seen.entries = max(c.seen.instance, s.instance), max(c.seen.entries, s.entries)
}

// ended takes the end of a read at a node that could see what at says; from is
// what had been seen when it began, point the instance that it answers.
func (c *readCheck) ended(node int, how string, from sight, point uint64, at sight) {
	switch {
	case at.entries < from.entries || point < from.instance:
		c.r.fail("reads see what was acknowledged", "group %d: a %s at node %d is of instance %d and %d entries; %d and %d had been seen before it began",
			c.group, how, node, point, at.entries, from.instance, from.entries)
	case at.instance < point:
		c.r.fail("reads are executed as far as they say", "group %d: a %s at node %d says %d, the node has only executed up to %d",
			c.group, how, node, point, at.instance)
	}
	c.saw(at)
}
