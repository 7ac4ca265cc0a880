package group

import (
	"testing"

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
	g.skipTo(30, nil)
	if got := execute(31, 23); got != ErrMasterChanged {
		t.Errorf("behind elections that nobody here has seen: %v", got)
	}
}
