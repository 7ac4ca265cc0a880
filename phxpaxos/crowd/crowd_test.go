package crowd

import (
	"math"
	"testing"
)

func TestGatherGoesOnWhileMoreComes(t *testing.T) {
	for name, test := range map[string]struct {
		waiting []int // after each turn of the others
		enough  int
		turns   int
	}{
		"nobody":         {[]int{0, 0, 0}, 10, 2},
		"no more":        {[]int{3, 3, 9}, 10, 2},
		"more each time": {[]int{1, 2, 5, 5, 9}, 10, 4},
		"enough":         {[]int{1, 10, 11}, 10, 2},
		"enough at once": {[]int{12, 13}, 10, 1},
		"fewer":          {[]int{5, 4, 9}, 10, 2},
	} {
		turns := 0
		gather(func() int { return test.waiting[turns-1] }, test.enough, func() { turns++ })
		if turns != test.turns {
			t.Errorf("%s: others went first %d times, want %d", name, turns, test.turns)
		}
	}
	turns := 0
	gather(func() int { return turns }, math.MaxInt, func() { turns++ })
	if turns != turnsMax {
		t.Errorf("without an end: %d turns, want %d", turns, turnsMax)
	}
}

// A round of a crowd is remembered, and forgotten when only small ones follow.
func TestCrowd(t *testing.T) {
	var c Crowd
	if c.Took(atLeast - 1); c.Here() {
		t.Error("two are no crowd")
	}
	c.Took(atLeast)
	for i := range lasts - 1 {
		if c.Took(1); !c.Here() {
			t.Fatalf("forgotten after %d small rounds", i+1)
		}
	}
	if c.Took(1); c.Here() {
		t.Error("never forgotten")
	}
}
