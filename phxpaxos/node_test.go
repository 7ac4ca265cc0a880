package phxpaxos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
)

func TestSingleNode(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 1, 1, nil)
	n, ctx := c.nodes[0], await.Context(t)
	for i := range 100 {
		r, err := n.Propose(ctx, 0, 1, fmt.Appendf(nil, "value %d", i))
		if err != nil {
			t.Fatal(err)
		}
		if r.Instance != uint64(i) || r.Index != 0 || r.Output[0] != byte(i+1) {
			t.Fatalf("value %d: %+v", i, r)
		}
	}
	if now, err := n.NowInstanceID(0); now != 100 || err != nil {
		t.Errorf("now is %d, %v", now, err)
	}
	if low, err := n.MinChosenInstanceID(0); low != 0 || err != nil {
		t.Errorf("the log begins at %d, %v", low, err)
	}
	if n.MyNodeID() != c.options[0].MyNode || n.Groups() != 1 {
		t.Errorf("node %v with %d groups", n.MyNodeID(), n.Groups())
	}
	for _, err := range []error{second(n.NowInstanceID(1)), second(n.MinChosenInstanceID(-1)), n.GroupError(1)} {
		if !errors.Is(err, ErrGroup) || Code(err) != -5 {
			t.Errorf("got %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// All nodes propose at once; all execute the same in the same order, and
// every caller's result is where its value is.
func TestThreeNodes(t *testing.T) {
	noLeaks(t)
	const callers, each = 4, 25
	c := newCluster(t, 3, 1, nil)
	ctx := await.Context(t)
	var mu sync.Mutex
	where := map[string]Result{}
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		for k := range callers {
			wg.Go(func() {
				for v := range each {
					value := fmt.Sprintf("%d/%d/%d", i, k, v)
					r, err := n.Propose(ctx, 0, 1, []byte(value))
					if err != nil {
						t.Errorf("%s: %v", value, err)
						return
					}
					mu.Lock()
					where[value] = r
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	values := c.agree(0, 3*callers*each)
	if len(values) != 3*callers*each {
		t.Errorf("%d values executed, %d proposed", len(values), 3*callers*each)
	}
	for value, r := range where {
		for i, n := range c.nodes {
			await.True(t, "the instance is decided here", func() bool { now, _ := n.NowInstanceID(0); return now > r.Instance })
			entries, err := n.GetInstanceValue(ctx, 0, r.Instance)
			if err != nil || len(entries) <= r.Index || string(entries[r.Index].Value) != value || entries[r.Index].SM != 1 {
				t.Fatalf("node %d, %s at %d.%d: %v, %v", i, value, r.Instance, r.Index, entries, err)
			}
		}
	}
	sameLogs(t, ctx, c, 0)
}

// sameLogs compares what the nodes' logs hold.
func sameLogs(t *testing.T, ctx context.Context, c *cluster, group int) {
	t.Helper()
	now, err := c.nodes[0].NowInstanceID(group)
	if err != nil {
		t.Fatal(err)
	}
	for i := range now {
		want, err := c.nodes[0].GetInstanceValue(ctx, group, i)
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range c.nodes[1:] {
			got, err := n.GetInstanceValue(ctx, group, i)
			if errors.Is(err, ErrNotChosenYet) {
				continue
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("group %d, instance %d: node %d has %v (%v), node 0 %v", group, i, k+1, got, err, want)
			}
		}
	}
}

func TestManyGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("100 groups on three nodes: skipped with -short")
	}
	noLeaks(t)
	const groups, each = 100, 3
	c := newCluster(t, 3, groups, nil)
	ctx := await.Context(t)
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		for g := range groups {
			wg.Go(func() {
				for v := range each {
					if _, err := n.Propose(ctx, g, 1, fmt.Appendf(nil, "%d/%d", i, v)); err != nil {
						t.Errorf("node %d, group %d: %v", i, g, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	for g := range groups {
		if n := len(c.agree(g, 3*each)); n != 3*each {
			t.Errorf("group %d executed %d values", g, n)
		}
	}
	saves := c.nodes[0].Count(event.Promised) + c.nodes[0].Count(event.Accepted)
	if writes := c.nodes[0].Count(event.SyncDone); writes == 0 || writes >= saves {
		t.Errorf("%d saves took %d writes: they do not share", saves, writes)
	}
}

// Many callers share instances, and a list that is proposed together is
// executed in its order.
func TestBatches(t *testing.T) {
	c := newCluster(t, 3, 1, nil)
	ctx := await.Context(t)
	var entries []Entry
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprint(i))
		entries = append(entries, Entry{1, []byte(want[i])})
	}
	results, err := c.nodes[1].BatchPropose(ctx, 0, entries)
	if err != nil || len(results) != len(entries) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if got := c.agree(0, len(want)); !reflect.DeepEqual(got, want) {
		t.Fatalf("executed %v", got)
	}
	for i, r := range results {
		if r.Err != nil || i > 0 && r.Instance == results[i-1].Instance && r.Index != results[i-1].Index+1 {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
	if now, _ := c.nodes[1].NowInstanceID(0); now > 3 {
		t.Errorf("500 values took %d instances", now)
	}
	got, err := c.nodes[1].GetInstanceValue(ctx, 0, results[7].Instance)
	if err != nil || string(got[results[7].Index].Value) != "7" {
		t.Errorf("instance value: %v, %v", got, err)
	}
	// One of them cannot be executed by anybody: it fails alone.
	results, err = c.nodes[0].BatchPropose(ctx, 0, []Entry{{1, []byte("good")}, {77, []byte("bad")}, {sm.None, []byte("kept")}})
	if !errors.Is(err, ErrNoStateMachine) || len(results) != 3 || results[0].Err != nil || results[2].Err != nil ||
		!errors.Is(results[1].Err, ErrNoStateMachine) || !strings.Contains(err.Error(), "entry 1") {
		t.Fatalf("got %+v, %v", results, err)
	}
	if got, err := c.nodes[0].GetInstanceValue(ctx, 0, results[2].Instance); err != nil || string(got[results[2].Index].Value) != "kept" {
		t.Errorf("value without a state machine: %v, %v", got, err)
	}
}

// The value belongs to the caller as soon as Propose is back.
func TestProposeCopies(t *testing.T) {
	c := newCluster(t, 1, 1, nil)
	ctx := await.Context(t)
	value := make([]byte, 8)
	for i := range 50 {
		copy(value, fmt.Sprintf("%08d", i))
		if _, err := c.nodes[0].Propose(ctx, 0, 1, value); err != nil {
			t.Fatal(err)
		}
		clear(value)
	}
	for i, got := range c.agree(0, 50) {
		if want := fmt.Sprintf("%08d", i); got != want {
			t.Fatalf("value %d is %q", i, got)
		}
	}
}

// A restarted node gives its state machine the log again.
func TestRestartReplays(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 2, nil)
	ctx := await.Context(t)
	for i := range 40 {
		if _, err := c.nodes[i%3].Propose(ctx, i%2, 1, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	before := [][]string{c.agree(0, 20), c.agree(1, 20)}
	for i := range c.nodes {
		c.restart(i)
	}
	for i := range 2 {
		if _, err := c.nodes[i].Propose(ctx, i, 1, []byte("after")); err != nil {
			t.Fatal(err)
		}
		if got := c.agree(i, 21); !reflect.DeepEqual(got, append(before[i], "after")) {
			t.Errorf("group %d after the restart: %v", i, got)
		}
		sameLogs(t, ctx, c, i)
	}
}

func TestGetInstanceValueErrors(t *testing.T) {
	c := newCluster(t, 1, 1, nil)
	n, ctx := c.nodes[0], await.Context(t)
	for i := range 3 {
		if _, err := n.Propose(ctx, 0, 1, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := n.GetInstanceValue(ctx, 0, 3)
	if !errors.Is(err, ErrNotChosenYet) || Code(err) != 1006 {
		t.Errorf("future: %v", err)
	}
	if _, err := n.GetInstanceValue(ctx, 1, 0); !errors.Is(err, ErrGroup) {
		t.Errorf("group: %v", err)
	}
	if err := c.stores[0].Drop(0, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := n.GetInstanceValue(ctx, 0, 1); !errors.Is(err, ErrNotExist) || Code(err) != 1005 {
		t.Errorf("trimmed: %v", err)
	}
	records := c.stores[0].groups[0].records
	for name, data := range map[string][]byte{"garbage": []byte("garbage"), "wrong instance": records[0]} {
		c.stores[0].mu.Lock()
		records[2] = data
		c.stores[0].mu.Unlock()
		if v, err := n.GetInstanceValue(ctx, 0, 2); !errors.Is(err, ErrStorage) || Code(err) != -1 {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	n.Close()
	if _, err := n.GetInstanceValue(ctx, 0, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A minority cannot decide: its callers wait, and what they gave up on may
// still be chosen later, once.
func TestNoQuorum(t *testing.T) { bubble(t, noQuorum) }

func noQuorum(t *testing.T) {
	c := newCluster(t, 3, 1, nil)
	if _, err := c.nodes[0].Propose(await.Context(t), 0, 1, []byte("first")); err != nil {
		t.Fatal(err)
	}
	c.agree(0, 1)
	alone := c.options[0].MyNode
	c.hub.cut(func(from, to nodeid.ID) bool { return from == alone || to == alone })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.nodes[0].Propose(ctx, 0, 1, []byte("lost"))
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if n := c.nodes[0].Count(event.CommitTimeout); n != 1 {
		t.Errorf("%d CommitTimeout events", n)
	}
	if _, err := c.nodes[1].Propose(await.Context(t), 0, 1, []byte("second")); err != nil {
		t.Fatal(err)
	}
	c.hub.cut(nil)
	if _, err := c.nodes[0].Propose(await.Context(t), 0, 1, []byte("third")); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, v := range c.agree(0, 3) {
		if seen[v]++; seen[v] > 1 {
			t.Errorf("%q was executed twice", v)
		}
	}
}

func TestStateMachineTroubles(t *testing.T) {
	noLeaks(t)
	boom := errors.New("boom")
	block, blocked := make(chan struct{}), make(chan struct{}, 1)
	var once sync.Once
	unblock := func() { once.Do(func() { close(block) }) }
	defer unblock()
	var mu sync.Mutex
	failures := 2
	c := newCluster(t, 1, 4, func(i int, o *Options) {
		o.StateMachines[0].(*register).before = func(e sm.Entry) error {
			switch string(e.Value) {
			case "panic":
				panic("told to")
			case "block":
				blocked <- struct{}{}
				<-block
			case "fail":
				mu.Lock()
				defer mu.Unlock()
				if failures--; failures >= 0 {
					return boom
				}
			}
			return nil
		}
	})
	n, ctx := c.nodes[0], await.Context(t)

	_, err := n.Propose(ctx, 0, 1, []byte("panic"))
	if !errors.Is(err, ErrGroupFailed) || !strings.Contains(err.Error(), "told to") {
		t.Errorf("panic: %v", err)
	}
	if _, err := n.GetInstanceValue(ctx, 0, 0); !errors.Is(err, ErrGroupFailed) {
		t.Errorf("value of a stopped group: %v", err)
	}

	_, err = n.Propose(ctx, 1, 1, []byte("fail"))
	if !errors.Is(err, ErrExecuteFailed) || !errors.Is(err, boom) || Code(err) != 15 {
		t.Errorf("fail: %v", err)
	}
	if _, err := n.Propose(ctx, 1, 1, []byte("next")); err != nil {
		t.Errorf("behind the failure: %v", err)
	}
	if got, want := c.machines[0].values(1), []string{"fail", "next"}; !reflect.DeepEqual(got, want) {
		t.Errorf("executed %v, want %v", got, want)
	}

	held := proposeAsync(ctx, n, 2, "block")
	<-blocked
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := n.Propose(short, 2, 1, []byte("behind")); !errors.Is(err, ErrTimeout) {
		t.Errorf("behind a blocked state machine: %v", err)
	}
	if _, err := n.Propose(ctx, 3, 1, []byte("other group")); err != nil {
		t.Errorf("another group: %v", err)
	}
	unblock()
	if got := <-held; got.err != nil && got.result.Instance != 0 {
		t.Errorf("blocked: %v", got.err)
	}
}

// A state machine that is added takes part from then on.
func TestAddStateMachine(t *testing.T) {
	c := newCluster(t, 1, 3, nil)
	n, ctx := c.nodes[0], await.Context(t)
	if _, err := n.Propose(ctx, 1, 2, []byte("early")); !errors.Is(err, ErrNoStateMachine) {
		t.Fatalf("unknown id: %v", err)
	}
	late := newRegister(2)
	if err := n.AddStateMachine(late, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(ctx, 1, 2, []byte("late")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(ctx, 0, 2, nil); !errors.Is(err, ErrNoStateMachine) {
		t.Fatalf("in another group: %v", err)
	}
	err := n.AddStateMachine(newRegister(2))
	if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), "group 1") || strings.Contains(err.Error(), "group 0") {
		t.Errorf("again, in all groups: %v", err)
	}
	if _, err := n.Propose(ctx, 0, 2, []byte("now")); err != nil {
		t.Errorf("group 0 has it now: %v", err)
	}
	for _, bad := range []sm.StateMachine{nil, newRegister(sm.System)} {
		if err := n.AddStateMachine(bad); !errors.Is(err, ErrOptions) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := n.AddStateMachine(newRegister(3), 0, 7); !errors.Is(err, ErrGroup) {
		t.Errorf("no such group: %v", err)
	}
}

// A follower learns and does not propose.
func TestFollower(t *testing.T) {
	c := newCluster(t, 3, 1, func(i int, o *Options) {
		o.Followers = []Follower{{Node: o.Nodes[2], Follows: o.Nodes[0]}}
		o.Nodes = o.Nodes[:2]
	})
	if _, err := c.nodes[2].Propose(await.Context(t), 0, 1, nil); !errors.Is(err, ErrFollower) || Code(err) != 16 {
		t.Errorf("got %v", err)
	}
}

// Close while everybody proposes: every caller gets an answer, and no
// goroutine stays.
func TestCloseUnderLoad(t *testing.T) {
	noLeaks(t)
	c := newCluster(t, 3, 5, nil)
	var wg sync.WaitGroup
	started := make(chan struct{}, 1000)
	for i, n := range c.nodes {
		for k := range 20 {
			wg.Go(func() {
				for {
					_, err := n.Propose(context.Background(), k%5, 1, []byte("load"))
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Errorf("node %d: %v", i, err)
						}
						return
					}
					select {
					case started <- struct{}{}:
					default:
					}
				}
			})
		}
	}
	for range 100 {
		<-started
	}
	for _, n := range c.nodes {
		wg.Go(func() { // also twice at once
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// The default network and storage, with a restart.
func TestRealClusters(t *testing.T) {
	for _, udp := range []int{0, 4096} {
		t.Run(fmt.Sprintf("udp %d", udp), func(t *testing.T) {
			noLeaks(t)
			all := freeIDs(t, 3)
			c := newCluster(t, 3, 3, func(i int, o *Options) {
				o.MyNode, o.Nodes, o.Network, o.LogStorage = all[i], all, nil, nil
				o.LogStoragePath, o.UDPMaxSize = t.TempDir(), udp
			})
			ctx := await.Context(t)
			large := bytes.Repeat([]byte("large "), 50000)
			var wg sync.WaitGroup
			for i, n := range c.nodes {
				for g := range 3 {
					wg.Go(func() {
						for v := range 5 {
							value := fmt.Appendf(nil, "%d/%d", i, v)
							if v == 3 {
								value = append(value, large...)
							}
							if _, err := n.Propose(ctx, g, 1, value); err != nil {
								t.Errorf("node %d, group %d: %v", i, g, err)
							}
						}
					})
				}
			}
			wg.Wait()
			c.agree(0, 15)
			c.restart(1)
			for g := range 3 {
				if _, err := c.nodes[1].Propose(ctx, g, 1, []byte("again")); err != nil {
					t.Fatal(err)
				}
				if n := len(c.agree(g, 16)); n != 16 {
					t.Errorf("group %d executed %d values", g, n)
				}
				sameLogs(t, ctx, c, g)
			}
		})
	}
}

// The largest value reaches the other nodes over the default network; one
// byte more is refused.
func TestLargestValue(t *testing.T) {
	noLeaks(t)
	all := freeIDs(t, 3)
	c := newCluster(t, 3, 1, func(i int, o *Options) { o.MyNode, o.Nodes, o.Network = all[i], all, nil })
	value := bytes.Repeat([]byte("x"), 10485760-packetOverhead-4+1)
	if _, err := c.nodes[0].Propose(await.Context(t), 0, 1, value); !errors.Is(err, ErrValueTooLarge) || Code(err) != 18 {
		t.Errorf("one too many: %v", err)
	}
	if _, err := c.nodes[0].Propose(await.Context(t), 0, 1, value[1:]); err != nil {
		t.Fatal(err)
	}
	if got := c.agree(0, 1); len(got[0]) != len(value)-1 {
		t.Errorf("%d bytes were executed", len(got[0]))
	}
}

// Callers that give up all the time get other callers' tickets mixed up with
// nothing: who succeeds finds the own value where the result says, and no
// value is executed twice.
func TestCancelStress(t *testing.T) {
	noLeaks(t)
	const callers, each = 20, 60
	c := newCluster(t, 3, 1, nil)
	type place struct {
		value string
		at    Result
	}
	places := make(chan place, callers*each)
	var wg sync.WaitGroup
	for k := range callers {
		wg.Go(func() {
			for v := range each {
				value := fmt.Sprintf("%d/%d", k, v)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(v*20)*time.Microsecond)
				r, err := c.nodes[k%3].Propose(ctx, 0, 1, []byte(value))
				cancel()
				if err == nil {
					places <- place{value, r}
				} else if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", value, err)
				}
			}
		})
	}
	wg.Wait()
	close(places)
	last, err := c.nodes[0].Propose(await.Context(t), 0, 1, []byte("last"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i := range last.Instance {
		entries, err := c.nodes[0].GetInstanceValue(await.Context(t), 0, i)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if seen[string(e.Value)]++; seen[string(e.Value)] > 1 {
				t.Errorf("%q was chosen twice", e.Value)
			}
		}
	}
	for p := range places {
		entries, err := c.nodes[0].GetInstanceValue(await.Context(t), 0, p.at.Instance)
		if err != nil || len(entries) <= p.at.Index || string(entries[p.at.Index].Value) != p.value {
			t.Fatalf("%q is not at %d.%d: %v", p.value, p.at.Instance, p.at.Index, err)
		}
	}
}

// Run on what it cannot use says why, and leaves nothing behind.
func TestRunFailures(t *testing.T) {
	options := func(t *testing.T) Options {
		me := freeIDs(t, 1)[0]
		return Options{MyNode: me, Nodes: []nodeid.ID{me}, LogStoragePath: t.TempDir(), GroupCount: 3}
	}
	for _, test := range []struct {
		name  string
		wreck func(t *testing.T, o *Options)
		want  []error
	}{
		{"path is a file", func(t *testing.T, o *Options) {
			o.LogStoragePath = filepath.Join(o.LogStoragePath, "file")
			if err := os.WriteFile(o.LogStoragePath, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, []error{ErrStorage}},
		{"path in use", func(t *testing.T, o *Options) {
			other := options(t)
			other.LogStoragePath = o.LogStoragePath
			n, err := Run(other)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { n.Close() })
		}, []error{ErrStorage, storage.ErrInUse}},
		{"port in use", func(t *testing.T, o *Options) {
			l, err := net.Listen("tcp4", o.MyNode.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, []error{ErrNetwork}},
		{"address of nobody", func(t *testing.T, o *Options) {
			id, err := nodeid.Parse("192.0.2.1:7777")
			if err != nil {
				t.Fatal(err)
			}
			o.MyNode, o.Nodes = id, []nodeid.ID{id}
		}, []error{ErrNetwork}},
		{"unreadable group", func(t *testing.T, o *Options) {
			m := newMemory(3)
			m.maxErrors = map[int]error{1: os.ErrPermission}
			o.LogStorage, o.LogStoragePath = m, ""
		}, []error{ErrStorage, os.ErrPermission}},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			o := options(t)
			test.wreck(t, &o)
			n, err := Run(o)
			if err == nil {
				n.Close()
				t.Fatal("it runs")
			}
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("%v does not match %v", err, want)
				}
			}
		})
	}
}

// A damaged log stops its group and no other.
func TestDamagedLog(t *testing.T) {
	for l, file := range map[LogLayout]string{
		LayoutOriginal: "g1/vfile/0.f",
		LayoutShared:   "shared/0000000000000001.log",
	} {
		t.Run(l.String(), func(t *testing.T) { testDamagedLog(t, l, file) })
	}
}

func testDamagedLog(t *testing.T, l LogLayout, file string) {
	noLeaks(t)
	dir := t.TempDir()
	me := freeIDs(t, 1)
	machine := newRegister(1)
	o := Options{
		MyNode: me[0], Nodes: me, LogStoragePath: dir, LogLayout: l, GroupCount: 3, Network: newHub().network(me[0]),
		StateMachines: []sm.StateMachine{machine},
	}
	n, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		for g := range 3 {
			if _, err := n.Propose(await.Context(t), g, 1, fmt.Appendf(nil, "a value of some length: %d of group %d", i, g)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, filepath.FromSlash(file))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(data, []byte("length: 3 of group 1"))
	data[at] ^= 0x20
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	o.Network = newHub().network(me[0])
	o.LogLayout = LayoutAuto // what is there is recognised
	if n, err = Run(o); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Propose(await.Context(t), 1, 1, nil); !errors.Is(err, ErrGroupFailed) || !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("damaged group: %v", err)
	}
	for _, g := range []int{0, 2} {
		if _, err := n.Propose(await.Context(t), g, 1, []byte("more")); err != nil {
			t.Errorf("group %d: %v", g, err)
		}
	}
}

// TestLogLayout: a directory keeps the layout that it has, and options that
// want the other one are refused.
func TestLogLayout(t *testing.T) {
	me := freeIDs(t, 1)
	run := func(dir string, l LogLayout) error {
		n, err := Run(Options{MyNode: me[0], Nodes: me, LogStoragePath: dir, LogLayout: l, Network: newHub().network(me[0])})
		if err == nil {
			err = n.Close()
		}
		return err
	}
	for _, first := range []LogLayout{LayoutAuto, LayoutOriginal, LayoutShared} {
		dir := t.TempDir()
		if err := run(dir, first); err != nil {
			t.Fatal(err)
		}
		is := first
		if first == LayoutAuto {
			is = LayoutShared
		}
		for l := range layouts {
			err := run(dir, l)
			if l == LayoutAuto || l == is {
				if err != nil {
					t.Errorf("%v after %v: %v", l, first, err)
				}
			} else if !errors.Is(err, ErrStorage) || !errors.Is(err, ErrLogLayout) || !strings.Contains(err.Error(), "phxpaxos_convert") {
				t.Errorf("%v after %v: %v, want a hint", l, first, err)
			}
		}
	}
}

// What Run failed with can be put right and tried again: nothing is held.
func TestRunAgain(t *testing.T) {
	noLeaks(t)
	me := freeIDs(t, 1)[0]
	o := Options{MyNode: me, Nodes: []nodeid.ID{me}, LogStoragePath: t.TempDir()}
	l, err := net.Listen("tcp4", me.String())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Run(o); err == nil {
		n.Close()
		t.Fatal("it runs on a port in use")
	}
	l.Close()
	for range 2 { // a closed node gives everything back, too
		n, err := Run(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Propose(await.Context(t), 0, sm.None, []byte("x")); err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
