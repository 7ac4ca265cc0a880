package group_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/event"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/group"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/paxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// world is the smallest Env: a log in memory, and no other node.
type world struct {
	log  map[uint64][]byte
	last uint64 // the newest save
}

func (w *world) Buffer(size int) []byte                   { return make([]byte, 0, size) }
func (w *world) Save(s group.Save)                        { w.log[s.Instance], w.last = s.Data, s.Seq }
func (w *world) Send(to nodeid.ID, p []byte, stream bool) {}
func (w *world) Finish(t *group.Ticket) {
	fmt.Printf("instance %d: %s, %v\n", t.Instance, t.Result, t.Err)
}
func (w *world) Read(i uint64) ([]byte, bool, error)              { d, ok := w.log[i]; return d, ok, nil }
func (w *world) Max() (uint64, bool, error)                       { return 0, false, nil }
func (w *world) Variable(group.Variable) ([]byte, bool, error)    { return nil, false, nil }
func (w *world) SetVariable(v group.Variable, value []byte) error { return nil }
func (w *world) Do(group.Job)                                     {}
func (w *world) Observe(e event.Event)                            {}

type echo struct{}

func (echo) ID() sm.ID                          { return 1 }
func (echo) Execute(e sm.Entry) ([]byte, error) { return append([]byte("echo "), e.Value...), nil }

// A driver feeds inputs, flushes, and reports what the disk has done.
func Example() {
	me, _ := nodeid.Parse("127.0.0.1:11111")
	w := &world{log: map[uint64][]byte{}}
	g, err := group.Open(group.Config{
		Groups: 1, Me: me, Members: paxos.NewMembership([]nodeid.ID{me}),
		StateMachines: []sm.StateMachine{echo{}}, Rand: rand.New(rand.NewPCG(1, 2)),
		BatchCountMax: 10, BatchBytesMax: 1 << 20, ValueBytesMax: 1 << 20,
	}, w, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	g.Propose(&group.Ticket{SM: 1, Value: []byte("hello")})
	for g.Instance() == 0 {
		g.Flush()
		g.Saved(w.last)
	}
	g.Flush()
	// Output: instance 0: echo hello, <nil>
}
