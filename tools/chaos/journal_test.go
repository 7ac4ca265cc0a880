package main

import (
	"strings"
	"testing"
)

func at(instance uint64, index int) position { return position{0, instance, index} }

func valueKey(seq uint32) key { return key{Node: 1, Client: 2, Life: 3, Seq: seq} }

func value(instance uint64, index int, seq uint32) chosen {
	return chosen{Instance: instance, Index: index, Key: valueKey(seq), Hash: uint64(seq) * 77, Intact: true}
}

// Each case is a story that ends in exactly one kind of verdict; "" is a
// clean one.
func TestJournalJudges(t *testing.T) {
	acked := func(j *journal, seq uint32, p position) {
		j.told(0, &report{Acks: []ack{{valueKey(seq), p}}})
	}
	refused := func(j *journal, seq uint32) { j.told(0, &report{Refused: []key{valueKey(seq)}}) }
	log := func(values ...chosen) []chosen { return values }
	history := chain(chain(0, 0, 0, 77), 1, 0, 2*77)
	tests := []struct {
		name  string
		story func(j *journal)
		want  string
	}{
		{"acknowledged, then read", func(j *journal) {
			acked(j, 1, at(0, 0))
			acked(j, 2, at(0, 1))
			j.judge(0, 1, log(value(0, 0, 1), value(0, 1, 2)))
		}, ""},
		{"read, then acknowledged", func(j *journal) {
			j.judge(0, 1, log(value(0, 0, 1)))
			acked(j, 1, at(0, 0))
		}, ""},
		{"chosen with unknown outcome", func(j *journal) {
			j.judge(0, 1, log(value(0, 0, 1)))
		}, ""},
		{"refused and not there", func(j *journal) {
			refused(j, 1)
			j.judge(0, 1, log(value(0, 0, 2)))
		}, ""},
		{"lost", func(j *journal) {
			acked(j, 1, at(0, 0))
			j.judge(0, 1, log(value(0, 0, 2)))
		}, "lost"},
		{"acknowledged where another value is", func(j *journal) {
			j.judge(0, 1, log(value(0, 0, 2)))
			acked(j, 1, at(0, 0))
		}, "lost"},
		{"other instance", func(j *journal) {
			acked(j, 1, at(1, 0))
			j.judge(0, 2, log(value(0, 0, 1), value(1, 0, 2)))
		}, "acknowledged at"},
		{"other index, told late", func(j *journal) {
			j.judge(0, 1, log(value(0, 0, 1), value(0, 1, 2)))
			acked(j, 1, at(0, 1))
		}, "acknowledged at"},
		{"twice in a stretch", func(j *journal) {
			j.judge(0, 2, log(value(0, 0, 1), value(1, 0, 1)))
		}, "chosen twice"},
		{"twice in two stretches", func(j *journal) {
			acked(j, 1, at(0, 0))
			j.judge(0, 1, log(value(0, 0, 1)))
			j.judge(0, 2, log(value(1, 0, 1)))
		}, "chosen twice"},
		{"refused, then chosen", func(j *journal) {
			refused(j, 1)
			j.judge(0, 1, log(value(0, 0, 1)))
		}, "was refused"},
		{"chosen, then refused", func(j *journal) {
			j.judge(0, 1, log(value(0, 0, 1)))
			refused(j, 1)
		}, "was refused"},
		{"damaged", func(j *journal) {
			v := value(0, 0, 1)
			v.Intact = false
			j.judge(0, 1, log(v))
		}, "damaged"},
		{"hole in an instance", func(j *journal) {
			j.judge(0, 1, log(value(0, 0, 1), value(0, 2, 2)))
		}, "out of order"},
		{"marks agree with each other and the log", func(j *journal) {
			j.told(0, &report{Marks: []mark{{0, 1, history}}})
			j.told(1, &report{Marks: []mark{{0, 1, history}}})
			j.judge(0, 2, log(value(0, 0, 1), value(1, 0, 2)))
		}, ""},
		{"marks of two nodes differ", func(j *journal) {
			j.told(0, &report{Marks: []mark{{0, 1, history}}})
			j.told(1, &report{Marks: []mark{{0, 1, history + 1}}})
		}, "executed order"},
		{"marks and log differ", func(j *journal) {
			j.told(0, &report{Marks: []mark{{0, 1, history}}})
			j.judge(0, 2, log(value(0, 0, 2), value(1, 0, 1)))
		}, "executed order"},
		{"a node complains", func(j *journal) {
			j.told(1, &report{Failed: "group has stopped"})
		}, "group has stopped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := newJournal(3, 1)
			tt.story(j)
			got := strings.Join(j.violations, "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("verdict %q, want %q", got, tt.want)
			}
		})
	}
}

func TestJournalKnowsWhatIsStillOpen(t *testing.T) {
	j := newJournal(3, 1)
	j.told(2, &report{Acks: []ack{{valueKey(1), at(5, 0)}}, Unknown: 2})
	if j.open() != 1 {
		t.Errorf("%d open, want 1", j.open())
	}
	j.judge(0, 5, nil)
	if counts, by, violated := j.snapshot(); counts.Acked != 1 || counts.Unknown != 2 || by[2] != 1 || violated != 0 {
		t.Errorf("snapshot %+v, by node %d, %d violations", counts, by, violated)
	}
	j.judge(0, 6, []chosen{value(5, 0, 1)})
	if j.open() != 0 {
		t.Errorf("%d open, want 0", j.open())
	}
}

func TestBits(t *testing.T) {
	var b bits
	for _, n := range []uint32{0, 63, 64, 1000} {
		if b.has(n) {
			t.Errorf("%d is there before it was added", n)
		}
		if b = b.with(n); !b.has(n) || b.has(n+1) {
			t.Errorf("adding %d", n)
		}
	}
}
