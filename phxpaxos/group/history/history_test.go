package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// points are the hashes 1, 2, … of a history that is told by letters: equal
// letters up to an instance are an equal history. A dot is not known.
func points(s string) (out []Point) {
	hash := uint64(1)
	for i, c := range s {
		hash = hash*31 + uint64(c)
		if c != '.' {
			out = append(out, Point{uint64(i), hash})
		}
	}
	return out
}

// others are members by their histories; "?" has not answered.
func others(s ...string) (out []Member) {
	for _, m := range s {
		if m == "?" {
			out = append(out, Member{})
		} else {
			out = append(out, Member{true, points(m)})
		}
	}
	return out
}

func TestDecide(t *testing.T) {
	const unknown = "..."
	for _, test := range []struct {
		name    string
		own     string
		others  []Member
		expired bool
		want    Verdict
	}{
		{"all agree", "aaa", others("aaa", "aaa"), false, Verdict{Outcome: GoOn}},
		{"a majority agrees, one has not answered", "aaa", others("aaa", "?"), false, Verdict{Outcome: GoOn}},
		{"nobody has answered", "aaa", others("?", "?"), false, Verdict{Outcome: Wait}},
		{"nobody has answered in time", "aaa", others("?", "?"), true, Verdict{Outcome: GoOn}},
		{"nobody knows", "aaa", others(unknown, unknown), false, Verdict{Outcome: GoOn}},
		{"one is outside", "aaa", others("aaa", "aba"), false, Verdict{Outcome: GoOn, Outside: []int{1}}},
		{"this one is outside", "aba", others("aaa", "aaa"), false, Verdict{Outcome: Outvoted, Instance: 1}},
		{"this one is outside and lags", "ab", others("aaa", "aaa"), false, Verdict{Outcome: Outvoted, Instance: 1}},
		{"this one does not know", "...", others("aaa", "aab"), true, Verdict{Outcome: Split, Instance: 2}},
		{"this one lags, a majority goes on", "a", others("aaa", "aaa", "aab", "aaa"), false, Verdict{Outcome: GoOn, Outside: []int{2}}},
		{"an answer is missing", "aaa", others("aba", "?"), false, Verdict{Outcome: Wait}},
		{"it stays away", "aaa", others("aba", "?"), true, Verdict{Outcome: Split, Instance: 1}},
		{"it does not know", "aaa", others("aba", unknown), false, Verdict{Outcome: Split, Instance: 1}},
		{"two nodes", "aaa", others("aab"), false, Verdict{Outcome: Split, Instance: 2}},
		{"three histories", "aaa", others("aba", "aca"), false, Verdict{Outcome: Split, Instance: 1}},
		{"four nodes, two and two", "aaa", others("aaa", "aba", "aba"), false, Verdict{Outcome: Split, Instance: 1}},
		{"no answer can help any more", "aaaa", others("abaa", "acaa", "adaa", "?"), false, Verdict{Outcome: Split, Instance: 1}},
		{"outside at different instances", "aaa", others("aaa", "aab", "aba", "aaa"), false, Verdict{Outcome: GoOn, Outside: []int{2, 1}}},
		{"outside later than another", "aab", others("aaa", "aaa", "aba", "aaa"), false, Verdict{Outcome: Outvoted, Instance: 2, Outside: []int{2}}},
		{"too few are left", "aab", others("aaa", "aac", "aba", "aaa"), false, Verdict{Outcome: Split, Instance: 2, Outside: []int{2}}},
	} {
		c := Comparison{Own: points(test.own), Votes: true, Others: test.others, Quorum: (len(test.others)+1)/2 + 1, At: 2, Expired: test.expired}
		got := Decide(c)
		if got.Outcome != test.want.Outcome || got.Instance != test.want.Instance || !slices.Equal(got.Outside, test.want.Outside) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// A node that only follows counts for nobody, and is bound by the majority.
func TestDecideOfAFollower(t *testing.T) {
	for own, want := range map[string]Outcome{"aaa": GoOn, "aba": Outvoted} {
		if got := Decide(Comparison{Own: points(own), Others: others("aaa", "aaa", "?"), Quorum: 2, At: 2}); got.Outcome != want {
			t.Errorf("%s: %+v", own, got)
		}
	}
	if got := Decide(Comparison{Own: points("aba"), Others: others("aaa", "?", "?"), Quorum: 2, At: 2}); got.Outcome != Wait {
		t.Errorf("one member alone: %+v", got)
	}
}

// Every input has exactly one outcome, the conditions of the table in Decide's
// comment are exclusive and complete, and the nodes agree: whenever all see the
// same statements, those that go on have one history, and if any is outvoted, a
// majority goes on.
func TestDecideIsCompleteAndConsistent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	seen := map[Outcome]int{}
	for range 20000 {
		n := 1 + r.IntN(5)
		all := make([]string, n)
		for i := range all {
			for range 4 {
				all[i] += string("aaaaab."[r.IntN(7)])
			}
			all[i] = all[i][:r.IntN(5)]
		}
		c := func(i int) Comparison {
			rest := slices.Concat(all[:i], all[i+1:])
			return Comparison{Own: points(all[i]), Votes: true, Others: others(rest...), Quorum: n/2 + 1, At: uint64(r.IntN(4)), Expired: r.IntN(2) == 0}
		}
		verdicts := make([]Verdict, n)
		goOn, outvoted := 0, 0
		for i := range all {
			verdicts[i] = Decide(c(i))
			seen[verdicts[i].Outcome]++
			switch verdicts[i].Outcome {
			case GoOn:
				goOn++
			case Outvoted:
				outvoted++
			case Wait:
				t.Fatalf("%q: all have answered, %d waits", all, i)
			}
		}
		if outvoted > 0 && goOn == 0 && !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Outcome == Split }) {
			t.Fatalf("%q: %+v", all, verdicts)
		}
		for i := range all {
			for j := range all[:i] {
				if verdicts[i].Outcome == GoOn && verdicts[j].Outcome == GoOn && contradict(all[i], all[j]) {
					t.Fatalf("%q: %d and %d go on", all, i, j)
				}
			}
		}
		if split := verdicts[0].Outcome == Split; split && n > 0 {
			for i, v := range verdicts {
				if v.Outcome == GoOn {
					t.Fatalf("%q: no majority agrees, yet %d goes on", all, i)
				}
			}
		}
	}
	if seen[GoOn] == 0 || seen[Outvoted] == 0 || seen[Split] == 0 {
		t.Errorf("%v", seen)
	}
}

func contradict(a, b string) bool {
	pa, pb := points(a), points(b)
	for _, p := range pa {
		if h := at(pb, p.Instance); h != 0 && h != p.Hash {
			return true
		}
	}
	return false
}

// More answers never turn a verdict around: what was decided before they came
// is what is decided with them, or was Wait.
func TestDecideIsStable(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 20000 {
		n := 2 + r.IntN(4)
		rest := make([]string, n)
		for i := range rest {
			rest[i] = []string{"aaa", "aaa", "aab", "aba"}[r.IntN(4)]
		}
		own := []string{"aaa", "aab"}[r.IntN(2)]
		full := Comparison{Own: points(own), Votes: true, Others: others(rest...), Quorum: (n+1)/2 + 1, At: 2}
		part := full
		part.Others = slices.Clone(full.Others)
		for i := range part.Others {
			if r.IntN(2) == 0 {
				part.Others[i] = Member{}
			}
		}
		before, after := Decide(part), Decide(full)
		if before.Outcome != Wait && before.Outcome != after.Outcome {
			t.Fatal(fmt.Sprintf("own %s, others %q: %+v, then %+v", own, rest, before, after))
		}
	}
}
