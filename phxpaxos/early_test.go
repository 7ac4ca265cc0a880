package phxpaxos

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// Large values that wait go to the peers before their turn, and small ones do
// not, whatever the number of groups.
func TestLargeValuesGoAhead(t *testing.T) {
	for _, c := range []struct {
		groups, bytes int
		ahead         bool
	}{{1, 100 << 10, true}, {3, 100 << 10, true}, {1, 100, false}} {
		t.Run(fmt.Sprintf("%d groups, %d bytes", c.groups, c.bytes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { largeValues(t, c.groups, c.bytes, c.ahead) })
		})
	}
}

func largeValues(t *testing.T, groups, size int, ahead bool) {
	const callers, rounds = 9, 6
	var named atomic.Int64
	c := newCluster(t, 3, groups, func(i int, o *Options) {
		o.Batch.BytesMax = 300 << 10
		if i == 1 {
			o.Observer = event.Func(func(e event.Event) {
				if e.Kind == event.MessageIn && paxos.Kind(e.Number) == paxos.AcceptEarly {
					named.Add(1)
				}
			})
		}
	})
	time.Sleep(2 * time.Second) // of the bubble's clock: the nodes get to know each other
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				value := append(fmt.Appendf(nil, "%d/%d ", caller, round), bytes.Repeat([]byte{byte(caller)}, size)...)
				if _, err := c.nodes[0].Propose(t.Context(), groups-1, 1, value); err != nil {
					t.Errorf("caller %d: %v", caller, err)
				}
			}
		})
	}
	wg.Wait()
	c.agree(groups-1, callers*rounds)
	if got := named.Load(); (got > 0) != ahead {
		t.Errorf("%d accepts named a value that went ahead, want some: %v", got, ahead)
	}
	c.close()
	c.nodes = nil
}
