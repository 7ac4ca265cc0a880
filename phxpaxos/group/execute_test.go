package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// batcher is a recorder that takes many entries at once and remembers how it
// was called.
type batcher struct {
	recorder
	calls []string
	bend  func(entries []sm.Entry, results [][]byte, err error) ([][]byte, error)
}

func (b *batcher) Execute(sm.Entry) ([]byte, error) {
	return nil, errors.New("Execute is called though there is ExecuteBatch")
}

func (b *batcher) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	call := ""
	for _, e := range entries {
		call += fmt.Sprintf(" %d/%d", e.Instance, e.Index)
		if e.Last {
			call += " last"
		}
		if e.Replay {
			call += " replay"
		}
		if e.Discard {
			call += " discard"
		}
	}
	b.calls = append(b.calls, call[1:])
	var err error
	for _, e := range entries {
		var r []byte
		if r, err = b.recorder.Execute(e); err != nil {
			break
		}
		results = append(results, r)
	}
	if b.bend != nil {
		results, err = b.bend(entries, results, err)
	}
	return results, err
}

// newBatchers is a cluster whose machines with id 1 take batches; id 2 is an
// ordinary one.
func newBatchers(t *testing.T, size int) (*cluster, []*batcher) {
	var machines []*batcher
	c := newCluster(t, size, func(cfg *Config) {
		b := &batcher{recorder: recorder{id: 1}}
		machines = append(machines, b)
		cfg.StateMachines = []sm.StateMachine{b, &recorder{id: 2}}
	})
	return c, machines
}

// proposeMany makes one batch of values; who it is for stands before the
// colon.
func (c *cluster) proposeMany(node int, values ...string) (tickets []*Ticket) {
	for _, v := range values {
		t := &Ticket{Value: []byte(v)}
		if _, err := fmt.Sscanf(v, "%d:", &t.SM); err != nil {
			c.t.Fatal(err)
		}
		c.nodes[node].g.Propose(t)
		tickets = append(tickets, t)
	}
	return tickets
}

func TestRunsOfOneMachineAreOneCall(t *testing.T) {
	c, machines := newBatchers(t, 3)
	tickets := c.proposeMany(0, "1:a", "1:b", "2:c", "1:d", "0:e", "1:f")
	c.run()
	for i, tk := range tickets {
		want := "did " + string(tk.Value)
		if tk.SM == sm.None {
			want = ""
		}
		if tk.Err != nil || tk.Instance != 0 || tk.Index != i || string(tk.Result) != want {
			t.Errorf("ticket %d: %+v", i, tk)
		}
	}
	for i, b := range machines {
		want := []string{"0/0 0/1", "0/3", "0/5 last"}
		if i > 0 { // nobody proposed there
			want = []string{"0/0 discard 0/1 discard", "0/3 discard", "0/5 last discard"}
		}
		if !slices.Equal(b.calls, want) {
			t.Errorf("node %d: calls %q, want %q", i, b.calls, want)
		}
	}
	single := c.proposeMany(1, "1:g")
	c.run()
	if single[0].Err != nil || machines[1].calls[3] != "1/0 last" {
		t.Errorf("a single value: %+v, calls %q", single[0], machines[1].calls)
	}
}

func TestRunGoesOnWhereItFailed(t *testing.T) {
	c, machines := newBatchers(t, 3)
	broken := true
	machines[0].fail = func(e sm.Entry) error {
		if broken && string(e.Value) == "1:c" {
			return errors.New("out of order")
		}
		return nil
	}
	tickets := c.proposeMany(0, "1:a", "1:b", "1:c", "1:d")
	c.run()
	for i, tk := range tickets {
		if failed := errors.Is(tk.Err, ErrExecuteFailed); failed != (i >= 2) || i < 2 && string(tk.Result) != "did "+string(tk.Value) {
			t.Errorf("ticket %d: %+v", i, tk)
		}
	}
	c.pass(time.Second)
	broken = false
	c.pass(2 * time.Second)
	calls := slices.Compact(slices.Clone(machines[0].calls))
	if want := []string{"0/0 0/1 0/2 0/3 last", "0/2 0/3 last"}; !slices.Equal(calls, want) || len(machines[0].calls) < 3 {
		t.Errorf("calls %q, want %q with the last one repeated", machines[0].calls, want)
	}
	if want := []string{"0/0 1:a", "0/1 1:b", "0/2 1:c", "0/3 1:d"}; !slices.Equal(machines[0].entries, want) {
		t.Errorf("executed %q, want %q", machines[0].entries, want)
	}
	if n := len(c.nodes[0].done); n != len(tickets) {
		t.Errorf("%d tickets came back, want %d", n, len(tickets))
	}
}

func TestReplayTakesRuns(t *testing.T) {
	c, machines := newBatchers(t, 3)
	c.proposeMany(0, "1:a", "1:b", "2:c", "1:d")
	c.run()
	c.proposeMany(0, "1:e") // the newest record is not replayed
	c.run()
	c.nodes[0].start(c.nodes[0].ids())
	again := c.nodes[0].g.exec.machines[0].(*batcher)
	if want := []string{"0/0 replay discard 0/1 replay discard", "0/3 last replay discard"}; !slices.Equal(again.calls, want) {
		t.Errorf("calls %q, want %q", again.calls, want)
	}
	if !slices.Equal(again.entries, machines[0].entries[:3]) {
		t.Errorf("replayed %q, executed before %q", again.entries, machines[0].entries)
	}
}

func TestWrongNumberOfResultsStopsTheGroup(t *testing.T) {
	for name, bend := range map[string]func([]sm.Entry, [][]byte, error) ([][]byte, error){
		"1 results for 2 entries, and no error":           func(_ []sm.Entry, r [][]byte, _ error) ([][]byte, error) { return r[:1], nil },
		"3 results for 2 entries, and no error":           func(_ []sm.Entry, r [][]byte, _ error) ([][]byte, error) { return append(r, nil), nil },
		"2 results for 2 entries, and yet an error: late": func(_ []sm.Entry, r [][]byte, _ error) ([][]byte, error) { return r, errors.New("late") },
	} {
		c, machines := newBatchers(t, 3)
		machines[0].bend = bend
		tickets := c.proposeMany(0, "1:a", "1:b")
		c.run()
		for _, err := range []error{c.nodes[0].g.Err(), tickets[0].Err, tickets[1].Err} {
			if !errors.Is(err, ErrGroupFailed) || !strings.Contains(err.Error(), "state machine 1, instance 0: "+name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// The next value lets the node find the first decided when it starts.
		c.proposeMany(1, "1:c")
		c.pass(time.Second)
		n := c.nodes[1]
		_, err := Open(Config{Groups: 1, Me: n.id, Members: n.ids(), Rand: n.g.cfg.Rand,
			StateMachines: []sm.StateMachine{&batcher{recorder: recorder{id: 1}, bend: bend}}}, n, c.now)
		if !errors.Is(err, ErrGroupFailed) || !strings.Contains(err.Error(), "and ") {
			t.Errorf("%s, at the start: %v", name, err)
		}
	}
}

// constant gives one result again and again.
type constant struct{ result []byte }

func (constant) ID() sm.ID                          { return 1 }
func (c constant) Execute(sm.Entry) ([]byte, error) { return c.result, nil }
func (c constant) ExecuteBatch(entries []sm.Entry, results [][]byte) ([][]byte, error) {
	for range entries {
		results = append(results, c.result)
	}
	return results, nil
}

func TestRunsDoNotAllocate(t *testing.T) {
	g := &Group{}
	g.exec.machines = []sm.StateMachine{constant{[]byte("same")}}
	value := []byte("v")
	x := &g.exec
	for range 100 {
		x.entries = append(x.entries, wire.BatchEntry{SM: 1, Value: value})
	}
	tickets := make([]*Ticket, len(x.entries))
	work := func() {
		x.next, x.tickets = 0, tickets
		if err := x.step(g, 5, false); err != nil || x.next != len(x.entries) {
			t.Fatalf("%d executed: %v", x.next, err)
		}
	}
	if n := testing.AllocsPerRun(100, work); n != 0 {
		t.Errorf("%v allocations for each batch", n)
	}
	for _, e := range x.many.entries[:cap(x.many.entries)] {
		if e.Value != nil {
			t.Fatal("a value that was executed is kept in memory")
		}
	}
	for _, r := range x.many.results[:cap(x.many.results)] {
		if r != nil {
			t.Fatal("a result that was given out is kept in memory")
		}
	}
}
