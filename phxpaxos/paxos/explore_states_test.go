package paxos

import "math/bits"

// exploreStates is the set of states that were visited, in the order in which
// they were found, each with the one that it was found from. A state is a few
// numbers, kept as they are: there is no hash that could collide. It takes
// 4*(nodes+1) bytes per state and at most 16 for the table.
type exploreStates struct {
	nodes  int
	count  uint32
	chunks [][]uint32
	table  []uint32 // place+1 in the low bits, some bits of the hash above; 0 is free
}

const (
	stateChunk     = 1 << 18
	statePlaceBits = 28
	statePlaceMask = 1<<statePlaceBits - 1
)

func newExploreStates(nodes int) *exploreStates {
	return &exploreStates{nodes: nodes, table: make([]uint32, 1<<16)}
}

func (s *exploreStates) row(at uint32) []uint32 {
	width := s.nodes + 1
	from := int(at%stateChunk) * width
	return s.chunks[at/stateChunk][from : from+width]
}

func (s *exploreStates) get(at uint32, state []uint32) { copy(state, s.row(at)) }

func (s *exploreStates) parent(at uint32) uint32 { return s.row(at)[s.nodes] }

func hashState(state []uint32) uint64 {
	h := uint64(0x9E3779B97F4A7C15)
	for _, v := range state {
		hi, lo := bits.Mul64(h^uint64(v), 0xD6E8FEB86659FD93)
		h = hi ^ lo ^ h<<7
	}
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	return h ^ h>>29
}

// add returns the place of a state and whether it is new.
func (s *exploreStates) add(state []uint32, parent uint32) (place uint32, isNew bool) {
	if int(s.count) >= len(s.table)/8*5 {
		s.grow()
	}
	h := hashState(state)
	tag := uint32(h>>32) &^ statePlaceMask
	mask := uint64(len(s.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		t := s.table[i]
		if t == 0 {
			s.table[i] = s.push(state, parent) | tag
			return s.count - 1, true
		}
		if t&^statePlaceMask == tag && s.same(t&statePlaceMask-1, state) {
			return t&statePlaceMask - 1, false
		}
	}
}

// push appends a state and returns its place plus one.
func (s *exploreStates) push(state []uint32, parent uint32) uint32 {
	if s.count%stateChunk == 0 {
		s.chunks = append(s.chunks, make([]uint32, stateChunk*(s.nodes+1)))
	}
	row := s.row(s.count)
	copy(row, state)
	row[s.nodes] = parent
	s.count++
	if s.count == statePlaceMask {
		panic("explore: too many states")
	}
	return s.count
}

func (s *exploreStates) same(at uint32, state []uint32) bool {
	for i, v := range s.row(at)[:s.nodes] {
		if v != state[i] {
			return false
		}
	}
	return true
}

// grow doubles the table. The hash of every state is computed again.
func (s *exploreStates) grow() {
	s.table = make([]uint32, 2*len(s.table))
	mask := uint64(len(s.table) - 1)
	for at := range s.count {
		h := hashState(s.row(at)[:s.nodes])
		i := h & mask
		for s.table[i] != 0 {
			i = (i + 1) & mask
		}
		s.table[i] = (at + 1) | uint32(h>>32)&^statePlaceMask
	}
}
