package network_test

import (
	"testing"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/nodeid"
)

func TestConformance(t *testing.T) {
	for name, udp := range map[string]int{"TCP": 0, "UDP": 4096, "UDPAll": network.UDPPayloadMax} {
		t.Run(name, func(t *testing.T) {
			networktest.Run(t, func(t testing.TB, me nodeid.ID) network.Network {
				n, err := network.NewTCP(network.Config{Me: me, UDPMaxSize: udp})
				if err != nil {
					t.Fatal(err)
				}
				return n
			})
		})
	}
}
