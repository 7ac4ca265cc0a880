package phxpaxos

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

func newInbox(packets, bytes int) *inbox {
	b := &inbox{}
	b.init(packets, bytes)
	return b
}

func (in *inputs) empty() bool {
	return in.saved == 0 && in.failed == nil && len(in.calls) == 0 && len(in.proposals) == 0 &&
		len(in.cancels) == 0 && len(in.packets) == 0 && len(in.late) == 0 && !in.closing
}

func rung(b *inbox) bool {
	select {
	case <-b.wake:
		return true
	default:
		return false
	}
}

func TestInboxPacketLimits(t *testing.T) {
	b := newInbox(3, 10)
	for i, test := range []struct {
		size int
		want bool
	}{{100, true}, {1, false}} {
		if got := b.packet(make([]byte, test.size)); got != test.want {
			t.Errorf("large, packet %d of %d bytes: got %v", i, test.size, got)
		}
	}
	b.recycle(b.take())
	for i, test := range []struct {
		size int
		want bool
	}{{4, true}, {4, true}, {3, false}, {2, true}, {0, false}} {
		if got := b.packet(make([]byte, test.size)); got != test.want {
			t.Errorf("packet %d of %d bytes: got %v", i, test.size, got)
		}
	}
	// A full mailbox takes everything else.
	b.saved(3)
	b.saved(2)
	if err := b.propose(&proposal{}); err != nil {
		t.Error(err)
	}
	b.saveFailed(9, errors.New("later"))
	b.saveFailed(5, errors.New("first"))
	b.saveFailed(7, errors.New("between"))
	in := b.take()
	if in.saved != 3 || in.failed.seq != 5 || len(in.proposals) != 1 || len(in.packets) != 3 {
		t.Errorf("took %+v", in)
	}
}

func TestInboxWakes(t *testing.T) {
	b := newInbox(10, 1000)
	if rung(b) {
		t.Fatal("woken for nothing")
	}
	b.packet([]byte("a"))
	b.packet([]byte("b"))
	if !rung(b) || rung(b) {
		t.Fatal("want one wake-up")
	}
	b.recycle(b.take())
	for name, put := range map[string]func(){
		"saved":   func() { b.saved(1) },
		"failed":  func() { b.saveFailed(1, ErrStorage) },
		"propose": func() { _ = b.propose(&proposal{}) },
		"cancel":  func() { b.cancel(&proposal{}, ErrTimeout) },
		"call":    func() { _ = b.put(func(in *inputs) { in.calls = append(in.calls, func(machine) {}) }) },
		"close":   func() { b.close() },
	} {
		put()
		if !rung(b) {
			t.Errorf("%s does not wake", name)
		}
		in := b.take()
		if in.empty() {
			t.Errorf("%s is not there", name)
		}
		b.recycle(in)
	}
}

func TestInboxShut(t *testing.T) {
	b := newInbox(10, 1000)
	p := &proposal{}
	if err := b.propose(p); err != nil {
		t.Fatal(err)
	}
	late := b.shut(ErrClosed)
	if !slices.Equal(late.proposals, []*proposal{p}) {
		t.Errorf("late are %v", late.proposals)
	}
	b.shut(ErrGroupFailed) // the first reason counts
	if err := b.propose(p); !errors.Is(err, ErrClosed) {
		t.Errorf("propose: %v", err)
	}
	if b.packet([]byte("x")) {
		t.Error("took a packet")
	}
	b.saved(1)
	if in := b.take(); !in.empty() {
		t.Errorf("took %+v", in)
	}
}

// What can wait does not wake, and comes with what cannot.
func TestInboxLetsSomeWait(t *testing.T) {
	b := newInbox(10, 1000)
	b.noHurry()
	data := []byte("late")
	b.latePacket(data)
	b.saved(5)
	data[0] = 'x'
	if rung(b) {
		t.Fatal("woken for what can wait")
	}
	b.packet([]byte("a"))
	if !rung(b) {
		t.Fatal("what waits keeps others from waking")
	}
	in := b.take()
	if in.saved != 5 || len(in.packets) != 1 || len(in.late) != 1 || string(in.late[0]) != "late" {
		t.Errorf("took %+v", in)
	}
	b.recycle(in)
	if b.saved(6); !rung(b) {
		t.Error("a new turn was begun without hurry")
	}
	b.recycle(b.take())
	for range lateMax {
		b.latePacket([]byte("b"))
	}
	if rung(b) {
		t.Error("woken too early")
	}
	if b.latePacket([]byte("c")); !rung(b) {
		t.Error("late packets gather without end")
	}
	if in := b.take(); len(in.late) != lateMax || len(in.packets) != 1 {
		t.Errorf("took %+v", in)
	}
	b.noHurry()
	if b.saveFailed(7, ErrStorage); !rung(b) {
		t.Error("a failure waits")
	}
	b.shut(ErrClosed)
	if b.latePacket([]byte("d")) {
		t.Error("took a packet")
	}
}

// Everything that is put comes out once, in the order of its sender.
func TestInboxManySenders(t *testing.T) {
	const senders, each = 8, 2000
	b := newInbox(1<<30, 1<<30)
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				b.packet([]byte{byte(s), byte(i >> 8), byte(i)})
			}
		})
	}
	next := make([]int, senders)
	for total := 0; total < senders*each; {
		<-b.wake
		in := b.take()
		for _, p := range in.packets {
			s, i := p[0], int(p[1])<<8|int(p[2])
			if next[s] != i {
				t.Fatalf("sender %d: got %d, want %d", s, i, next[s])
			}
			next[s]++
			total++
		}
		b.recycle(in)
	}
	wg.Wait()
}
