package memnet_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/memfs"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/storage/vfile"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/memnet"
)

// last remembers the newest value.
type last struct{ value string }

func (*last) ID() sm.ID { return 1 }

func (l *last) Execute(e sm.Entry) ([]byte, error) {
	l.value = string(e.Value)
	return nil, nil
}

// run starts a node whose log is in memory. It returns the node and how to
// close it.
func run(hub *memnet.Hub, me nodeid.ID, all []nodeid.ID) (*phxpaxos.Node, *last, func(), error) {
	store, err := vfile.Open("log", 1, vfile.Options{FS: memfs.New()})
	if err != nil {
		return nil, nil, nil, err
	}
	machine := new(last)
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode: me, Nodes: all, LogStorage: store, Network: hub.Network(me),
		StateMachines: []sm.StateMachine{machine}, FirstStart: true, // no disk is ever lost
	})
	if err != nil {
		store.Close()
		return nil, nil, nil, err
	}
	return node, machine, func() { node.Close(); store.Close() }, nil
}

// Three nodes in one process; one is cut off and catches up.
func Example() {
	hub, err := memnet.New(memnet.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	all := []nodeid.ID{1, 2, 3} // any numbers will do here
	var nodes []*phxpaxos.Node
	for _, id := range all {
		node, _, stop, err := run(hub, id, all)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer stop()
		nodes = append(nodes, node)
	}
	hub.Partition([]nodeid.ID{3}) // alone, the others together
	ctx := context.Background()
	if _, err := nodes[0].Propose(ctx, 0, 1, []byte("without node 3")); err != nil {
		fmt.Println(err)
	}
	hub.Heal()
	result, err := nodes[2].Propose(ctx, 0, 1, []byte("node 3 is back"))
	fmt.Println(result.Instance, err)
	// Output: 1 <nil>
}

// Half an hour of bad weather in a bubble: every value goes through, and takes
// no real time.
func TestClusterInABubble(t *testing.T) {
	begin := time.Now()
	synctest.Test(t, func(t *testing.T) {
		// The index of a log has a goroutine that ends a second after it, and
		// all have to end within the bubble.
		defer time.Sleep(2 * time.Second)
		hub := newHub(t, memnet.Options{Seed: 7, Faults: memnet.Faults{Loss: 0.1, Repeat: 0.05, DelayMin: time.Millisecond, DelayMax: 50 * time.Millisecond}})
		all := []nodeid.ID{1, 2, 3}
		var nodes []*phxpaxos.Node
		var machines []*last
		for _, id := range all {
			node, machine, stop, err := run(hub, id, all)
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			nodes, machines = append(nodes, node), append(machines, machine)
		}
		began := time.Now()
		for i := 0; time.Since(began) < 30*time.Minute; i++ {
			alone := i % 3
			hub.Partition([]nodeid.ID{all[alone]})
			value := fmt.Sprintf("value %d", i)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if _, err := nodes[(i+1)%3].Propose(ctx, 0, 1, []byte(value)); err != nil {
				t.Fatalf("%s: %v", value, err)
			}
			cancel()
			hub.Heal()
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, m := range machines {
			if m.value == "" || m.value != machines[0].value {
				t.Errorf("node %d has %q, node 1 %q", i+1, m.value, machines[0].value)
			}
		}
		if c := hub.Counts(); c.Lost == 0 || c.Cut == 0 {
			t.Errorf("the weather was too good: %+v", c)
		}
	})
	t.Logf("took %v", time.Since(begin))
}
