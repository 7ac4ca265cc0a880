package feature

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// The exploration runs this package on nodes that share a log, and asserts
// after each step that no two nodes know different states of one version or
// different clusters. A node that runs an older version executes a change as
// nothing, keeps what it stored, and announces nothing. With two nodes every
// order of the steps is tried, with three a random choice of them.
const (
	exploreNodes = 3
	exploreLog   = 3 // changes that are chosen at most
)

type world struct {
	size  int // nodes
	flips int // restarts with another version that each of them makes
	log   [exploreLog]Change
	end   int
	nodes [exploreNodes]member
}

func newWorld(size, flips int) world {
	w := world{size: size, flips: flips}
	for i := range size {
		w.nodes[i].t = NewTracker(Initial(), true, 0) // upgraded just now
	}
	return w
}

type member struct {
	old   bool
	flips int
	jumps int
	at    int // changes before it are executed
	t     Tracker
	said  [exploreNodes]heard // the last announcement of each other node
}

type heard struct {
	any      bool
	a        Announcement
	instance int
}

func (w *world) others(i int) (ids []nodeid.ID) {
	for j := range w.size {
		if j != i {
			ids = append(ids, nodeid.ID(j+1))
		}
	}
	return ids
}

func (m *member) claims() *Claims {
	var c Claims
	for j, h := range m.said {
		if h.any {
			c.Note(nodeid.ID(j+1), h.a, uint64(h.instance), 0)
		}
	}
	return &c
}

// rules lets a test weaken one.
type rules struct {
	execute func(t *Tracker, c Change, instance uint64)
	restart func(t *Tracker, instance uint64)
	learn   func(t *Tracker, c *Claims, others []nodeid.ID)
}

func shipped() rules {
	return rules{
		execute: func(t *Tracker, c Change, instance uint64) { t.Execute(c, instance) },
		restart: func(t *Tracker, instance uint64) { *t = NewTracker(t.State(), true, instance) },
		learn:   func(t *Tracker, c *Claims, others []nodeid.ID) { t.Learn(c, others, len(others), 0) },
	}
}

// next returns every world that one step leads to.
func (w world) next(r *rules) (all []world) {
	add := func(change func(*world)) {
		c := w
		change(&c)
		if c != w {
			all = append(all, c)
		}
	}
	for i := range w.size {
		m := &w.nodes[i]
		if m.at < w.end {
			add(func(w *world) { w.execute(i, r) })
		}
		if m.flips < w.flips {
			add(func(w *world) { w.nodes[i].flip(r) })
		}
		if m.old {
			continue
		}
		for j := range w.size {
			if j != i && !w.nodes[j].old {
				add(func(w *world) {
					n := &w.nodes[j]
					w.nodes[i].said[j] = heard{true, Announcement{Newest, n.t.State()}, n.at}
				})
			}
			if j != i && m.jumps < 1 && w.nodes[j].at > m.at {
				add(func(w *world) {
					n := &w.nodes[i]
					n.at, n.jumps = w.nodes[j].at, 1
					n.t.Jump(uint64(n.at))
				})
			}
		}
		for _, c := range m.proposals(i, w.others(i)) {
			if w.end < exploreLog {
				add(func(w *world) { w.log[w.end] = c; w.end++ })
			}
		}
		add(func(w *world) { r.learn(&w.nodes[i].t, w.nodes[i].claims(), w.others(i)) })
	}
	return all
}

func (w *world) execute(i int, r *rules) {
	m := &w.nodes[i]
	if !m.old {
		r.execute(&m.t, w.log[m.at], uint64(m.at))
	}
	m.at++
}

// flip restarts a node with the other version. What it heard is gone.
func (m *member) flip(r *rules) {
	m.flips++
	m.old = !m.old
	m.said = [exploreNodes]heard{}
	if !m.old {
		r.restart(&m.t, uint64(m.at))
	}
}

func (m *member) proposals(i int, others []nodeid.ID) (all []Change) {
	fresh := nodeid.Cluster{byte(i + 1)}
	if c, ok := m.t.State().Raise(m.claims().Announced(others, 0), fresh); ok {
		all = append(all, c)
	}
	if c, ok := m.t.State().Repeat(); ok && m.claims().Missing(m.t.State(), others, 0) {
		all = append(all, c)
	}
	return all
}

// wrong says what is wrong with a world, or nothing.
func (w *world) wrong() string {
	for i := range w.size {
		for j := range i {
			a, b := w.nodes[i].t.State(), w.nodes[j].t.State()
			if !a.known() || !b.known() {
				continue
			}
			if a.Cluster != b.Cluster || a.Version == b.Version && a != b {
				return fmt.Sprintf("node %d knows %+v, node %d %+v", i, a, j, b)
			}
		}
	}
	return ""
}

// explore sees every world of two nodes and returns how many there are, and
// what is wrong in the first one that is.
func explore(r rules) (states int, wrong string) {
	first := newWorld(2, 1)
	seen := map[world]bool{first: true}
	queue := []world{first}
	for len(queue) > 0 {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if wrong := w.wrong(); wrong != "" {
			return len(seen), wrong
		}
		for _, n := range w.next(&r) {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	return len(seen), ""
}

// walk takes random steps in worlds of three nodes.
func walk(r rules, walks int) (wrong string) {
	d := rand.New(rand.NewPCG(1, 2))
	for range walks {
		w := newWorld(3, 2)
		for range 60 {
			all := w.next(&r)
			if len(all) == 0 {
				break
			}
			if w = all[d.IntN(len(all))]; w.wrong() != "" {
				return w.wrong()
			}
		}
	}
	return ""
}

func TestExploreOneClusterOneState(t *testing.T) {
	states, wrong := explore(shipped())
	if wrong != "" {
		t.Fatal(wrong)
	}
	t.Logf("%d states of two nodes", states)
	if states < 5000 {
		t.Errorf("%d states: the exploration has lost its reach", states)
	}
	if wrong := walk(shipped(), 4000); wrong != "" {
		t.Fatal(wrong)
	}
}

// Each rule is needed: without it the exploration finds two clusters or two
// states.
func TestExploreFindsWeakRules(t *testing.T) {
	for _, v := range []struct {
		name string
		edit func(*rules)
	}{
		{"a node that may have missed a change takes the first that it sees", func(r *rules) {
			r.execute = func(t *Tracker, c Change, at uint64) {
				if t.state.Version == UnknownVersion {
					t.state = Initial()
				}
				t.Execute(c, at)
			}
		}},
		{"a change without effect is no sign that there was one", func(r *rules) {
			r.execute = func(t *Tracker, c Change, at uint64) {
				certain := t.certain
				t.Execute(c, at)
				t.certain = certain
			}
		}},
		{"a node that starts with a log is certain", func(r *rules) {
			r.restart = func(*Tracker, uint64) {}
		}},
		{"one other node that knows of no change is enough", func(r *rules) {
			r.learn = func(t *Tracker, c *Claims, others []nodeid.ID) {
				for i := range others {
					t.Learn(c, others[i:i+1], len(others), 0)
				}
			}
		}},
		{"where a node was when it knew of no change does not matter", func(r *rules) {
			r.learn = func(t *Tracker, c *Claims, others []nodeid.ID) {
				t.certain = 0
				t.Learn(c, others, len(others), 0)
			}
		}},
	} {
		r := shipped()
		v.edit(&r)
		if walk(r, 20000) == "" {
			t.Errorf("%s: nothing is found", v.name)
		}
	}
}
