package sharedlog

import (
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// apply takes a record into the index in memory, in the order of the log. The
// caller holds mu. The payload of a variable belongs to the store from then
// on; damage is not nil if it is not whole.
func (s *Store) apply(seg *segment, h *Header, offset int64, payload []byte, damage error) {
	if h.Kind == Oldest {
		seg.oldest = max(seg.oldest, h.Instance)
	}
	if !h.Kind.ofGroup() {
		return
	}
	g := s.groups[h.Group]
	t := g.tallyIn(seg)
	t.add(seg.seq, h, offset, payload, damage)
	g.number, g.lastAt = h.Number, offset
	g.lastIn = seg.seq
	m := markOf(h, payload)
	if m.exact || m.hasNewest && g.mark.hasNewest && m.newest >= g.mark.newest {
		g.at = seg.seq
	}
	g.mark = g.mark.then(m)
	switch h.Kind {
	case Record:
		g.floor = min(g.floor, h.Instance)
		g.count(seg, t)
	case Copy, Drop:
		g.count(seg, t)
	case Variable:
		s.setVariable(g, storage.Variable(h.Instance), t.vars[h.Instance])
	case Clear:
		g.void()
		g.floor = 0
		s.setVariable(g, storage.MinChosen, variable{})
	case Newest:
		g.void()
	}
}

// tallyIn returns what the group has in a segment whose tallies are in
// memory.
func (g *groupLog) tallyIn(seg *segment) *tally {
	if n := len(g.spans); n > 0 && g.spans[n-1].seg == seg {
		return g.spans[n-1].t
	}
	t := seg.tallies[uint32(g.id)]
	if t == nil {
		t = &tally{}
		seg.tallies[uint32(g.id)] = t
	}
	return t
}

// count brings the group's span in a segment up to date.
func (g *groupLog) count(seg *segment, t *tally) {
	n := len(g.spans)
	if n == 0 || g.spans[n-1].seg != seg {
		g.spans = append(g.spans, span{seg: seg, t: t})
		n++
	}
	sp := &g.spans[n-1]
	before := sp.bytes
	sp.refresh()
	seg.live += sp.bytes - before
}

// void forgets all records.
func (g *groupLog) void() {
	for i := range g.spans {
		g.spans[i].seg.live -= g.spans[i].bytes
	}
	g.spans = nil
}

// setVariable replaces a variable. What it was is not needed any more in its
// segment.
func (s *Store) setVariable(g *groupLog, name storage.Variable, v variable) {
	old := &g.vars[name]
	if old.some {
		if seg := s.segment(old.seg); seg != nil {
			seg.live -= old.bytes
		}
	}
	if v.some {
		if seg := s.segment(v.seg); seg != nil {
			seg.live += v.bytes
		}
	}
	*old = v
}

// segment returns the segment with a number, nil if it is not there. The
// caller holds mu.
func (s *Store) segment(seq uint64) *segment {
	if len(s.segs) == 0 || seq < s.segs[0].seq || seq-s.segs[0].seq >= uint64(len(s.segs)) {
		return nil
	}
	return s.segs[seq-s.segs[0].seq]
}

// forget lets go of the spans that lie below the floor. The segment that is
// written keeps its span.
func (g *groupLog) forget(active *segment) {
	dead := func(sp span) bool { return sp.seg != active && sp.max < g.floor }
	if !slices.ContainsFunc(g.spans, dead) {
		return
	}
	g.spans = slices.DeleteFunc(g.spans, func(sp span) bool {
		if dead(sp) {
			sp.seg.live -= sp.bytes
			return true
		}
		return false
	})
}

// take merges what an index file says about a group. The caller holds mu.
func (s *Store) take(seg *segment, r *row) {
	g := s.groups[r.group]
	t := &r.t
	if t.voided {
		g.void()
	}
	if t.cleared {
		s.setVariable(g, storage.MinChosen, variable{})
	}
	if t.mark.exact || t.mark.hasNewest && g.mark.hasNewest && t.mark.newest >= g.mark.newest {
		g.at = seg.seq
	}
	g.mark = g.mark.then(t.mark)
	for name := range t.vars {
		if t.vars[name].some {
			s.setVariable(g, storage.Variable(name), t.vars[name])
		}
	}
	if r.count > 0 {
		g.spans = append(g.spans, span{
			seg: seg, min: r.min, max: r.max, start: r.start, count: r.count, bytes: t.bytes,
		})
		seg.live += t.bytes
	}
	g.number, g.lastIn, g.lastAt = t.last, seg.seq, seg.end
}
