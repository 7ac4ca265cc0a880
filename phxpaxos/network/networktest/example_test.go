package networktest_test

import (
	"fmt"
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

// Put this, with a network of your own, into a test of its package.
func ExampleRun() {
	_ = func(t *testing.T) {
		networktest.Run(t, func(t testing.TB, me nodeid.ID) network.Network {
			n, err := network.NewTCP(network.Config{Me: me})
			if err != nil {
				t.Fatal(err)
			}
			return n
		})
	}
	// Output:
}

func ExampleFreeIDs() {
	ids, err := networktest.FreeIDs(3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(ids), ids[0] != ids[1], ids[0].AddrPort().Addr())
	// Output: 3 true 127.0.0.1
}
