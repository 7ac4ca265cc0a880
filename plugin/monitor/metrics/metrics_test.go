package metrics_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/plugin/monitor/metrics"
)

// collector is a collector over a node with some groups.
func collector(t testing.TB, groups int, o metrics.Options) (*phxpaxos.Node, *failing, *metrics.Collector) {
	t.Helper()
	recorder := &metrics.Recorder{}
	node, store := run(t, groups, recorder)
	c, err := metrics.NewCollector(node, recorder, o)
	if err != nil {
		t.Fatal(err)
	}
	return node, store, c
}

// One registers the metrics of a node wherever the program keeps its own.
func ExampleNewCollector() {
	recorder := &metrics.Recorder{}
	var node *phxpaxos.Node // of phxpaxos.Run, with Options.Observer: recorder
	_, err := metrics.NewCollector(node, recorder, metrics.Options{})
	fmt.Println(err)
	// Output: metrics: node and recorder must be set
}

// What promtool would complain about.
func TestLint(t *testing.T) {
	node, _, c := collector(t, 3, metrics.Options{})
	if _, err := node.Propose(t.Context(), 0, 1, []byte("v")); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	// A pedantic registry also checks that what is collected was described.
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	if _, err := registry.Gather(); err != nil {
		t.Error(err)
	}
}

func TestFigures(t *testing.T) {
	node, store, c := collector(t, 3, metrics.Options{})
	for i := range 5 {
		if _, err := node.Propose(t.Context(), 1, 1, []byte("value")); err != nil {
			t.Fatalf("proposal %d: %v", i, err)
		}
	}
	entry := phxpaxos.Entry{SM: 1, Value: []byte("v")}
	if _, err := node.BatchPropose(t.Context(), 0, slices.Repeat([]phxpaxos.Entry{entry}, 7)); err != nil {
		t.Fatal(err)
	}
	if _, err := node.BatchPropose(t.Context(), 0, []phxpaxos.Entry{{SM: 9}, {SM: 9}}); err == nil {
		t.Fatal("a proposal for no state machine succeeded")
	}
	store.fail(2, errors.New("no space"))
	if _, err := node.Propose(t.Context(), 2, 1, []byte("v")); !errors.Is(err, phxpaxos.ErrGroupFailed) {
		t.Fatalf("proposing without a disk: %v", err)
	}
	stopped(t, node, 2)
	if err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP phxpaxos_proposals_total Proposals that succeeded, each entry of BatchPropose counted.
# TYPE phxpaxos_proposals_total counter
phxpaxos_proposals_total{node="10.0.0.1:11111"} 12
# HELP phxpaxos_proposals_failed_total Proposals that failed, each entry of BatchPropose counted, by reason.
# TYPE phxpaxos_proposals_failed_total counter
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="busy"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="closed"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="conflict"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="execute_failed"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="group_failed"} 1
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="not_master"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="not_member"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="other"} 2
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="timeout"} 0
phxpaxos_proposals_failed_total{node="10.0.0.1:11111",reason="too_large"} 0
# HELP phxpaxos_groups_stopped Groups that have stopped because going on would be unsafe.
# TYPE phxpaxos_groups_stopped gauge
phxpaxos_groups_stopped{node="10.0.0.1:11111"} 1
# HELP phxpaxos_group_instance Current, undecided instance of the group.
# TYPE phxpaxos_group_instance gauge
phxpaxos_group_instance{group="0",node="10.0.0.1:11111"} 1
phxpaxos_group_instance{group="1",node="10.0.0.1:11111"} 5
phxpaxos_group_instance{group="2",node="10.0.0.1:11111"} 0
`), "phxpaxos_proposals_total", "phxpaxos_proposals_failed_total", "phxpaxos_groups_stopped", "phxpaxos_group_instance"); err != nil {
		t.Error(err)
	}
}

// stopped waits until a node says that a group has stopped; its callers hear
// of it a moment before.
func stopped(t *testing.T, node *phxpaxos.Node, group int) {
	t.Helper()
	await.True(t, fmt.Sprintf("group %d stops", group), func() bool { return node.GroupError(group) != nil })
}

// The number of series does not grow with the number of groups.
func TestSeriesAreBounded(t *testing.T) {
	const few, many = 1, 300
	_, _, one := collector(t, few, metrics.Options{GroupSeries: -1})
	node, store, c := collector(t, many, metrics.Options{GroupSeries: 4})
	healthy := testutil.CollectAndCount(c)
	if want := testutil.CollectAndCount(one); healthy != want {
		t.Errorf("%d groups make %d series, one makes %d", many, healthy, want)
	}
	for _, g := range []int{7, 70, 77, 170, 177, 270} {
		store.fail(g, errors.New("no space"))
		if _, err := node.Propose(t.Context(), g, 1, []byte("v")); err == nil {
			t.Fatal("a write failed and the proposal succeeded")
		}
		stopped(t, node, g)
	}
	if n := testutil.CollectAndCount(c, "phxpaxos_group_stopped"); n != 4 {
		t.Errorf("%d groups have series, 4 may", n)
	}
	if healthy > 450 {
		t.Errorf("a node has %d series, the package's doc says about 400", healthy)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	recorder := &metrics.Recorder{}
	node, _ := run(t, 1, recorder)
	for _, n := range []int{-2, metrics.GroupSeriesMax + 1} {
		if _, err := metrics.NewCollector(node, recorder, metrics.Options{GroupSeries: n}); err == nil || !strings.Contains(err.Error(), "GroupSeries") {
			t.Errorf("GroupSeries %d: %v", n, err)
		}
	}
}

// A quantile is off by an eighth at most, whatever the durations are.
func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []time.Duration{100 * time.Microsecond, 5 * time.Millisecond, time.Second} {
		recorder, all := &metrics.Recorder{}, []float64{}
		for i := range 20000 {
			took := time.Duration(float64(scale) * math.Exp(random.NormFloat64()/2))
			all = append(all, took.Seconds())
			recorder.Observe(event.Event{Kind: event.CommitOK, Group: i % 13, Took: took})
		}
		slices.Sort(all)
		s := recorder.Durations(metrics.Proposal)
		if s.Total != 20000 {
			t.Fatalf("%d durations were counted", s.Total)
		}
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
			want := all[int(q*20000)]
			if got := s.Quantile(q); math.Abs(got-want) > want/8 {
				t.Errorf("around %v: quantile %v is %v, want %v", scale, q, got, want)
			}
		}
	}
}

// Bounds belong to the bucket below them, and what is out of range is counted.
func TestEdgesOfDurations(t *testing.T) {
	recorder := &metrics.Recorder{}
	var zero metrics.Snapshot
	if zero.Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	for _, took := range []time.Duration{-1, 0, 16 * time.Microsecond, 16*time.Microsecond + 1, 32 * time.Microsecond, time.Hour} {
		recorder.Observe(event.Event{Kind: event.SyncDone, Group: -1, Took: took})
	}
	s := recorder.Durations(metrics.DiskSync)
	if s.Total != 6 {
		t.Errorf("%d of 6 durations were counted", s.Total)
	}
	if s.Count[0] != 3 || s.Count[1] != 1 || s.Count[4] != 1 || s.Count[len(s.Count)-1] != 1 {
		t.Errorf("buckets %v", s.Count)
	}
	recorder.Observe(event.Event{Kind: 255})
	recorder.Observe(event.Event{Kind: event.NetRefused, Group: -1})
	if n := recorder.Count(nil, event.NetRefused); n != 1 {
		t.Errorf("a network of its own refused 1 stranger, %d are counted", n)
	}
	recorder.Observe(event.Event{Kind: event.BatchSend, Size: -1})
}

// BenchmarkObserve is the cost of one event, for the kinds that matter.
func BenchmarkObserve(b *testing.B) {
	recorder := &metrics.Recorder{}
	for _, kind := range []event.Kind{event.LoopTurn, event.CommitOK, event.NetSendTCP} {
		b.Run(kind.String(), func(b *testing.B) {
			e := event.Event{Kind: kind, Took: time.Millisecond, Size: 100}
			for b.Loop() {
				recorder.Observe(e)
			}
		})
	}
}

// BenchmarkPropose is a whole proposal on a node alone, on a disk in memory,
// with and without a recorder: far quicker than with real disks and networks,
// so that what the recorder costs shows.
func BenchmarkPropose(b *testing.B) {
	for _, c := range []struct {
		name     string
		observer event.Observer
	}{{"without", nil}, {"with", &metrics.Recorder{}}} {
		b.Run(c.name, func(b *testing.B) {
			node, _ := run(b, 1, c.observer)
			value := make([]byte, 100)
			for b.Loop() {
				if _, err := node.Propose(b.Context(), 0, 1, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCollect is one scrape.
func BenchmarkCollect(b *testing.B) {
	for _, groups := range []int{1, 1000} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			_, _, c := collector(b, groups, metrics.Options{})
			registry := prometheus.NewRegistry()
			registry.MustRegister(c)
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
