package phxpaxos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
)

// longVariable makes the tests with killed and paused processes run for as
// long as it says, such as "10m".
const longVariable = "PHXPAXOS_TEST_LONG"

// duration is how long such a test runs.
func duration(t *testing.T, normal time.Duration) time.Duration {
	t.Helper()
	if testing.Short() {
		return normal / 4
	}
	d, err := time.ParseDuration(os.Getenv(longVariable))
	if err != nil || d < normal {
		return normal
	}
	return d
}

// look is one call of IsMaster, in nanoseconds of the machine's clock.
type look struct {
	begin, end int64
	is         bool
}

// term is a time in which a node said that it was master, look after look:
// certainly from the end of the first call to the begin of the last. The
// answer of a single look was true at some instant within its call.
type term struct {
	node  int
	first look
	last  look
	count int
}

// lookGap is the longest time between two looks of one term: in a longer one
// the mastership may have gone to another node and come back.
const lookGap = int64(50 * time.Millisecond)

// terms finds the terms of a node.
func terms(node int, looks []look) []term {
	var all []term
	open := false
	for i, l := range looks {
		if !l.is {
			open = false
			continue
		}
		if open && l.begin-looks[i-1].end < lookGap && l.end-l.begin < lookGap {
			all[len(all)-1].last = l
			all[len(all)-1].count++
			continue
		}
		all, open = append(all, term{node, l, l, 1}), true
	}
	return all
}

// both reports whether the two terms prove that two nodes were master at once.
func both(a, b term) bool {
	if a.node == b.node {
		return false
	}
	// Times in which both certainly were.
	if max(a.first.end, b.first.end) < min(a.last.begin, b.last.begin) {
		return true
	}
	// A single call, wherever its instant is, within the other's certain time.
	within := func(l look, t term) bool { return t.first.end < l.begin && l.end < t.last.begin }
	return within(a.first, b) || within(a.last, b) || within(b.first, a) || within(b.last, a)
}

func TestTermsAreCompared(t *testing.T) {
	ms := func(b, e int64, is bool) look { return look{b * 1e6, e * 1e6, is} }
	steady := terms(0, []look{ms(0, 1, true), ms(5, 6, true), ms(10, 11, true), ms(15, 16, false)})
	for _, test := range []struct {
		name string
		b    []look
		want bool
	}{
		{"later", []look{ms(16, 17, true), ms(20, 21, true)}, false},
		{"touching", []look{ms(10, 11, true), ms(15, 16, true)}, false},
		{"one call within", []look{ms(0, 1, false), ms(6, 7, true), ms(12, 13, false)}, true},
		{"overlapping", []look{ms(7, 8, true), ms(12, 13, true), ms(17, 18, true)}, true},
		{"a call that was paused", []look{ms(-9, 14, true), ms(20, 21, false)}, false},
		{"paused, and true again", []look{ms(-100, -99, true), ms(7, 8, true), ms(13, 14, false)}, true},
	} {
		found := false
		for _, b := range terms(1, test.b) {
			found = found || both(steady[0], b)
		}
		if found != test.want {
			t.Errorf("%s: two masters: %v", test.name, found)
		}
	}
}

// Three processes under kills, pauses longer than the lease, orderly restarts
// and hand-overs; at no instant are two of them master.
func TestNeverTwoMasters(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	looks := make([][]look, 3)
	const lease = time.Second
	c := startChildren(t, 3, childConfig{Lease: lease, Sample: 5 * time.Millisecond}, func(i int, words []string) {
		var l look
		l.begin, _ = strconv.ParseInt(words[0], 10, 64)
		l.end, _ = strconv.ParseInt(words[1], 10, 64)
		l.is = words[2] == "true"
		mu.Lock()
		looks[i] = append(looks[i], l)
		mu.Unlock()
	})
	// What disturbs is drawn; a run in which the master never changed tests nothing.
	changed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		masters := 0
		for _, seen := range looks {
			if slices.ContainsFunc(seen, func(l look) bool { return l.is }) {
				masters++
			}
		}
		return masters > 1
	}
	end := time.Now().Add(duration(t, 20*time.Second))
	for most := end.Add(await.Limit(t)); time.Now().Before(end) || !changed() && time.Now().Before(most); {
		disturb(c, lease)
	}
	for _, p := range c.nodes {
		p.kill()
	}
	mu.Lock()
	defer mu.Unlock()
	var all []term
	for i := range looks {
		all = append(all, terms(i, looks[i])...)
	}
	judge(t, all)
}

// disturb does something to one node.
func disturb(c *children, lease time.Duration) {
	i := rand.IntN(len(c.nodes))
	p := c.nodes[i]
	pause := func(most time.Duration) { <-time.After(time.Duration(rand.Int64N(int64(most)))) }
	switch rand.IntN(8) {
	case 0, 1:
		p.kill()
		pause(2 * lease)
		p.start()
	case 2, 3, 4:
		p.signal(syscall.SIGSTOP)
		pause(5 * lease / 2)
		p.signal(syscall.SIGCONT)
	case 5:
		p.quit()
		pause(lease / 2)
		p.start()
	default: // most nodes are not master and refuse
		for k, q := range c.nodes {
			to := c.nodes[(k+1)%len(c.nodes)].config.Me.String()
			if rand.IntN(3) == 0 {
				q.ask("drop")
			} else {
				q.ask("transfer", to)
			}
		}
	}
	pause(3 * lease / 2)
}

// judge fails the test if any two terms of different nodes meet.
func judge(t *testing.T, all []term) {
	t.Helper()
	sort.Slice(all, func(i, k int) bool { return all[i].first.begin < all[k].first.begin })
	changes, looks := 0, 0
	for i := range all {
		looks += all[i].count
		if i > 0 && all[i].node != all[i-1].node {
			changes++
		}
		for k := range i {
			if both(all[k], all[i]) {
				t.Errorf("two masters: %s and %s", all[k].text(), all[i].text())
			}
		}
	}
	t.Logf("%d terms, %d changes of the master, %d looks that found one", len(all), changes, looks)
	if changes < 1 {
		t.Error("the master never changed: nothing was tested")
	}
}

func (t term) text() string {
	return fmt.Sprintf("node %d, looks from %d..%d to %d..%d", t.node, t.first.begin, t.first.end, t.last.begin, t.last.end)
}
