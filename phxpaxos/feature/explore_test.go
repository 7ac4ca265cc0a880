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
// order of the steps is tried, with three, all of this version, a random choice.
const (
	exploreNodes = 3
	exploreLog   = 3 // changes that are chosen at most
)

type world struct {
	size  int // nodes
	flips int // restarts with another version that each of them makes
	log   [exploreLog]Change
	end   int
	lost  int // changes before it were executed by an older version
	nodes [exploreNodes]member
}

func newWorld(size, flips int) world {
	w := world{size: size, flips: flips}
	for i := range size {
		w.nodes[i].t = NewTracker(Initial())
	}
	return w
}

type member struct {
	old   bool
	flips int
	jumps int
	wipes int
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
	jump    func(t *Tracker, instance uint64, came *State)
	learn   func(t *Tracker, c *Claims, others []nodeid.ID)
}

func shipped() rules {
	return rules{
		execute: func(t *Tracker, c Change, instance uint64) { t.Execute(c, instance) },
		jump:    func(t *Tracker, instance uint64, came *State) { t.Jump(instance, came) },
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
		if m.at < w.end && !(m.blank() && w.anyStated(i)) {
			add(func(w *world) { w.execute(i, r) })
		}
		if m.flips < w.flips && !w.wiped() {
			add(func(w *world) { w.nodes[i].flip() })
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
					n, teacher := &w.nodes[i], &w.nodes[j]
					n.at, n.jumps = teacher.at, 1
					came := teacher.t.State()
					if teacher.old {
						r.jump(&n.t, uint64(n.at), nil)
					} else {
						r.jump(&n.t, uint64(n.at), &came)
					}
				})
			}
		}
		for _, c := range w.proposals(i) {
			if w.end < exploreLog && m.at >= w.lost { // see Tracker: what is left to the operator
				add(func(w *world) { w.log[w.end] = c; w.end++ })
			}
		}
		if !w.wiped() && !w.flipped() {
			add(func(w *world) {
				w.nodes[i].wipe()
				for j := range w.nodes {
					w.nodes[j].said[i] = heard{} // it takes longer than an announcement counts
				}
			})
		}
		add(func(w *world) { r.learn(&w.nodes[i].t, w.nodes[i].claims(), w.others(i)) })
	}
	return all
}

// blank: such a node learns nothing from nodes that state a cluster before it
// has joined it.
func (m *member) blank() bool { return m.wipes > 0 && m.at == 0 && m.t.State().Cluster.IsZero() }

func (w *world) anyStated(i int) bool {
	for j := range w.size {
		if j != i && !w.nodes[j].t.State().Cluster.IsZero() {
			return true
		}
	}
	return false
}

// A change that no node remembers, since all executed it with an older version,
// is in the log all the same: a node that is wiped then would find it again. So
// worlds have the one or the other. Only one node is ever wiped: of two, one
// would be left that nobody can teach.
func (w *world) wiped() bool {
	return w.nodes[0].wipes+w.nodes[1].wipes+w.nodes[2].wipes > 0
}

func (w *world) flipped() bool {
	return w.nodes[0].flips+w.nodes[1].flips+w.nodes[2].flips > 0
}

// wipe takes a node's directory; it starts again at the beginning of the log.
func (m *member) wipe() {
	*m = member{flips: m.flips, jumps: m.jumps, wipes: m.wipes + 1, t: NewTracker(Initial())}
}

func (w *world) execute(i int, r *rules) {
	m := &w.nodes[i]
	if !m.old {
		r.execute(&m.t, w.log[m.at], uint64(m.at))
	}
	m.at++
	if m.old {
		w.lost = m.at
	}
}

// flip restarts a node with the other version. What it heard is gone.
func (m *member) flip() {
	m.flips++
	m.old = !m.old
	m.said = [exploreNodes]heard{}
}

// proposals are the changes that a node may propose. One that ran an older
// version hears what the others know before it proposes anything; else it may
// take its own change for the first one, see Tracker.
func (w *world) proposals(i int) (all []Change) {
	m, ids := &w.nodes[i], w.others(i)
	fresh := nodeid.Cluster{byte(i + 1)}
	claims := m.claims()
	for j := range w.size {
		if n := &w.nodes[j]; j != i && m.flips > 0 && m.said[j] != (heard{true, Announcement{Newest, n.t.State()}, n.at}) {
			return nil
		}
	}
	if claims.Newer(m.t.State(), ids, 0) {
		return nil
	}
	if c, ok := m.t.State().Raise(claims.Announced(ids, 0), fresh); ok {
		all = append(all, c)
	}
	if c, ok := m.t.State().Repeat(); ok && claims.Missing(m.t.State(), ids, 0) {
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
		w := newWorld(3, 0)
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
					t.state.Version = NoVersion
				}
				t.Execute(c, at)
			}
		}},
		{"a jump without a state is a jump over no change", func(r *rules) {
			r.jump = func(t *Tracker, at uint64, came *State) {
				none := Initial()
				if came == nil {
					came = &none
				}
				t.Jump(at, came)
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
		if states, wrong := explore(r); wrong == "" {
			t.Errorf("%s: nothing is found in %d states", v.name, states)
		}
	}
}
