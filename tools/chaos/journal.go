package main

import (
	"fmt"
	"sync"
)

// violationsMax is how many violations are described; one is enough to fail,
// and a broken cluster shows thousands.
const violationsMax = 20

// journal remembers what the clients were told and judges what the log says.
// Only what reached the parent counts as told. It is safe for concurrent use.
//
// Its invariant: behind judged[g], every acknowledged value of group g has
// been met in the log and left pending, and every value of the log that was
// met has its bit in seen.
type journal struct {
	mu      sync.Mutex
	pending map[key]position // acknowledged, and not met in the log yet
	early   map[key]position // met in the log, and not acknowledged yet
	seen    map[stream]bits  // met in the log
	refused map[stream]bits  // a client was told that it is not chosen
	marks   map[place]uint64 // of state machines, by what the first one said
	history []uint64         // by group: chain of what was judged
	judged  []uint64         // by group: all instances below were judged
	ackedBy []uint64         // by node: acknowledged values

	counts     counts
	violations []string
	violated   int
}

// counts is what the summary tells.
type counts struct {
	Acked, Chosen, Refused, Unknown, Marks, Named uint64
}

// stream is one client in one life of its node; it numbers its values.
type stream struct {
	Node, Client uint16
	Life         uint32
}

// place is an instance of a group.
type place struct {
	Group    int
	Instance uint64
}

func newJournal(nodes, groups int) *journal {
	return &journal{
		pending: make(map[key]position), early: make(map[key]position),
		seen: make(map[stream]bits), refused: make(map[stream]bits),
		marks: make(map[place]uint64), history: make([]uint64, groups), judged: make([]uint64, groups),
		ackedBy: make([]uint64, nodes),
	}
}

func (k key) stream() stream { return stream{k.Node, k.Client, k.Life} }

// violate notes a violation. The caller holds the lock.
func (j *journal) violate(format string, args ...any) {
	j.violated++
	if len(j.violations) < violationsMax {
		j.violations = append(j.violations, fmt.Sprintf(format, args...))
	}
}

// Violate notes a violation that somebody else found.
func (j *journal) Violate(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.violate(format, args...)
}

// told takes in what a child of a node reports about its clients and its
// state machine.
func (j *journal) told(node int, r *report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range r.Acks {
		j.acked(a)
	}
	for _, k := range r.Refused {
		j.wasRefused(k)
	}
	for _, m := range r.Marks {
		j.marked(node, m)
	}
	j.ackedBy[node] += uint64(len(r.Acks))
	j.counts.Unknown += uint64(r.Unknown)
	j.counts.Named += uint64(r.Named)
	if r.Failed != "" {
		j.violate("node %d: %s", node, r.Failed)
	}
}

func (j *journal) acked(a ack) {
	j.counts.Acked++
	if at, ok := j.early[a.Key]; ok {
		delete(j.early, a.Key)
		if at != a.At {
			j.violate("value %+v was acknowledged at %+v and is in the log at %+v", a.Key, a.At, at)
		}
		return
	}
	if a.At.Group < 0 || a.At.Group >= len(j.judged) {
		j.violate("value %+v was acknowledged in group %d", a.Key, a.At.Group)
		return
	}
	if a.At.Instance < j.judged[a.At.Group] {
		j.violate("lost: value %+v was acknowledged at %+v, where the log has another one", a.Key, a.At)
		return
	}
	j.pending[a.Key] = a.At
}

func (j *journal) wasRefused(k key) {
	j.counts.Refused++
	if j.seen[k.stream()].has(k.Seq) {
		j.violate("value %+v was refused and is in the log at %+v", k, j.early[k])
	}
	j.refused[k.stream()] = j.refused[k.stream()].with(k.Seq)
}

func (j *journal) marked(node int, m mark) {
	j.counts.Marks++
	at := place{m.Group, m.Instance}
	if first, ok := j.marks[at]; ok && first != m.Chain {
		j.violate("executed order: node %d is at %016x behind %+v, others are at %016x", node, m.Chain, at, first)
		return
	}
	j.marks[at] = m.Chain
}

// judge takes in the log of a group from judged[group] on, as all nodes have
// it, up to the instance to.
func (j *journal) judge(group int, to uint64, values []chosen) {
	j.mu.Lock()
	defer j.mu.Unlock()
	index, last := 0, ^uint64(0)
	for i, v := range values {
		if v.Instance != last {
			index, last = 0, v.Instance
		}
		if v.Instance < j.judged[group] || v.Instance >= to || v.Index != index {
			j.violate("log of group %d: instance %d index %d is out of order", group, v.Instance, v.Index)
		}
		index++
		j.met(group, v)
		j.history[group] = chain(j.history[group], v.Instance, v.Index, v.Hash)
		if i+1 == len(values) || values[i+1].Instance != v.Instance {
			j.compareMark(place{group, v.Instance})
		}
	}
	j.judged[group] = to
	for k, at := range j.pending {
		if at.Group == group && at.Instance < to {
			j.violate("lost: value %+v was acknowledged at %+v and is not there", k, at)
			delete(j.pending, k)
		}
	}
}

// met takes in one value of the log.
func (j *journal) met(group int, v chosen) {
	j.counts.Chosen++
	at := position{group, v.Instance, v.Index}
	if !v.Intact {
		j.violate("damaged: the value at %+v is not what was proposed as %+v", at, v.Key)
		return
	}
	s := v.Key.stream()
	if j.seen[s].has(v.Key.Seq) {
		j.violate("chosen twice: value %+v is at %+v and at an earlier place", v.Key, at)
		return
	}
	j.seen[s] = j.seen[s].with(v.Key.Seq)
	if j.refused[s].has(v.Key.Seq) {
		j.violate("value %+v was refused and is in the log at %+v", v.Key, at)
	}
	told, ok := j.pending[v.Key]
	if !ok {
		j.early[v.Key] = at
		return
	}
	delete(j.pending, v.Key)
	if told != at {
		j.violate("value %+v was acknowledged at %+v and is in the log at %+v", v.Key, told, at)
	}
}

// compareMark compares what the state machines said behind an instance with
// the history of the log.
func (j *journal) compareMark(at place) {
	if m, ok := j.marks[at]; ok && m != j.history[at.Group] {
		j.violate("executed order: state machines are at %016x behind %+v, the log is at %016x", m, at, j.history[at.Group])
	}
}

// snapshot returns the counts, the acknowledged values of each node and how
// many violations there were.
func (j *journal) snapshot() (c counts, acked []uint64, violated int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts, append([]uint64(nil), j.ackedBy...), j.violated
}

// open returns how many acknowledged values have not been met in the log.
func (j *journal) open() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.pending)
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(n uint32) bool {
	return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0
}

// with returns the set with n in it.
func (b bits) with(n uint32) bits {
	for int(n/64) >= len(b) {
		b = append(b, 0)
	}
	b[n/64] |= 1 << (n % 64)
	return b
}
