package sharedlog

import (
	"slices"
	"sort"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

// variables is how many there are.
const variables = uint64(storage.MasterVariables) + 1

// entry says where the newest record of an instance in a segment is.
type entry struct {
	instance uint64
	at       uint32 // offset of its header / alignment
	length   uint32 // of the payload; gone for none
}

const gone = ^uint32(0) // the length of an entry for a dropped instance

func (e entry) offset() int64 { return int64(e.at) * alignment }

// bytes is what the record takes in the segment.
func (e entry) bytes() int64 {
	if e.length == gone {
		return headBytes + padded(dropBytes)
	}
	return headBytes + padded(int64(e.length))
}

// mark is where a group stands. When exact, it holds whatever was before;
// else it is a lower bound.
type mark struct {
	exact             bool
	newest, max       uint64
	hasNewest, hasMax bool
	dropped           bool // a Drop says so: the highest record may be trimmed since
}

// then returns the mark after what b says.
func (a mark) then(b mark) mark {
	if b.exact {
		return b
	}
	if b.hasNewest && (!a.hasNewest || b.newest > a.newest) {
		a.newest, a.hasNewest = b.newest, true
	}
	if b.hasMax && (!a.hasMax || b.max > a.max) {
		a.max, a.hasMax = b.max, true
	}
	return a
}

// markOf is what one record says about where its group stands.
func markOf(h *Header, payload []byte) mark {
	m := mark{exact: true, newest: h.Instance, hasNewest: true}
	switch h.Kind {
	case Record, Copy:
		m.max, m.hasMax = h.Instance, true
		m.exact = h.Kind == Record
	case Clear:
		m = mark{exact: true}
	case Drop:
		d := decodeDropped(payload)
		m = mark{exact: true, newest: d.newest, hasNewest: d.hasNewest, max: d.max, hasMax: d.hasMax, dropped: true}
	case Newest:
	default:
		m = mark{}
	}
	return m
}

// variable is a value of a group and where its record is.
type variable struct {
	value []byte
	some  bool
	seg   uint64
	bytes int64 // of the record
	err   error // the record is damaged
}

// tally is what a run of records of one segment does to one group.
type tally struct {
	mark    mark
	voided  bool // records of earlier segments are void
	cleared bool // MinChosen too
	first   uint32
	last    uint32 // Header.Number
	bytes   int64  // of the records in puts and copies
	puts    []entry
	copies  []entry // apart, since they are out of order
	vars    [variables]variable
}

// add counts a record; damage is not nil if its payload is not whole.
func (t *tally) add(seg uint64, h *Header, offset int64, payload []byte, damage error) {
	if t.first == 0 && t.last == 0 {
		t.first = h.Number
	}
	t.last = h.Number
	t.mark = t.mark.then(markOf(h, payload))
	e := entry{instance: h.Instance, at: uint32(offset / alignment), length: h.Length}
	switch h.Kind {
	case Record:
		t.put(&t.puts, e)
	case Copy:
		t.put(&t.copies, e)
	case Drop:
		e.length = gone
		t.put(&t.puts, e)
	case Variable:
		t.vars[h.Instance] = variable{value: payload, some: true, seg: seg, bytes: h.size(), err: damage}
	case Clear:
		t.void()
		t.cleared = true
		t.vars[storage.MinChosen] = variable{}
	case Newest:
		t.void()
	}
}

func (t *tally) void() {
	t.voided = true
	t.bytes = 0
	t.puts, t.copies = nil, nil
}

// put adds an entry to a list that is sorted by instance, mostly at its end.
func (t *tally) put(list *[]entry, e entry) {
	l := *list
	t.bytes += e.bytes()
	if n := len(l); n == 0 || l[n-1].instance < e.instance {
		*list = append(l, e)
		return
	}
	i := lowest(l, e.instance)
	if l[i].instance == e.instance {
		t.bytes -= l[i].bytes()
		l[i] = e
		return
	}
	*list = slices.Insert(l, i, e)
}

// lowest returns the index of the first entry that is not below an instance.
func lowest(l []entry, instance uint64) int {
	if n := len(l); n > 0 && instance >= l[0].instance {
		if i := instance - l[0].instance; i < uint64(n) && l[i].instance == instance {
			return int(i) // nothing is missing in front, as is usual
		}
	}
	return sort.Search(len(l), func(i int) bool { return l[i].instance >= instance })
}

// find returns the newest entry of an instance.
func (t *tally) find(instance uint64) (e entry, ok bool) {
	for _, l := range [...][]entry{t.puts, t.copies} {
		i := lowest(l, instance)
		if i < len(l) && l[i].instance == instance && (!ok || l[i].at > e.at) {
			e, ok = l[i], true
		}
	}
	return e, ok
}

func (t *tally) count() int { return len(t.puts) + len(t.copies) }

// merged returns all entries sorted by instance, the newest of each.
func (t *tally) merged() []entry {
	if len(t.copies) == 0 {
		return t.puts
	}
	all := slices.Concat(t.puts, t.copies)
	slices.SortFunc(all, func(a, b entry) int {
		switch {
		case a.instance != b.instance:
			return sign(a.instance < b.instance)
		default:
			return sign(a.at > b.at)
		}
	})
	return slices.CompactFunc(all, func(a, b entry) bool { return a.instance == b.instance })
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// span is part of a group's log: its records in one segment. The entries are
// in memory (t) until the segment's index file is written, and there
// afterwards.
type span struct {
	seg      *segment
	t        *tally
	min, max uint64
	start    uint32 // first entry in the index file
	count    uint32
	bytes    int64
}

// holds reports whether an entry of the instance may be in the span.
func (sp *span) holds(instance uint64) bool {
	return sp.count > 0 && sp.min <= instance && instance <= sp.max
}

// refresh takes over what t says.
func (sp *span) refresh() {
	t := sp.t
	sp.count, sp.bytes = uint32(t.count()), t.bytes
	first := true
	for _, l := range [...][]entry{t.puts, t.copies} {
		if len(l) == 0 {
			continue
		}
		lo, hi := l[0].instance, l[len(l)-1].instance
		if first {
			sp.min, sp.max, first = lo, hi, false
		}
		sp.min, sp.max = min(sp.min, lo), max(sp.max, hi)
	}
}
