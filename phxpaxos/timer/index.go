package timer

import "math/bits"

// index maps timer ids to their places in the heap: a hash table with open
// addressing and linear probing.
//
// Go's map would do, but it may allocate again after many insertions and
// deletions even if its size never changes, and arming and disarming timers is
// all that a group does with them. Deleting shifts the following slots back,
// so there are no tombstones and nothing to clean up.
//
// Invariants: len(slots) is 0 or a power of two, at most half of the slots
// are used, and no slot between an id's home and its place is empty.
type index struct {
	slots []slot
	shift uint // 64 - log2(len(slots))
	used  int
}

// slot is empty when its id is 0, which is no timer's id.
type slot struct {
	id  uint64
	pos int
}

const slotsMin = 16 // a group arms a handful of timers

// home is the slot at which the search for id begins. Multiplying by 2^64
// divided by the golden ratio spreads consecutive ids evenly.
func (x *index) home(id uint64) int { return int(id * 0x9E3779B97F4A7C15 >> x.shift) }

// find returns the slot of id, or the empty slot where it would go.
func (x *index) find(id uint64) int {
	mask := len(x.slots) - 1
	i := x.home(id)
	for x.slots[i].id != id && x.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	return i
}

// reserve makes room for n ids.
func (x *index) reserve(n int) {
	if 2*n <= len(x.slots) {
		return
	}
	old := x.slots
	size := max(slotsMin, 2*len(old))
	for size < 2*n {
		size *= 2
	}
	x.slots = make([]slot, size)
	x.shift = uint(64 - bits.TrailingZeros(uint(size)))
	for _, s := range old {
		if s.id != 0 {
			x.slots[x.find(s.id)] = s
		}
	}
}

// get returns the place of id.
func (x *index) get(id uint64) (pos int, ok bool) {
	if id == 0 || x.used == 0 {
		return 0, false
	}
	s := x.slots[x.find(id)]
	return s.pos, s.id == id
}

// set stores the place of id. Room must have been reserved.
func (x *index) set(id uint64, pos int) {
	i := x.find(id)
	if x.slots[i].id == 0 {
		x.used++
	}
	x.slots[i] = slot{id: id, pos: pos}
}

// remove forgets id, which must be present.
func (x *index) remove(id uint64) {
	mask := len(x.slots) - 1
	gap := x.find(id)
	x.used--
	for i := (gap + 1) & mask; x.slots[i].id != 0; i = (i + 1) & mask {
		// The slot may fill the gap unless its home lies behind the gap: then
		// a search for it would not pass there.
		fromHome := (i - x.home(x.slots[i].id)) & mask
		fromGap := (i - gap) & mask
		if fromHome >= fromGap {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = slot{}
}

// clear forgets every id.
func (x *index) clear() {
	clear(x.slots)
	x.used = 0
}
