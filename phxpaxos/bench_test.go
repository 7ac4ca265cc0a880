package phxpaxos

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// instant is a group that decides at once: what remains is this package.
type instant struct {
	script
	held []*group.Ticket
}

func (m *instant) Propose(t *group.Ticket) { m.held = append(m.held, t) }

func (m *instant) Flush() {
	for _, t := range m.held {
		m.env.Finish(t)
	}
	m.held = m.held[:0]
}

// BenchmarkHandOver measures the way of a proposal to its group's goroutine
// and back, without the group.
func BenchmarkHandOver(b *testing.B) {
	for _, callers := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			o := Options{MyNode: ids(1)[0], Nodes: ids(1), LogStorage: newMemory(1), Network: newHub().network(ids(1)[0])}.withDefaults()
			n, err := run(&o, func(l *loop) (machine, error) { return &instant{script: script{env: env{l}}}, nil })
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close()
			proposeMany(b, callers, func(int) (*Node, int) { return n, 0 })
		})
	}
}

// BenchmarkPropose measures three nodes in this process over memory: what the
// library costs by itself.
func BenchmarkPropose(b *testing.B) {
	for _, test := range []struct{ groups, callers int }{{1, 1}, {1, 10}, {1, 1000}, {100, 1000}} {
		b.Run(fmt.Sprintf("groups=%d/callers=%d", test.groups, test.callers), func(b *testing.B) {
			c := newCluster(b, 3, test.groups, func(i int, o *Options) { o.StateMachines = []sm.StateMachine{quiet{}} })
			proposeMany(b, test.callers, func(caller int) (*Node, int) { return c.nodes[0], caller % test.groups })
		})
	}
}

// quiet is a state machine without a state.
type quiet struct{}

func (quiet) ID() sm.ID                        { return 1 }
func (quiet) Execute(sm.Entry) ([]byte, error) { return nil, nil }

func proposeMany(b *testing.B, callers int, where func(caller int) (*Node, int)) {
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for caller := range callers {
		n, g := where(caller)
		count := b.N / callers
		if caller < b.N%callers {
			count++
		}
		wg.Go(func() {
			value := make([]byte, 100)
			for range count {
				if _, err := n.Propose(context.Background(), g, 1, value); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
