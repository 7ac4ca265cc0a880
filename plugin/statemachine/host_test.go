package statemachine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/await"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine/ledger"
)

// unhurried is a time limit of a process that does what it has to. A test of a
// process that hangs sets a shorter one.
const unhurried = 10 * time.Minute

func load(dir, mode string, o statemachine.Options) (statemachine.Machine, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o.Env = append(o.Env, childMode+"="+mode, childDir+"="+dir)
	if o.CallTimeout == 0 {
		o.CallTimeout = unhurried
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = unhurried
	}
	if o.RestartPauseMin == 0 {
		o.RestartPauseMin, o.RestartPauseMax = time.Millisecond, 50*time.Millisecond
	}
	return statemachine.Load(path, o)
}

// lines is where a test finds what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// shows waits until all texts were logged.
func (l *lines) shows(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		await.Show(t, fmt.Sprintf("%q is logged", text), func() bool { return strings.Contains(l.String(), text) }, l.String)
	}
}

// driver does what a group does: it executes one instance after the other, and
// gives again what was lost.
type driver struct {
	t       *testing.T
	m       statemachine.Machine
	log     [][]sm.Entry
	woken   chan struct{}
	rewinds []uint64 // where the state ended each time
	why     []error  // errors that interrupted
	ahead   bool     // the state includes the instance under way
	twin    *ledger.Ledger
	lines   lines
	dir     string // of the process

	discards func() bool // whether nobody waits for the results of an instance; nil: somebody does
}

func newDriver(t *testing.T, mode string, o statemachine.Options) *driver {
	t.Helper()
	d := &driver{t: t, woken: make(chan struct{}, 1)}
	o.Logger = d.lines.logger()
	d.dir = t.TempDir()
	m, err := load(d.dir, mode, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	d.attach(m)
	if d.twin, err = ledger.Open("", 0); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *driver) attach(m statemachine.Machine) {
	d.m = m
	m.OnRewind(0, func() {
		select {
		case d.woken <- struct{}{}:
		default:
		}
	})
}

func instance(i uint64, values ...string) (entries []sm.Entry) {
	for n, v := range values {
		entries = append(entries, sm.Entry{Instance: i, Index: n, Last: n == len(values)-1, Value: []byte(v)})
	}
	return entries
}

// decide executes a new instance and compares the results with a ledger in
// this process.
func (d *driver) decide(values ...string) {
	d.t.Helper()
	entries := instance(uint64(len(d.log)), values...)
	discard := d.discards != nil && d.discards()
	for i := range entries {
		entries[i].Discard = discard
	}
	done := 0
	for end := time.Now().Add(await.Limit(d.t)); done < len(entries); {
		if d.rewind(entries[:done]) {
			if d.ahead {
				for _, e := range entries[done:] {
					d.twin.Execute(e)
				}
				break
			}
			results, err := d.m.ExecuteBatch(entries[done:], nil)
			for i, r := range results {
				want, _ := d.twin.Execute(entries[done+i])
				if !bytes.Equal(r, want) && !discard {
					d.t.Fatalf("instance %d entry %d: result %q, want %q", len(d.log), done+i, r, want)
				}
			}
			if done += len(results); err == nil {
				break
			}
			if !errors.Is(err, sm.ErrInterrupted) {
				d.t.Fatal(err)
			}
			d.why = append(d.why, err)
		}
		d.wait(end)
	}
	d.log, d.ahead = append(d.log, entries), false
}

func (d *driver) wait(end time.Time) {
	select {
	case <-d.woken:
	case <-time.After(20 * time.Millisecond): // a wake may have come before
	}
	if time.Now().After(end) {
		d.t.Fatalf("the machine does not come back; it was interrupted by %v; log: %s", d.why, &d.lines)
	}
}

// rewind gives again what was lost; partial is what is executed of the
// instance under way. It reports whether all of that went well.
func (d *driver) rewind(partial []sm.Entry) bool {
	to, ok := d.m.Rewound(0)
	if !ok {
		return true
	}
	d.rewinds = append(d.rewinds, to)
	if d.ahead = to != sm.NoCheckpoint && to >= uint64(len(d.log)); d.ahead {
		return true
	}
	again := append(append([][]sm.Entry(nil), d.log...), partial)
	for _, entries := range again[to+1:] {
		if len(entries) == 0 {
			continue
		}
		if _, err := d.m.ExecuteBatch(entries, nil); err != nil {
			d.why = append(d.why, err)
			return false
		}
	}
	return true
}

// query reads from the process, and gives it again what it has lost.
func (d *driver) query(request string) []byte {
	d.t.Helper()
	for end := time.Now().Add(await.Limit(d.t)); ; d.wait(end) {
		if !d.rewind(nil) {
			continue
		}
		ctx, cancel := context.WithTimeout(d.t.Context(), 5*time.Second)
		answer, err := d.m.Query(ctx, 0, []byte(request))
		cancel()
		if err == nil {
			return answer
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			d.t.Fatal(err)
		}
	}
}

// equal compares the state in the process with that of the ledger here.
func (d *driver) equal() {
	d.t.Helper()
	data := d.query("")
	var got ledger.State
	if err := json.Unmarshal(data, &got); err != nil {
		d.t.Fatal(err)
	}
	if want := d.twin.State(0); got != want {
		d.t.Fatalf("the process has %+v, want %+v", got, want)
	}
}

func TestShapes(t *testing.T) {
	for mode, want := range map[string][3]bool{
		"plain": {}, "checkpoints": {true, false, false}, "snapshots": {true, true, false},
		"changes": {false, false, true}, "checkpoints changes": {true, false, true}, "snapshots changes": {true, true, true},
	} {
		m, err := load(t.TempDir(), mode, statemachine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got [3]bool
		_, got[0] = m.(sm.Checkpointer)
		_, got[1] = m.(sm.Snapshotter)
		p, ok := m.(sm.BeforeProposer)
		if got[2] = ok; ok {
			if v := p.BeforePropose(3, []byte("v")); string(v) != "v, stamped in group 3" {
				t.Errorf("%s: value to propose is %q", mode, v)
			}
		}
		if got != want {
			t.Errorf("%s: checkpointer, snapshotter, proposer: %v, want %v", mode, got, want)
		}
		if m.ID() != ledger.ID {
			t.Errorf("%s: id %d", mode, m.ID())
		}
		if r, err := m.Execute(sm.Entry{Last: true, Value: []byte("v")}); err != nil || !strings.HasPrefix(string(r), "1 ") {
			t.Errorf("%s: executing: %q, %v", mode, r, err)
		}
		if _, err := m.Query(t.Context(), 0, nil); err == nil {
			t.Errorf("%s: a query is answered by a machine that has none", mode)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestResultsAndFailures(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	d.decide("a", "b", "c")
	results, err := d.m.ExecuteBatch(instance(1, "d", "e", "fail", "f"), nil)
	if len(results) != 2 || err == nil || errors.Is(err, sm.ErrInterrupted) || !strings.Contains(err.Error(), "disk is full") {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for _, e := range instance(1, "d", "e") {
		d.twin.Execute(sm.Entry{Instance: e.Instance, Index: e.Index, Value: e.Value})
	}
	d.equal()
	if _, err := d.m.Query(t.Context(), 0, []byte("fail")); err == nil || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("failing query: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.m.Query(ctx, 0, []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("query that takes too long for its caller: %v", err)
	}
	d.equal() // which was no reason to end the process
	if len(d.rewinds) != 0 {
		t.Errorf("the process was ended")
	}
}

// The first groups have a connection each, the others share one. All get what
// is theirs, also in the life after a crash.
func TestManyGroups(t *testing.T) {
	const groups = 700 // more than have connections of their own
	d := newDriver(t, "memory", statemachine.Options{})
	twin, err := ledger.Open("", 0)
	if err != nil {
		t.Fatal(err)
	}
	// execute brings an instance through a group, and before it all below that
	// a process has lost.
	execute := func(group int, instance uint64) error {
		next := instance
		for end := time.Now().Add(await.Limit(t)); time.Now().Before(end); {
			if to, ok := d.m.Rewound(group); ok {
				next = to + 1 // sm.NoCheckpoint is the highest number
			}
			entry := sm.Entry{Group: group, Instance: next, Last: true, Value: fmt.Appendf(nil, "%d of %d", next, group)}
			results, err := d.m.ExecuteBatch([]sm.Entry{entry}, nil)
			if errors.Is(err, sm.ErrInterrupted) {
				time.Sleep(time.Millisecond)
				continue
			}
			if err != nil || next == instance {
				want, _ := twin.Execute(entry)
				if err == nil && !bytes.Equal(results[0], want) {
					err = fmt.Errorf("group %d, instance %d: %q, want %q", group, instance, results[0], want)
				}
				return err
			}
			next++
		}
		return fmt.Errorf("group %d, instance %d: never", group, instance)
	}
	for instance := range uint64(3) {
		if instance == 2 {
			d.kill()
		}
		work := make(chan int)
		failed := make(chan error, groups)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for group := range work {
					if err := execute(group, instance); err != nil {
						failed <- err
					}
				}
			})
		}
		for group := range groups {
			work <- group
		}
		close(work)
		wg.Wait()
		close(failed)
		for err := range failed {
			t.Fatal(err)
		}
	}
}

func TestCheckpointsAreTold(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	c := d.m.(sm.Checkpointer)
	for i, want := range []uint64{sm.NoCheckpoint, sm.NoCheckpoint, 2, 2, 2, 5} {
		d.decide(fmt.Sprint(i))
		if got := c.CheckpointInstance(0); got != want {
			t.Errorf("after instance %d: checkpoint %d, want %d", i, int64(got), int64(want))
		}
	}
}

// A group that executes nothing hears of a new checkpoint, too: its log would
// not be cleaned otherwise.
func TestCheckpointsWhileIdle(t *testing.T) {
	dir := t.TempDir()
	m, err := load(dir, "late checkpoints", statemachine.Options{PingInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range uint64(3) {
		if _, err := m.ExecuteBatch(instance(i, "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	c := m.(sm.Checkpointer)
	if at := c.CheckpointInstance(0); at != sm.NoCheckpoint {
		t.Fatalf("checkpoint %d", at)
	}
	if err := os.WriteFile(filepath.Join(dir, "flushed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the checkpoint is 2", func() bool { return c.CheckpointInstance(0) == 2 })
}

func TestSnapshotsCrossProcesses(t *testing.T) {
	from, to := newDriver(t, "ledger", statemachine.Options{}), newDriver(t, "ledger", statemachine.Options{})
	for i := range 7 {
		from.decide(fmt.Sprint(i), "x")
	}
	s, err := from.m.(sm.Snapshotter).Snapshot(0)
	if err != nil || s.Instance != 5 || len(s.Files) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	from.kill()
	from.decide("meanwhile")
	to.decide("to be replaced")
	if err := to.m.(sm.Snapshotter).LoadSnapshot(0, s); err != nil {
		t.Fatal(err)
	}
	if at := to.m.(sm.Checkpointer).CheckpointInstance(0); at != 5 {
		t.Errorf("checkpoint is %d, want 5", at)
	}
	to.log, to.twin = from.log[:6], replayed(t, from.log[:6])
	to.equal()
	to.decide("6", "x")
	to.kill()
	to.decide("more")
	to.equal()
	s.Release() // of a life that is over
	s, err = from.m.(sm.Snapshotter).Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a released snapshot is still there: %v", err)
	}
	s.Dir = filepath.Join(s.Dir, "nothing")
	if err := to.m.(sm.Snapshotter).LoadSnapshot(0, s); err == nil {
		t.Error("a snapshot without files was loaded")
	}
	to.equal()
}

// A snapshot may include an instance whose answer is still under way.
func TestSnapshotBeforeTheAnswer(t *testing.T) {
	dir := t.TempDir()
	m, err := load(dir, "ledger", statemachine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range uint64(2) {
		if _, err := m.ExecuteBatch(instance(i, "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	answer := make(chan error, 1)
	go func() {
		_, err := m.ExecuteBatch(instance(2, "answer late"), nil) // the third one is durable
		answer <- err
	}()
	await.True(t, "a snapshot includes instance 2", func() bool {
		s, err := m.(sm.Snapshotter).Snapshot(0)
		if errors.Is(err, sm.ErrInterrupted) {
			t.Fatalf("snapshot of instance %d, %v", s.Instance, err)
		}
		return err == nil && s.Instance == 2
	})
	if err := os.WriteFile(filepath.Join(dir, "answer"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

func replayed(t *testing.T, log [][]sm.Entry) *ledger.Ledger {
	l, err := ledger.Open("", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, entries := range log {
		if _, err := l.ExecuteBatch(entries, nil); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestLogsOfTheProcess(t *testing.T) {
	var out lines
	m, err := load(t.TempDir(), "logs", statemachine.Options{Logger: out.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Execute(sm.Entry{Instance: 7, Value: []byte("v")}) // it has no ExecuteBatch, which does not matter here
	out.shows(t, `level=WARN msg="by slog"`, "instance=7", "value=v", `level=INFO msg="by standard error"`,
		`level=INFO msg="by standard output"`, `msg="{\"@message\": 5}"`, "msg=\"state machine runs\"")
}

func TestClosed(t *testing.T) {
	d := newDriver(t, "ledger", statemachine.Options{})
	d.decide("a")
	d.m.Close()
	d.m.Close()
	if _, err := d.m.Query(t.Context(), 0, nil); !errors.Is(err, statemachine.ErrClosed) {
		t.Errorf("query: %v", err)
	}
	if _, err := d.m.Execute(sm.Entry{Instance: 1}); !errors.Is(err, statemachine.ErrClosed) {
		t.Errorf("execute: %v", err)
	}
	if _, err := d.m.Execute(sm.Entry{Group: 5}); !errors.Is(err, statemachine.ErrClosed) {
		t.Errorf("execute in a new group: %v", err)
	}
	if strings.Contains(d.lines.String(), "level=ERROR") {
		t.Errorf("a clean end is logged as an error: %s", &d.lines)
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]statemachine.Options{
		"CallTimeout is -1s, must be 0 or more":                            {CallTimeout: -time.Second},
		"RestartPauseMin is 1h0m0s, must be at most RestartPauseMax = 10s": {RestartPauseMin: time.Hour},
	} {
		if _, err := statemachine.Load("/bin/true", o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestProgramsThatDoNotStart(t *testing.T) {
	for mode, want := range map[string]string{
		"exits":                         "exit status 3; it wrote: no data, no life",
		"says nothing":                  "not ready within 2s",
		"says nonsense":                 "Unrecognized remote plugin message: hello there",
		"says too much":                 "its first line has more than 16384 bytes",
		"other version":                 "Plugin version: 99, Client versions: [1]",
		"nobody listens":                "no such file or directory",
		"reserved id":                   "the id of the state machine is 100000001, which is reserved",
		"snapshots without checkpoints": "it has snapshots and no checkpoints",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			o := statemachine.Options{}
			if mode == "says nothing" {
				o.StartTimeout = 2 * time.Second
			}
			_, err := load(t.TempDir(), mode, o)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
	if _, err := statemachine.Load("/no/such/program", statemachine.Options{}); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("%v", err)
	}
}

func TestServeByHand(t *testing.T) {
	l, err := ledger.Open("", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := statemachine.Serve(l); !errors.Is(err, statemachine.ErrNoHost) {
		t.Errorf("%v", err)
	}
}
