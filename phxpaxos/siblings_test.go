package phxpaxos

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// What idle groups cost does not grow with their number: neither wake-ups nor
// packets. And a group that is behind all the same is told so.
func TestIdleGroupsSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups = 300
		c := newCluster(t, 3, groups, nil)
		ctx := t.Context()
		for g := range groups {
			if _, err := c.nodes[0].Propose(ctx, g, 1, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
		count := func(kind event.Kind) (n uint64) {
			for _, node := range c.nodes {
				n += node.Count(kind)
			}
			return n
		}
		turns, packets := count(event.LoopTurn), count(event.PacketIn)
		time.Sleep(time.Minute)
		// Three nodes, a digest to two peers each 2.5 seconds: 144 packets.
		if turns, packets = count(event.LoopTurn)-turns, count(event.PacketIn)-packets; turns > groups || packets > groups {
			t.Errorf("%d turns and %d packets in an idle minute of %d groups", turns, packets, groups)
		}
		// The last one misses a value of one group.
		ids := ids(3)
		c.hub.cut(func(from, to nodeid.ID) bool { return to == ids[2] })
		if _, err := c.nodes[0].Propose(ctx, 77, 1, []byte("y")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		c.hub.cut(nil)
		time.Sleep(4 * time.Second)
		if got := c.machines[2].values(77); len(got) != 2 {
			t.Errorf("node 2 has %q", got)
		}
		c.close()
		c.nodes = nil
	})
}
