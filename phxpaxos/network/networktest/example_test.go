package networktest_test

import (
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
