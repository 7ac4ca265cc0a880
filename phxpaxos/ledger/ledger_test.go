package ledger

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

func TestReach(t *testing.T) {
	l := Ledger{From: 5, Through: 100, Machines: []Machine{{1, 0, 100}, {2, 11, 100}, {3, 11, 60}}}
	for _, test := range []struct {
		id         sm.ID
		have, want uint64
		why        string
	}{
		{1, 0, 100, "never had an entry"},
		{1, 120, 120, "is further than the ledger"},
		{2, 11, 100, "its last entry is in its state"},
		{2, 10, 10, "its state lacks the last entry"},
		{2, 0, 0, "its state was lost"},
		{3, 11, 60, "it may have entries from 60 on"},
		{3, 80, 80, "of these it has some"},
		{4, 0, 0, "nothing is known below 5"},
		{4, 5, 100, "and from there on there is nothing"},
	} {
		if got := l.Reach(test.id, test.have); got != test.want {
			t.Errorf("machine %d with %d reaches %d, want %d: %s", test.id, test.have, got, test.want, test.why)
		}
	}
	b := l.Below(50)
	if got := b.Reach(2, 11); got != 50 {
		t.Errorf("the log ends at 50, and the machine reaches %d", got)
	}
	if b = l.Below(7); b.Reach(2, 8) != 8 {
		t.Error("the log was cut before the last entry, and a state without it is taken for whole")
	}
	if (&Ledger{}).Reach(1, 7) != 7 {
		t.Error("a ledger that says nothing says something")
	}
}

// truth is a log that the test knows all of: which machine has an entry where.
type truth []sm.ID

// complete reports whether a state with everything below have lacks no entry of
// a machine below reach.
func (l truth) complete(id sm.ID, have, reach uint64) bool {
	for i := have; i < reach; i++ {
		if l[i] == id {
			return false
		}
	}
	return true
}

// TestTrackerNeverPromisesTooMuch plays random logs, checkpoints, restarts with
// other machines registered, and ledgers of other nodes, and compares what is
// said of every machine and every state that it could have with the log.
func TestTrackerNeverPromisesTooMuch(t *testing.T) {
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 1))
		log := make(truth, 60)
		for i := range log {
			if id := sm.ID(r.IntN(12)); id <= 3 { // most are for no machine, and none is for 4
				log[i] = id
			}
		}
		p := player{t: t, seed: seed, r: r, log: log, next: map[sm.ID]uint64{}}
		p.register()
		for range 40 {
			p.step()
			if t.Failed() {
				return
			}
		}
	}
}

// player is one node of the test, with three machines of which some are
// registered.
type player struct {
	t       *testing.T
	seed    uint64
	r       *rand.Rand
	log     truth
	at      uint64
	tracker Tracker
	stored  Ledger
	next    map[sm.ID]uint64 // durable states
	have    []Have
}

func (p *player) register() {
	p.have = nil
	for id := sm.ID(1); id <= 3; id++ {
		if p.r.IntN(4) > 0 {
			p.have = append(p.have, Have{id, p.next[id]})
		}
	}
}

func (p *player) step() {
	switch p.r.IntN(6) {
	case 0: // a machine makes its state durable
		if len(p.have) > 0 {
			h := &p.have[p.r.IntN(len(p.have))]
			h.Next = max(h.Next, p.at-min(p.at, uint64(p.r.IntN(3))))
			p.next[h.ID] = h.Next
		}
	case 1:
		p.tracker.Settle(p.at, p.have)
		p.stored = p.tracker.Ledger().Clone()
		p.check(&p.stored)
	case 2:
		p.restart()
	case 3:
		p.join()
	default:
		if p.at < uint64(len(p.log)) {
			if id := p.log[p.at]; id >= 1 && id <= 3 && p.registered(id) {
				p.tracker.Note(id, p.at)
			} else if id <= 3 {
				p.log[p.at] = 0 // nobody can execute it
			}
			p.at++
		}
	}
	p.check(p.tracker.Ledger())
}

func (p *player) registered(id sm.ID) bool {
	for _, h := range p.have {
		if h.ID == id {
			return true
		}
	}
	return false
}

// restart reads the log from where the ledger on disk says; the end may be lost.
func (p *player) restart() {
	p.register()
	end := p.at - min(p.at, uint64(p.r.IntN(3)))
	low := p.stored.Below(end)
	seen := low.Through
	for _, h := range p.have {
		seen = min(seen, low.Reach(h.ID, h.Next))
	}
	p.tracker = NewTracker(p.stored, seen, p.have)
	for i := seen; i < end; i++ {
		if id := p.log[i]; id >= 1 && id <= 3 {
			p.tracker.Note(id, i)
		}
	}
	p.at = end
	for _, h := range p.have { // no machine is behind what was executed for it
		if p.at < h.Next {
			p.at = min(h.Next, uint64(len(p.log)))
			for i := end; i < p.at; i++ {
				if id := p.log[i]; id >= 1 && id <= 3 {
					p.tracker.Note(id, i)
				}
			}
			end = p.at
		}
	}
}

// join takes a checkpoint of a node that knows the log from some instance on.
func (p *player) join() {
	from := uint64(p.r.IntN(10))
	through := min(uint64(len(p.log)), p.at+uint64(p.r.IntN(10)))
	if from > through {
		return
	}
	l := Ledger{From: from, Through: through}
	for id := sm.ID(1); id <= 3; id++ {
		m := Machine{ID: id, Clear: through}
		for i := range through {
			if p.log[i] == id {
				m.Next = i + 1
			}
		}
		if m.Next >= from && m.Next > 0 {
			l.Machines = append(l.Machines, m)
		}
	}
	p.check(&l)
	next := through
	for i := range p.have { // what is behind loads what the other node has
		h := &p.have[i]
		if l.Reach(h.ID, h.Next) < next {
			h.Next = next
			p.next[h.ID] = next
		}
	}
	if next <= p.at {
		return
	}
	known := l
	if p.r.IntN(4) == 0 {
		known = Ledger{} // an original node says nothing
		for i := range p.have {
			p.have[i].Next = max(p.have[i].Next, next)
			p.next[p.have[i].ID] = p.have[i].Next
		}
	}
	p.tracker.Join(&known, p.at, next)
	p.at = next
	p.stored = p.tracker.Ledger().Clone()
}

func (p *player) check(l *Ledger) {
	if back, err := Decode(l.Append(nil)); err != nil || !reflect.DeepEqual(back, *l) && len(back.Machines)+len(l.Machines) > 0 {
		p.t.Errorf("seed %d: %+v comes back as %+v, %v", p.seed, *l, back, err)
	}
	for id := sm.ID(1); id <= 4; id++ {
		for have := range uint64(len(p.log)) {
			if reach := min(l.Reach(id, have), uint64(len(p.log))); !p.log.complete(id, have, reach) {
				p.t.Errorf("seed %d: %+v: machine %d with %d reaches %d, and lacks an entry; log %v", p.seed, *l, id, have, reach, p.log)
				return
			}
			if reach := min(p.tracker.Reach(id, have, p.at), uint64(len(p.log))); l == p.tracker.Ledger() && !p.log.complete(id, have, reach) {
				p.t.Errorf("seed %d: at %d machine %d with %d reaches %d by the tracker, and lacks an entry; log %v", p.seed, p.at, id, have, reach, p.log)
				return
			}
		}
	}
}

func TestDeclare(t *testing.T) {
	tr := NewTracker(Ledger{From: 50, Through: 50}, 50, nil)
	if tr.Newest(1) != 50 {
		t.Errorf("what is not known counts as an entry up to %d, want 50", tr.Newest(1))
	}
	tr.Declare(1, 70)
	if tr.Newest(1) != 0 || tr.Reach(1, 0, 70) != 70 {
		t.Errorf("declared, newest %d, reaches %d", tr.Newest(1), tr.Reach(1, 0, 70))
	}
	tr.Note(2, 60)
	tr.Declare(2, 70)
	if tr.Newest(2) != 61 {
		t.Error("the word of the owner counts more than the log")
	}
}

func TestNoteAllocatesNothing(t *testing.T) {
	var tr Tracker
	tr.Note(1, 1)
	if n := testing.AllocsPerRun(100, func() { tr.Note(1, 2) }); n > 0 {
		t.Errorf("%v allocations for an entry", n)
	}
}

func FuzzDecode(f *testing.F) {
	l := Ledger{From: 5, Through: 100, Machines: []Machine{{-1, 0, 100}, {2, 11, 100}, {3, 11, 60}}}
	f.Add(l.Append(nil))
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{0, 9, 2, 2, 1, 1, 2, 1, 1}) // the same machine twice
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		back, err := Decode(l.Append(nil))
		if err != nil || !reflect.DeepEqual(back, l) {
			t.Fatalf("%+v comes back as %+v, %v", l, back, err)
		}
	})
}
