package memfs

import "math/rand/v2"

// Policy says what a loss of power leaves of what was not synced.
type Policy uint8

const (
	LoseAll Policy = iota // nothing
	KeepAll               // everything
	Mixed                 // of each change what chance decides; see the package's comment
	InOrder               // up to one point in each file everything, behind it nothing
)

// Policies is how many policies there are; a Policy is less than it.
const Policies = 4

const sector = 512

// Crash cuts the power and restores it: locks are free, and of what was not
// synced remains what p and r decide. Only Mixed and InOrder use r. What the
// next process sees is returned; s and its files are dead, so that nothing
// of the old process still running in the background does harm.
func (s *FS) Crash(p Policy, r *rand.Rand) *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashNode(s.root, p, r, map[*node]bool{})
	return s.next()
}

// Kill ends the process: locks are free, and nothing else changes. What was
// not synced is still not synced. The next process's view is returned, as by
// Crash.
func (s *FS) Kill() *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next()
}

func (d *disk) next() *FS {
	d.lives++
	d.locked = map[*node]bool{}
	d.faults.countdown, d.faults.counting = 0, false
	return &FS{disk: d, life: d.lives}
}

// crashNode visits the nodes in the order of their names, so that chance is
// drawn in the same order in every run.
func (s *disk) crashNode(n *node, p Policy, r *rand.Rand, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	if !n.dir {
		n.crash(p, r)
		return
	}
	kept := 0
	switch p {
	case KeepAll:
		kept = len(n.moves)
	case Mixed, InOrder:
		if len(n.moves) > 0 {
			kept = r.IntN(len(n.moves) + 1)
		}
	}
	n.moves = n.moves[:kept]
	n.syncNames()
	n.names = map[string]*node{}
	for _, base := range sorted(n.onDisk) {
		n.names[base] = n.onDisk[base]
		s.crashNode(n.onDisk[base], p, r, seen)
	}
}

func (n *node) crash(p Policy, r *rand.Rand) {
	switch {
	case p == KeepAll:
		n.sync()
	case p == InOrder && len(n.pending) > 0:
		point := r.IntN(len(n.pending) + 1)
		for _, ch := range n.pending[:point] {
			n.disk.apply(ch)
		}
		if point < len(n.pending) {
			n.keepSome(n.pending[point], r)
		}
	case p == Mixed:
		for _, ch := range n.pending {
			n.keepSome(ch, r)
		}
	}
	n.pending, n.lost = nil, nil
	n.cache = n.disk.clone()
}

// keepSome puts on disk what chance leaves of one change.
func (n *node) keepSome(ch change, r *rand.Rand) {
	fate := r.IntN(4)
	switch {
	case fate == 0:
		return
	case fate == 1 || ch.truncate || len(ch.data) == 0:
		n.disk.apply(ch)
	case fate == 2:
		n.disk.apply(change{off: ch.off, data: ch.data[:r.IntN(len(ch.data))]})
	default:
		for from := int64(0); from < int64(len(ch.data)); {
			to := min((ch.off+from)/sector*sector+sector-ch.off, int64(len(ch.data)))
			if r.IntN(2) == 0 {
				n.disk.apply(change{off: ch.off + from, data: ch.data[from:to]})
			}
			from = to
		}
	}
}
