package phxpaxos

import (
	"sync"
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
)

// counted is a machine that counts what is proposed.
type counted struct {
	script
	proposed int
}

func (c *counted) Propose(*group.Ticket) { c.proposed++ }

// Callers whose proposals have just ended get the time to propose again before
// the next round begins; so it is not for half of them only.
func TestLoopLetsCallersComeBack(t *testing.T) {
	const callers, rounds = 8, 200
	m := &counted{}
	l := &loop{machine: m, observer: newObserver(nil, nil), now: func() time.Duration { return 0 }}
	l.init(1, 1)
	var wg sync.WaitGroup
	for range rounds {
		var asleep sync.WaitGroup
		for range callers {
			first, second := &proposal{done: make(chan struct{}, 1)}, &proposal{done: make(chan struct{}, 1)}
			second.fill([]Entry{{1, nil}}, 0)
			l.complete = append(l.complete, first)
			asleep.Add(1)
			wg.Go(func() {
				asleep.Done()
				<-first.done
				if err := l.inbox.propose(second); err != nil {
					t.Error(err)
				}
			})
		}
		asleep.Wait()
		l.comeBack()
		if len(l.complete) != 0 {
			t.Fatal("not all callers were woken")
		}
	}
	inTime := m.proposed
	wg.Wait()
	l.takeIn()
	if m.proposed != callers*rounds {
		t.Errorf("%d proposals arrived, want %d", m.proposed, callers*rounds)
	}
	// How many come back in time is up to the scheduler; without the pause
	// next to none do.
	if inTime < callers*rounds/2 {
		t.Errorf("%d of %d proposals came in time", inTime, callers*rounds)
	}
}
