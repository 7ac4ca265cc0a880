package paxos_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
)

// disk takes what a core hands out, and remembers how far it has to write.
type disk struct{ seq uint64 }

func (d *disk) Save(s paxos.Save)     { d.seq = s.Seq }
func (d *disk) Send(m *paxos.Message) {}
func (d *disk) Observe(e event.Event) {}

// A group of one node decides as soon as its own disk has the vote.
func Example() {
	me, _ := nodeid.Parse("127.0.0.1:11111")
	d := &disk{}
	core := paxos.New(paxos.Config{
		Me:      me,
		Members: paxos.NewMembership([]nodeid.ID{me}),
		Timing:  paxos.TimingFor(false, false),
		Rand:    rand.New(rand.NewPCG(1, 2)),
	}, d, paxos.State{}, 0)

	core.Propose([]byte("hello"))
	for core.Chosen() == nil {
		core.Flush()      // hands the promise, then the vote, to the disk
		core.Saved(d.seq) // it is durable
	}
	fmt.Printf("%s at instance %d\n", core.Chosen().Value, core.Instance())
	core.Advance()
	fmt.Println("now at", core.Instance())
	// Output:
	// hello at instance 0
	// now at 1
}
