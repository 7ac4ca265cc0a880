package phxpaxos

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/feature"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// script is a machine that does what a test says. It keeps proposals until
// the test lets it finish them.
type script struct {
	env group.Env

	mu      sync.Mutex
	log     []string // the inputs
	held    []*group.Ticket
	release bool // finish what is held at the next flush
	trouble func(input string)
	err     error
	now     uint64

	unhurried bool
}

func (s *script) input(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.log = append(s.log, line)
	trouble := s.trouble
	s.mu.Unlock()
	if trouble != nil {
		trouble(line)
	}
}

func (s *script) has(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.log {
		if strings.HasPrefix(l, line) {
			return true
		}
	}
	return false
}

func (s *script) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *script) Propose(t *group.Ticket) {
	s.input("propose %s", t.Value)
	s.set(func() { s.held = append(s.held, t) })
}

func (s *script) Cancel(t *group.Ticket, err error) {
	s.input("cancel %s", t.Value)
	s.set(func() {
		for i, h := range s.held {
			if h == t {
				s.held = append(s.held[:i], s.held[i+1:]...)
				t.Err = err
				s.env.Finish(t)
				return
			}
		}
	})
}

func (s *script) Receive(p []byte) { s.input("receive") }
func (s *script) Saved(seq uint64) { s.input("saved %d", seq) }
func (s *script) SaveFailed(seq uint64, e error) {
	s.input("failed %d", seq)
	s.set(func() { s.err = e })
}
func (s *script) Tick(time.Duration)      {}
func (s *script) Deadline() time.Duration { return 1<<63 - 1 }

func (s *script) HandBack()   {}
func (s *script) Level() bool { return true }

func (s *script) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.release {
		return
	}
	for i, t := range s.held {
		t.Instance, t.Index, t.Result = 7, i, []byte("done")
		s.env.Finish(t)
	}
	s.held = nil
}

func (s *script) Close() {
	s.input("close")
	s.set(func() {
		for _, t := range s.held {
			t.Err = ErrClosed
			s.env.Finish(t)
		}
		s.held, s.err = nil, ErrClosed
	})
}

func (s *script) Instance() uint64  { s.mu.Lock(); defer s.mu.Unlock(); return s.now }
func (s *script) Readable() uint64  { return 0 }
func (s *script) MinChosen() uint64 { return 0 }
func (s *script) Highest() uint64   { return 0 }
func (s *script) Unhurried() bool   { s.mu.Lock(); defer s.mu.Unlock(); return s.unhurried }
func (s *script) Err() error        { s.mu.Lock(); defer s.mu.Unlock(); return s.err }

func (s *script) AddStateMachine(m sm.StateMachine) error { s.input("add %d", m.ID()); return nil }
func (s *script) Early() bool                             { return false }
func (s *script) SendEarly()                              {}
func (s *script) SetSync(sync bool, interval int)         { s.input("sync %v %d", sync, interval) }
func (s *script) SetBatch(n, bytes int, d time.Duration)  { s.input("batch %d %d %v", n, bytes, d) }

func (s *script) Membership() ([]nodeid.ID, uint64)                 { return ids(1), NoVersion }
func (s *script) ChangeMembers(t *group.Ticket, _, _ nodeid.ID)     { s.Propose(t) }
func (s *script) Master() (nodeid.ID, uint64, time.Duration)        { return nodeid.None, NoVersion, 0 }
func (s *script) HandMaster(t *group.Ticket, _ nodeid.ID)           { s.Propose(t) }
func (s *script) SetMasterLease(d time.Duration)                    { s.input("lease %v", d) }
func (s *script) Ahead(node nodeid.ID, instance uint64)             { s.input("ahead %d", instance) }
func (s *script) Cover(nodes []nodeid.ID)                           { s.input("cover %d", len(nodes)) }
func (s *script) Features() feature.State                           { return feature.Initial() }
func (s *script) SetFeatures(f feature.State)                       { s.input("features %d", f.Level) }
func (s *script) RestrictFeatures(t *group.Ticket, _ feature.Level) { s.Propose(t) }
func (s *script) Read(t *group.Ticket)                              { s.Propose(t) }
func (s *script) JobDone(r group.JobResult)                         { s.input("job %d %v", r.Kind, r.Err) }
func (s *script) Progress() group.Progress                          { return group.Progress{} }
func (s *script) SetHold(n uint64)                                  { s.input("hold %d", n) }
func (s *script) PauseCleaning(paused bool)                         { s.input("pause cleaning %v", paused) }
func (s *script) PauseReplayer(paused bool)                         { s.input("pause replayer %v", paused) }
func (s *script) Compare(nodeid.ID, wire.Standing)                  {}
func (s *script) Standing() wire.Standing                           { return wire.Standing{Instance: s.Instance()} }

// scripted runs a node whose groups are scripts.
func scripted(t *testing.T, groups int, change func(o *Options)) (*Node, []*script) {
	t.Helper()
	noLeaks(t)
	scripts := make([]*script, groups)
	for i := range scripts {
		scripts[i] = &script{}
	}
	o := Options{MyNode: ids(1)[0], Nodes: ids(1), GroupCount: groups, LogStorage: newMemory(groups), Network: newHub().network(ids(1)[0])}
	if change != nil {
		change(&o)
	}
	o = o.withDefaults()
	n, err := run(&o, func(l *loop) (machine, error) {
		scripts[l.index].env = env{l}
		return scripts[l.index], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n, scripts
}

type outcome struct {
	result Result
	err    error
}

func proposeAsync(ctx context.Context, n *Node, group int, value string) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		r, err := n.Propose(ctx, group, 1, []byte(value))
		out <- outcome{r, err}
	}()
	return out
}

func TestLoopPropose(t *testing.T) {
	n, s := scripted(t, 1, nil)
	s[0].release = true
	r, err := n.Propose(await.Context(t), 0, 1, []byte("x"))
	if err != nil || r.Instance != 7 || r.Index != 0 || string(r.Output) != "done" {
		t.Fatalf("got %+v, %v", r, err)
	}
	rs, err := n.BatchPropose(await.Context(t), 0, []Entry{{1, []byte("a")}, {1, []byte("b")}, {sm.None, nil}})
	if err != nil || len(rs) != 3 || rs[2].Index != 2 {
		t.Fatalf("got %+v, %v", rs, err)
	}
	for _, k := range []event.Kind{event.CommitStart, event.CommitOK, event.BatchStart, event.BatchOK} {
		if n.Count(k) != 1 {
			t.Errorf("%v counted %d", k, n.Count(k))
		}
	}
}

// A caller that gives up gets an answer at once that tells both stories, its
// ticket is cancelled, and the value that the group may still hold is not the
// caller's.
func TestLoopCancel(t *testing.T) {
	n, s := scripted(t, 1, nil)
	ctx, cancel := context.WithCancel(context.Background())
	out := proposeAsync(ctx, n, 0, "x")
	await.True(t, "the proposal reaches the group", func() bool { return s[0].has("propose x") })
	cancel()
	got := <-out
	if !errors.Is(got.err, ErrTimeout) || !errors.Is(got.err, context.Canceled) || Code(got.err) != 404 {
		t.Fatalf("got %v", got.err)
	}
	if !strings.Contains(got.err.Error(), "unknown") {
		t.Errorf("%q does not say that the outcome is unknown", got.err)
	}
	await.True(t, "the ticket is cancelled", func() bool { return s[0].has("cancel x") })
}

func TestLoopContextCause(t *testing.T) {
	n, s := scripted(t, 1, nil)
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(context.Background())
	out := proposeAsync(ctx, n, 0, "x")
	await.True(t, "the proposal reaches the group", func() bool { return s[0].has("propose x") })
	cancel(cause)
	got := <-out
	if !errors.Is(got.err, ErrTimeout) || !errors.Is(got.err, context.Canceled) || !errors.Is(got.err, cause) {
		t.Fatalf("got %v", got.err)
	}
	_, err := n.Propose(ctx, 0, 1, []byte("y"))
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "nothing was proposed") {
		t.Fatalf("ctx was done before: got %v", err)
	}
	if s[0].has("propose y") {
		t.Error("proposed all the same")
	}
}

// Options.ProposeTimeout works also while a state machine blocks the group.
func TestLoopProposeTimeout(t *testing.T) {
	n, s := scripted(t, 1, func(o *Options) { o.ProposeTimeout = time.Hour })
	if err := n.SetTimeout(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	s[0].set(func() { s[0].trouble = func(string) { <-release } })
	defer close(release)
	for range 2 {
		if _, err := n.Propose(context.Background(), 0, 1, []byte("x")); !errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
}

// A panic stops its group and no other; everybody who waits gets the reason.
func TestLoopPanic(t *testing.T) {
	for name, trouble := range map[string]func(){
		"value":  func() { panic("at the disco") },
		"error":  func() { panic(storage.ErrFailed) },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			n, s := scripted(t, 2, nil)
			first := proposeAsync(context.Background(), n, 0, "x")
			await.True(t, "the proposal reaches the group", func() bool { return s[0].has("propose x") })
			s[0].set(func() {
				s[0].trouble = func(in string) {
					if in == "propose y" {
						trouble()
					}
				}
			})
			second := proposeAsync(context.Background(), n, 0, "y")
			for _, out := range []<-chan outcome{first, second} {
				if got := <-out; !errors.Is(got.err, ErrGroupFailed) || Code(got.err) != -1 {
					t.Errorf("got %v", got.err)
				} else if name == "error" && !errors.Is(got.err, storage.ErrFailed) {
					t.Errorf("%v does not match what was panicked with", got.err)
				}
			}
			if _, err := n.Propose(context.Background(), 0, 1, []byte("z")); !errors.Is(err, ErrGroupFailed) {
				t.Errorf("later: %v", err)
			}
			if err := n.GroupError(0); !errors.Is(err, ErrGroupFailed) {
				t.Errorf("GroupError: %v", err)
			}
			if err := n.SetLogSync(0, true, 0); !errors.Is(err, ErrGroupFailed) {
				t.Errorf("setter: %v", err)
			}
			if n.Count(event.GroupFailed) != 1 {
				t.Errorf("%d GroupFailed events", n.Count(event.GroupFailed))
			}
			s[1].set(func() { s[1].release = true })
			if _, err := n.Propose(await.Context(t), 1, 1, []byte("x")); err != nil {
				t.Errorf("the other group: %v", err)
			}
		})
	}
}

// A group that stops by itself takes its callers with it.
func TestLoopSaveFailure(t *testing.T) {
	boom := errors.New("boom")
	n, s := scripted(t, 1, nil)
	store := n.store.(*memory)
	store.hook = func([]storage.Put) error { return boom }
	out := proposeAsync(context.Background(), n, 0, "x")
	await.True(t, "the proposal reaches the group", func() bool { return s[0].has("propose x") })
	s[0].env.Save(group.Save{Seq: 1, Data: []byte("d")})
	if got := <-out; !errors.Is(got.err, ErrGroupFailed) || !errors.Is(got.err, ErrStorage) || !errors.Is(got.err, boom) {
		t.Fatalf("got %v", got.err)
	}
}

// Close ends what waits in the group and in the gate.
func TestLoopClose(t *testing.T) {
	n, s := scripted(t, 1, func(o *Options) { o.Batch.CountMax = 1 })
	var outs []<-chan outcome
	for i := range 5 {
		outs = append(outs, proposeAsync(context.Background(), n, 0, fmt.Sprint(i)))
	}
	await.True(t, "three wait in the gate", func() bool {
		waiting, _, _ := n.loops[0].gate.Stats()
		s[0].mu.Lock()
		defer s[0].mu.Unlock()
		return waiting == 3 && len(s[0].held) == 2
	})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for _, out := range outs {
		if got := <-out; !errors.Is(got.err, ErrClosed) {
			t.Errorf("got %v", got.err)
		}
	}
	if !s[0].has("close") {
		t.Error("the group was not closed")
	}
	if _, err := n.Propose(context.Background(), 0, 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Propose after Close: %v", err)
	}
	if err := n.AddStateMachine(newRegister(3)); !errors.Is(err, ErrClosed) {
		t.Errorf("AddStateMachine after Close: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// Options.MaxHoldThreads refuses who comes too many.
func TestLoopHold(t *testing.T) {
	n, _ := scripted(t, 1, func(o *Options) { o.Batch.CountMax, o.MaxHoldThreads = 1, 2 })
	for i := range 4 {
		proposeAsync(context.Background(), n, 0, fmt.Sprint(i))
	}
	await.True(t, "two wait", func() bool {
		waiting, _, _ := n.loops[0].gate.Stats()
		return waiting == 2
	})
	if _, err := n.Propose(context.Background(), 0, 1, nil); !errors.Is(err, ErrBusy) || Code(err) != 405 {
		t.Fatalf("got %v", err)
	}
	if n.Count(event.CommitGateReject) != 1 {
		t.Error("not counted")
	}
	if err := n.SetMaxHoldThreads(0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := n.Propose(ctx, 0, 1, nil)
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nothing was proposed") {
		t.Fatalf("got %v", err)
	}
	if n.Count(event.CommitGateTimeout) != 1 {
		t.Error("gate timeout not counted")
	}
}

// What is refused without asking the group.
func TestProposeRefused(t *testing.T) {
	n, s := scripted(t, 2, nil)
	ctx := await.Context(t)
	large := make([]byte, 10485760-packetOverhead-4+1)
	for _, test := range []struct {
		name  string
		group int
		id    sm.ID
		value []byte
		want  error
	}{
		{"group negative", -1, 1, nil, ErrGroup},
		{"group too high", 2, 1, nil, ErrGroup},
		{"too large", 0, 1, large, ErrValueTooLarge},
		{"reserved", 0, sm.Batch, nil, ErrNoStateMachine},
	} {
		if _, err := n.Propose(ctx, test.group, test.id, test.value); !errors.Is(err, test.want) {
			t.Errorf("%s: Propose: %v", test.name, err)
		}
		if rs, err := n.BatchPropose(ctx, test.group, []Entry{{1, nil}, {test.id, test.value}}); !errors.Is(err, test.want) || rs != nil {
			t.Errorf("%s: BatchPropose: %v, %v", test.name, rs, err)
		}
	}
	if rs, err := n.BatchPropose(ctx, 0, nil); rs != nil || err != nil {
		t.Errorf("empty batch: %v, %v", rs, err)
	}
	if _, err := n.BatchPropose(ctx, 9, nil); !errors.Is(err, ErrGroup) {
		t.Errorf("empty batch in no group: %v", err)
	}
	if s[0].has("propose") {
		t.Error("a refused value reached the group")
	}
}

func TestSetters(t *testing.T) {
	n, s := scripted(t, 1, nil)
	for name, call := range map[string]func(group int, bad bool) error{
		"SetMaxHoldThreads": func(g int, bad bool) error { return n.SetMaxHoldThreads(g, pick(bad, -1, 3)) },
		"SetProposeWaitTimeThreshold": func(g int, bad bool) error {
			return n.SetProposeWaitTimeThreshold(g, time.Duration(pick(bad, -1, 3)))
		},
		"SetLogSync": func(g int, bad bool) error { return n.SetLogSync(g, false, pick(bad, -1, 3)) },
		"SetBatch":   func(g int, bad bool) error { return n.SetBatch(g, Batch{CountMax: pick(bad, -1, 3)}) },
		"SetMasterLease": func(g int, bad bool) error {
			return n.SetMasterLease(g, time.Duration(pick(bad, 0, 2))*time.Second)
		},
		"SetTimeout": func(_ int, bad bool) error { return n.SetTimeout(time.Duration(pick(bad, -1, 3))) },
	} {
		if err := call(0, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := call(0, true); !errors.Is(err, ErrOptions) {
			t.Errorf("%s, bad value: %v", name, err)
		}
		if err := call(1, false); name != "SetTimeout" && !errors.Is(err, ErrGroup) {
			t.Errorf("%s, bad group: %v", name, err)
		}
	}
	if err := n.AddStateMachine(newRegister(5)); err != nil {
		t.Error(err)
	}
	// AddStateMachine waits for its turn, and the inputs before it came first.
	for _, want := range []string{"add 5", "sync false 3", "batch 3 1048576 0s", "lease 2s"} {
		if !s[0].has(want) {
			t.Errorf("the group was not told %q", want)
		}
	}
}

func pick(bad bool, yes, no int) int {
	if bad {
		return yes
	}
	return no
}

// Packets that name no group of ours are counted and dropped.
func TestReceive(t *testing.T) {
	n, s := scripted(t, 2, nil)
	n.receive([]byte{1, 0, 0, 0})
	n.receive(nil)
	n.receive([]byte{2, 0, 0, 0, 0, 0, 9})
	n.receive([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 9})
	n.receive([]byte{1, 0, 0, 0, 0, 0, 9})
	await.True(t, "the packet arrives", func() bool { return s[1].has("receive") })
	for kind, want := range map[event.Kind]uint64{event.PacketShort: 2, event.PacketBadGroup: 2, event.Enqueue: 1} {
		if got := n.Count(kind); got != want {
			t.Errorf("%v: %d, want %d", kind, got, want)
		}
	}
	s[1].set(func() { s[1].trouble = func(string) { panic("bad packet") } })
	n.receive([]byte{1, 0, 0, 0, 0, 0, 9})
	await.True(t, "the group stops", func() bool { return n.GroupError(1) != nil })
	if n.GroupError(0) != nil {
		t.Error("the other stopped too")
	}
}

// A reply of a decided round, and what the disk reports while only the own vote
// waits for it, come along with the next input, and wake nobody.
func TestSomeInputsWait(t *testing.T) {
	n, s := scripted(t, 1, nil)
	s[0].set(func() { s[0].now, s[0].unhurried = 5, true })
	l := n.loops[0]
	turn := func() {
		if err := l.do(func(machine) {}); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	await.True(t, "the turn has ended", func() bool {
		l.inbox.mu.Lock()
		defer l.inbox.mu.Unlock()
		return l.inbox.unhurried && !l.inbox.rung
	})
	n.receive(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 1, CRC: true}, &paxos.Message{Kind: paxos.AcceptReply, Instance: 4, From: 2}))
	l.inbox.saved(3)
	l.inbox.mu.Lock()
	rung, late, saved := l.inbox.rung, len(l.inbox.in.late), l.inbox.in.saved
	l.inbox.mu.Unlock()
	if rung || late != 1 || saved != 3 {
		t.Fatalf("rung %v, %d late, saved %d", rung, late, saved)
	}
	turn()
	if !s[0].has("saved 3") {
		t.Error("the next turn lacks what the disk reported")
	}
	await.True(t, "the reply comes with the next turn", func() bool { return s[0].has("receive") })
	n.receive(wire.AppendMessage(nil, wire.Header{Group: 0, Cluster: 1, CRC: true}, &paxos.Message{Kind: paxos.AcceptReply, Instance: 5, From: 2}))
	await.True(t, "a reply of the current instance wakes", func() bool {
		s[0].mu.Lock()
		defer s[0].mu.Unlock()
		return strings.Count(strings.Join(s[0].log, "\n"), "receive") == 2
	})
}

// Whatever keeps a group from opening, nothing is left behind; a damaged log
// alone does not keep the node from starting.
func TestOpenFailures(t *testing.T) {
	boom := errors.New("boom")
	for name, test := range map[string]struct {
		fail   func() error
		fenced bool
		want   error
	}{
		"error":   {func() error { return boom }, false, boom},
		"damaged": {func() error { return fmt.Errorf("group 3: %w", storage.ErrDamaged) }, true, storage.ErrDamaged},
		"failed":  {func() error { return fmt.Errorf("%w: %w", ErrGroupFailed, boom) }, true, boom},
		"panic":   {func() error { panic(boom) }, true, boom},
		"goexit":  {func() error { runtime.Goexit(); return nil }, false, errGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			o := Options{MyNode: ids(1)[0], Nodes: ids(1), GroupCount: 100, LogStorage: newMemory(100), Network: newHub().network(ids(1)[0])}
			o = o.withDefaults()
			scripts := make([]*script, 100)
			n, err := run(&o, func(l *loop) (machine, error) {
				if l.index == 3 {
					return nil, test.fail()
				}
				s := &script{env: env{l}, release: true}
				scripts[l.index] = s
				return s, nil
			})
			if !test.fenced {
				if n != nil || !errors.Is(err, test.want) {
					t.Fatalf("got %v, %v", n, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			_, err = n.Propose(await.Context(t), 3, 1, nil)
			if !errors.Is(err, ErrGroupFailed) || !errors.Is(err, test.want) {
				t.Errorf("Propose: %v", err)
			}
			if _, err := n.GetInstanceValue(await.Context(t), 3, 0); !errors.Is(err, ErrGroupFailed) {
				t.Errorf("GetInstanceValue: %v", err)
			}
			if n.Count(event.GroupFailed) != 1 {
				t.Errorf("%d GroupFailed events", n.Count(event.GroupFailed))
			}
			if _, err := n.Propose(await.Context(t), 4, 1, nil); err != nil {
				t.Errorf("the next group: %v", err)
			}
		})
	}
}
