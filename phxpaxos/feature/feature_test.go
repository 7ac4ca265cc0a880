package feature

import (
	"errors"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

var (
	one = nodeid.Cluster{1}
	two = nodeid.Cluster{2}
)

// unsure is what a node knows after it got a checkpoint from an older version.
func unsure() State {
	t := NewTracker(Initial())
	t.Jump(7, nil)
	return t.State()
}

func TestApply(t *testing.T) {
	known := State{Level: 1, Limit: NoLimit, Cluster: one, Version: 5}
	for _, v := range []struct {
		name string
		s    State
		c    Change
		at   uint64
		want State
		ok   bool
	}{
		{"first", Initial(), Change{1, NoLimit, one, NoVersion}, 5, known, true},
		{"second of two at once", known, Change{1, NoLimit, two, NoVersion}, 6, known, false},
		{"follows", known, Change{0, 0, one, 5}, 9, State{0, 0, one, 9}, true},
		{"follows an older one", known, Change{0, 0, one, 3}, 9, known, false},
		{"another cluster", known, Change{1, NoLimit, two, 5}, 9, known, false},
		{"no cluster", Initial(), Change{1, NoLimit, nodeid.Cluster{}, NoVersion}, 5, Initial(), false},
		{"again after a restart", known, Change{1, NoLimit, one, NoVersion}, 5, known, true},
		{"first, to a node that may have missed one", unsure(), Change{1, NoLimit, two, NoVersion}, 9, unsure(), false},
		{"later one, to a node that may have missed one", unsure(), Change{1, NoLimit, one, 5}, 9, State{1, NoLimit, one, 9}, true},
		{"to a node that missed one of which it knows the predecessor", known, Change{0, 0, one, 7}, 9, known, false},
	} {
		got, ok := v.s.Apply(v.c, v.at)
		if got != v.want || ok != v.ok {
			t.Errorf("%s: %+v %v, want %+v %v", v.name, got, ok, v.want, v.ok)
		}
	}
}

func TestRaise(t *testing.T) {
	for _, v := range []struct {
		name      string
		s         State
		announced []Level
		want      Level
		ok        bool
	}{
		{"all", Initial(), []Level{Newest, Newest}, Newest, true},
		{"alone", Initial(), nil, Newest, true},
		{"one is silent or old", Initial(), []Level{Newest, Base}, 0, false},
		{"others are newer", Initial(), []Level{Newest + 1, Newest + 7}, Newest, true},
		{"nothing to gain", State{Level: Newest, Limit: NoLimit, Cluster: one, Version: 3}, []Level{Newest}, 0, false},
		{"an operator said no", State{Limit: Base, Cluster: one, Version: 3}, []Level{Newest}, 0, false},
		{"not sure", unsure(), []Level{Newest}, 0, false},
	} {
		c, ok := v.s.Raise(v.announced, two)
		if ok != v.ok || c.Level != v.want {
			t.Errorf("%s: %+v %v", v.name, c, ok)
		}
		if ok && (c.Follows != v.s.Version || c.Limit != v.s.Limit || c.Cluster != two) {
			t.Errorf("%s: %+v", v.name, c)
		}
	}
}

func TestRestrictAndRaiseAgain(t *testing.T) {
	s, ok := State{Level: 1, Limit: NoLimit, Cluster: one, Version: 5}, true
	apply := func(c Change, at uint64) {
		t.Helper()
		if s, ok = s.Apply(c, at); !ok {
			t.Fatalf("%+v has no effect", c)
		}
	}
	down, ok := s.Restrict(Base, two)
	if !ok {
		t.Fatal("refused")
	}
	apply(down, 8)
	if want := (State{Base, Base, one, 8}); s != want {
		t.Errorf("lowered: %+v, want %+v", s, want)
	}
	if _, ok := s.Raise([]Level{Newest}, two); ok {
		t.Error("raised above the limit")
	}
	up, _ := s.Restrict(NoLimit, two)
	apply(up, 9)
	raise, ok := s.Raise([]Level{Newest}, two)
	if !ok {
		t.Fatal("not raised after the limit has gone")
	}
	apply(raise, 10)
	if want := (State{Newest, NoLimit, one, 10}); s != want {
		t.Errorf("%+v, want %+v: the cluster keeps its identity", s, want)
	}
	if _, ok := unsure().Restrict(Base, two); ok {
		t.Error("a node that does not know the state restricts it")
	}
}

func TestClaims(t *testing.T) {
	nodes := []nodeid.ID{1, 2, 3, 4}
	a := State{Level: 1, Limit: NoLimit, Cluster: one, Version: 5}
	b := State{Level: 0, Limit: 0, Cluster: one, Version: 8}
	foreign := State{Level: 1, Limit: NoLimit, Cluster: two, Version: 9}
	note := func(states ...State) *Claims {
		var c Claims
		for i, s := range states {
			c.Note(nodes[i], Announcement{Newest, s}, 20, 0)
		}
		return &c
	}
	for _, v := range []struct {
		name   string
		c      *Claims
		own    State
		enough int
		want   State
		ok     bool
	}{
		{"a majority", note(a, a, b), Initial(), 2, a, true},
		{"no majority", note(a, b), Initial(), 2, State{}, false},
		{"newer than the own", note(b, b), a, 2, b, true},
		{"older than the own", note(a, a), b, 2, State{}, false},
		{"another cluster than the own", note(foreign, foreign), a, 2, State{}, false},
		{"nothing stated", note(Initial(), Initial()), unsure(), 2, State{}, false},
		{"one is never enough by itself", note(), Initial(), 0, State{}, false},
	} {
		got, ok := v.c.Agreed(v.own, nodes, v.enough, time.Second)
		if got != v.want || ok != v.ok {
			t.Errorf("%s: %+v %v, want %+v %v", v.name, got, ok, v.want, v.ok)
		}
		if _, ok := v.c.Agreed(v.own, nodes, v.enough, claimLife); ok {
			t.Errorf("%s: counts for ever", v.name)
		}
	}
	if c := note(Initial(), unsure()); !c.NoChange(Initial(), nodes[:2], 20, 0) || c.NoChange(Initial(), nodes[:2], 21, 0) || c.NoChange(Initial(), nodes[:3], 0, 0) {
		t.Error("NoChange takes the word of every other member that was there, and no less")
	}
	if note(a, Initial()).NoChange(Initial(), nodes[:2], 0, 0) {
		t.Error("NoChange though one knows of a change")
	}
	joined := Initial()
	joined.Cluster = one
	if note(joined, Initial()).NoChange(Initial(), nodes[:2], 0, 0) || note(Initial()).NoChange(joined, nodes[:1], 0, 0) || !note(joined).NoChange(joined, nodes[:1], 0, 0) {
		t.Error("NoChange holds only among nodes that state the same cluster")
	}
	if c := note(a, unsure()); !c.Missing(a, nodes[:2], 0) || c.Missing(a, nodes[:1], 0) {
		t.Error("Missing finds the member that does not know the state")
	}
}

// A node that jumps takes the state that comes along, unless its own is newer
// or of another cluster.
func TestJump(t *testing.T) {
	a := State{Level: 1, Limit: NoLimit, Cluster: one, Version: 5}
	b := State{Level: 0, Limit: 0, Cluster: one, Version: 8}
	foreign := State{Level: 1, Limit: NoLimit, Cluster: two, Version: 9}
	none := Initial()
	joined := Initial()
	joined.Cluster = one
	for _, v := range []struct {
		name string
		own  State
		came *State
		want State
	}{
		{"from an older version", Initial(), nil, unsure()},
		{"from an older version, own is known", a, nil, a},
		{"a state", Initial(), &a, a},
		{"a newer one", a, &b, b},
		{"an older one", b, &a, b},
		{"no change so far", Initial(), &none, Initial()},
		{"no change so far, own is known", a, &none, a},
		{"of another cluster", a, &foreign, a},
		{"of the cluster that the node joined", joined, &a, a},
	} {
		tr := NewTracker(v.own)
		if tr.Jump(7, v.came); tr.State() != v.want {
			t.Errorf("%s: %+v, want %+v", v.name, tr.State(), v.want)
		}
	}
}

func TestIdentities(t *testing.T) {
	var i Identities
	i.Note(1, one)
	if _, ok := i.Majority(2); ok {
		t.Error("one node is a majority of three")
	}
	i.Note(2, two)
	i.Note(1, one)
	if _, ok := i.Majority(2); ok {
		t.Error("two words of one node, or two different ones, count as two")
	}
	i.Note(2, one)
	if c, ok := i.Majority(2); !ok || c != one {
		t.Errorf("%v %v", c, ok)
	}
	if _, ok := new(Identities).Majority(0); ok {
		t.Error("nobody said anything")
	}
}

func TestEncodings(t *testing.T) {
	c := Change{1, NoLimit, one, NoVersion}
	body := AppendChange(nil, c)
	if got, err := DecodeChange(body); err != nil || got != c || !IsMarked(body) {
		t.Errorf("%+v, %v", got, err)
	}
	s := State{1, 7, two, 1 << 50}
	if got, err := DecodeState(AppendState(nil, s)); err != nil || got != s {
		t.Errorf("%+v, %v", got, err)
	}
	a := Announcement{Newest, s}
	later := append(AppendAnnouncement(nil, a), 0x32, 1, 'x') // field 6, of a later version
	if got, err := DecodeAnnouncement(later); err != nil || got != a {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range body {
		if _, err := DecodeChange(body[:n]); !errors.Is(err, ErrEncoding) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestSupported(t *testing.T) {
	if err := (State{Level: Newest}).Supported(); err != nil {
		t.Error(err)
	}
	if err := (State{Level: Newest + 1}).Supported(); !errors.Is(err, ErrNewerLevel) {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(AppendChange(nil, Change{1, NoLimit, one, NoVersion}))
	f.Add(AppendAnnouncement(nil, Announcement{1, State{1, 7, two, 1 << 50}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := DecodeChange(data); err == nil {
			if again, err := DecodeChange(AppendChange(nil, c)); err != nil || again != c {
				t.Errorf("%+v came back as %+v, %v", c, again, err)
			}
		}
		if a, err := DecodeAnnouncement(data); err == nil {
			if again, err := DecodeAnnouncement(AppendAnnouncement(nil, a)); err != nil || again != a {
				t.Errorf("%+v came back as %+v, %v", a, again, err)
			}
		}
	})
}
