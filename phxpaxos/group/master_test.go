package group

import (
	"testing"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/wire"
)

// A node that was told of a later election still tells right how those ended
// that it executes behind the news (simulator: seed 5730 of both worlds with 3
// nodes).
func TestElectionsThatATeacherWasAheadOf(t *testing.T) {
	c := newCluster(t, 1, withMaster)
	for range 12 {
		c.propose(0, "v")
		c.run()
	}
	g := c.nodes[0].g
	g.election.bidAt = 0
	g.master.v = wire.MasterVariables{Version: 5, Master: 1}
	news := wire.MasterVariables{Version: 40, Master: 2, LeaseMillis: 1000}
	if err := g.master.update(g, wire.AppendMasterVariables(nil, &news)); err != nil {
		t.Fatal(err)
	}
	execute := func(instance, behind uint64) error {
		t.Helper()
		op := wire.MasterOperator{Node: 3, Version: behind, Operator: operatorComplete, LastVersion: behind, HasLastVersion: behind == 12}
		outcome, err := g.master.execute(g, instance, wire.AppendMasterOperator(nil, &op), nil)
		if err != nil {
			t.Fatal(err)
		}
		return outcome
	}
	for _, v := range []struct {
		instance, behind uint64
		want             error
	}{
		{20, 5, nil}, {21, 5, ErrMasterChanged}, {22, 20, nil}, {23, 12, nil}, {24, 22, ErrMasterChanged},
	} {
		if got := execute(v.instance, v.behind); got != v.want {
			t.Errorf("the election behind %d at %d ends with %v, want %v", v.behind, v.instance, got, v.want)
		}
	}
	g.skipTo(30, nil, nil)
	if got := execute(31, 23); got != ErrMasterChanged {
		t.Errorf("behind elections that nobody here has seen: %v", got)
	}
}

// A master counts its lease from its bid, however long the election takes:
// others count from what they hear, which is later (simulator: rare).
func TestLeaseBeginsWithTheBid(t *testing.T) {
	c := newCluster(t, 3, withMaster)
	began := map[int]time.Duration{} // when a node's bid was seen first
	c.drop = func(packet) bool { return true }
	for range 150 { // shorter than a bid waits
		c.pass(10 * time.Millisecond)
		for i, n := range c.nodes {
			if n.g.election.bid != nil && began[i] == 0 {
				began[i] = c.now
			}
		}
	}
	c.drop = nil
	for end := c.now + time.Second; len(c.masters()) == 0 && c.now < end; {
		c.pass(10 * time.Millisecond)
	}
	ids := c.masters()
	if len(ids) != 1 || began[ids[0]] == 0 {
		t.Fatalf("masters %v, bids %v", ids, began)
	}
	bid, until := began[ids[0]], c.nodes[ids[0]].g.master.until
	if c.now-bid < 500*time.Millisecond {
		t.Fatalf("elected %v after its bid, which shows nothing", c.now-bid)
	}
	if until > bid+ownLease(3*time.Second) {
		t.Errorf("bid at %v, elected at %v, the lease runs until %v", bid, c.now, until)
	}
}
