package timer_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/timer"
)

func ExampleQueue() {
	const (
		prepare = iota + 1
		accept
		ask
	)
	var q timer.Queue // the zero value is ready
	q.Add(30*time.Millisecond, prepare)
	cancelled := q.Add(20*time.Millisecond, accept)
	q.Add(3*time.Second, ask)
	q.Remove(cancelled)

	now := 25 * time.Millisecond
	fmt.Println("wait", q.Wait(now))

	now = 40 * time.Millisecond
	for {
		id, kind, ok := q.Pop(now)
		if !ok {
			break
		}
		fmt.Println("due: id", id, "kind", kind)
	}
	fmt.Println("wait", q.Wait(now))
	// Output:
	// wait 5ms
	// due: id 1 kind 1
	// wait 2.96s
}

// The original's case 23: what was added comes back, with its id and kind.
func TestAdd(t *testing.T) {
	var q timer.Queue
	id := q.Add(30*time.Millisecond, 321)
	if id != 1 {
		t.Fatalf("first id is %d, want 1", id)
	}
	if _, _, ok := q.Pop(30*time.Millisecond - 1); ok {
		t.Fatal("popped a timer before its time")
	}
	gotID, kind, ok := q.Pop(30 * time.Millisecond)
	if !ok || gotID != id || kind != 321 {
		t.Fatalf("Pop = %d, %d, %v, want %d, 321, true", gotID, kind, ok, id)
	}
	if _, _, ok := q.Pop(time.Hour); ok {
		t.Fatal("popped the same timer twice")
	}
}

// The original's case 24: sleeping what Wait says, each timer is popped
// exactly at its time, until none is left.
func TestPopSleepingWait(t *testing.T) {
	var q timer.Queue
	rnd := rand.New(rand.NewPCG(1, 2))
	due := map[uint64]time.Duration{}
	for range 10 {
		at := time.Duration(rnd.IntN(500)) * time.Millisecond
		due[q.Add(at, 0)] = at
	}
	now, popped := time.Duration(0), 0
	for wait := q.Wait(now); wait >= 0; wait = q.Wait(now) {
		now += wait
		id, _, ok := q.Pop(now)
		if !ok {
			t.Fatalf("nothing due at %v, although Wait said so", now)
		}
		if due[id] != now {
			t.Fatalf("timer %d popped at %v, due at %v", id, now, due[id])
		}
		popped++
	}
	if popped != 10 {
		t.Fatalf("popped %d timers, want 10", popped)
	}
}

func TestEqualTimesPopInOrderOfID(t *testing.T) {
	var q timer.Queue
	for kind := range 100 {
		q.Add(time.Second, kind)
	}
	for want := range 100 {
		id, kind, ok := q.Pop(time.Second)
		if !ok || kind != want || id != uint64(want+1) {
			t.Fatalf("Pop = %d, %d, %v, want id %d", id, kind, ok, want+1)
		}
	}
}

func TestEmpty(t *testing.T) {
	var q timer.Queue
	if q.Remove(0) || q.Remove(1) {
		t.Error("removed a timer from an empty queue")
	}
	if _, _, ok := q.Pop(math.MaxInt64); ok {
		t.Error("popped from an empty queue")
	}
	if _, ok := q.Next(); ok {
		t.Error("an empty queue has a next timer")
	}
	if w := q.Wait(0); w != -1 {
		t.Errorf("Wait = %d, want -1", w)
	}
}

func TestWaitOverdueIsZero(t *testing.T) {
	var q timer.Queue
	q.Add(-time.Second, 0) // before the clock's origin is a time like any other
	if w := q.Wait(0); w != 0 {
		t.Fatalf("Wait = %v, want 0", w)
	}
	if at, ok := q.Next(); !ok || at != -time.Second {
		t.Fatalf("Next = %v, %v", at, ok)
	}
}

func TestRemovedTimerIsGone(t *testing.T) {
	var q timer.Queue
	first := q.Add(1, 0)
	q.Add(5, 0)
	if !q.Remove(first) {
		t.Fatal("Remove of an armed timer reports false")
	}
	if q.Remove(first) {
		t.Fatal("Remove of a removed timer reports true")
	}
	if q.Len() != 1 || q.Wait(0) != 5 {
		t.Fatalf("Len %d Wait %v, want 1 and 5: a removed timer still wakes its owner", q.Len(), q.Wait(0))
	}
}

func TestIDsAreNeverReused(t *testing.T) {
	var q timer.Queue
	a := q.Add(1, 0)
	q.Remove(a)
	q.Clear()
	if b := q.Add(1, 0); b <= a {
		t.Fatalf("id %d after id %d", b, a)
	}
}

// model is the obvious implementation: an unsorted list.
type model []timer.Timer

func (m *model) pop(now time.Duration) (timer.Timer, bool) {
	if len(*m) == 0 {
		return timer.Timer{}, false
	}
	first := slices.MinFunc(*m, func(a, b timer.Timer) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID))
	})
	if first.At > now {
		return timer.Timer{}, false
	}
	m.remove(first.ID)
	return first, true
}

func (m *model) remove(id uint64) bool {
	n := len(*m)
	*m = slices.DeleteFunc(*m, func(t timer.Timer) bool { return t.ID == id })
	return len(*m) < n
}

// A long random life of a queue is the same as that of a list.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var q timer.Queue
		var m model
		now, last := time.Duration(0), uint64(0)
		limit := 1 + rnd.IntN(200)
		for step := range 2000 {
			now += time.Duration(rnd.IntN(3))
			switch op := rnd.IntN(10); {
			case op < 4 && len(m) < limit:
				at := now + time.Duration(rnd.IntN(limit))
				last = q.Add(at, step)
				m = append(m, timer.Timer{ID: last, At: at, Kind: step})
			case op < 7:
				id := rnd.Uint64N(last + 2)
				if len(m) > 0 && rnd.IntN(2) == 0 {
					id = m[rnd.IntN(len(m))].ID
				}
				if got, want := q.Remove(id), m.remove(id); got != want {
					t.Fatalf("seed %d step %d: Remove(%d) = %v, want %v", seed, step, id, got, want)
				}
			default:
				id, kind, ok := q.Pop(now)
				want, wantOK := m.pop(now)
				if id != want.ID || kind != want.Kind || ok != wantOK {
					t.Fatalf("seed %d step %d: Pop(%v) = %d, %d, %v, want %+v, %v", seed, step, now, id, kind, ok, want, wantOK)
				}
			}
			compare(t, &q, m, now)
		}
	}
}

func compare(t *testing.T, q *timer.Queue, m model, now time.Duration) {
	t.Helper()
	if q.Len() != len(m) {
		t.Fatalf("Len = %d, want %d", q.Len(), len(m))
	}
	want := time.Duration(-1)
	for _, e := range m {
		if d := max(0, e.At-now); want < 0 || d < want {
			want = d
		}
	}
	if got := q.Wait(now); got != want {
		t.Fatalf("Wait(%v) = %v, want %v", now, got, want)
	}
	got := q.Timers(nil)
	byID := func(a, b timer.Timer) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(got, byID)
	sorted := slices.SortedFunc(slices.Values(m), byID)
	if !slices.Equal(got, sorted) {
		t.Fatalf("armed %v, want %v", got, sorted)
	}
}

func TestNoAllocationInSteadyState(t *testing.T) {
	var q timer.Queue
	for i := range 100 {
		q.Add(time.Duration(i), 0)
	}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(10000, func() {
		now++
		id := q.Add(now+50, 1)
		q.Add(now+100, 2)
		q.Remove(id)
		q.Pop(now)
	}); n != 0 {
		t.Fatalf("%v allocations per turn, want 0", n)
	}
}

func BenchmarkAddRemove(b *testing.B) {
	for _, armed := range []int{10, 1000} {
		b.Run(fmt.Sprintf("armed=%d", armed), func(b *testing.B) {
			var q timer.Queue
			for i := range armed {
				q.Add(time.Duration(i)*time.Second, 0)
			}
			b.ReportAllocs()
			now := time.Duration(0)
			for b.Loop() {
				now++
				q.Remove(q.Add(now, 1))
			}
		})
	}
}
