package sm_test

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// Counter adds up numbers. Its state is in memory only, so it is given every
// instance again when its node starts.
type Counter struct {
	mu  sync.Mutex // readers are other goroutines than the one that executes
	sum map[int]uint64
}

// ID is one number for the whole life of the cluster.
func (*Counter) ID() sm.ID { return 1 }

// Execute depends on nothing but the state and the entry: equal on all nodes.
// A value that makes no sense is refused by the result. An error would stop
// the group on every node, since all would fail at the same entry for ever.
func (c *Counter) Execute(e sm.Entry) ([]byte, error) {
	if len(e.Value) != 8 {
		return []byte("refused: a value has 8 bytes"), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum == nil {
		c.sum = map[int]uint64{}
	}
	c.sum[e.Group] += binary.LittleEndian.Uint64(e.Value)
	return fmt.Appendf(nil, "sum is %d", c.sum[e.Group]), nil
}

func Example() {
	var machine sm.StateMachine = new(Counter)
	three := binary.LittleEndian.AppendUint64(nil, 3)
	for i, value := range [][]byte{three, three, []byte("x")} {
		result, err := machine.Execute(sm.Entry{Instance: uint64(i), Last: true, Value: value})
		fmt.Println(string(result), err)
	}
	// Output:
	// sum is 3 <nil>
	// sum is 6 <nil>
	// refused: a value has 8 bytes <nil>
}

// Checked is a Counter whose state is compared between nodes.
type Checked struct{ Counter }

// DigestScheme changes with what StateDigest returns.
func (*Checked) DigestScheme() string { return "sum/1" }

// StateDigest returns a hash of the state. This state is small enough to be its
// own.
func (c *Checked) StateDigest(group int) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum[group], nil
}

func ExampleDigester() {
	var machine sm.Digester = new(Checked)
	machine.Execute(sm.Entry{Value: binary.LittleEndian.AppendUint64(nil, 3)})
	digest, err := machine.StateDigest(0)
	fmt.Println(machine.DigestScheme(), digest, err)
	// Output: sum/1 3 <nil>
}
