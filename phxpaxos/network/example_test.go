package network_test

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
)

// Two nodes, one packet.
func ExampleNewTCP() {
	ids, release, err := freeaddr.Hold(2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release()
	a, err := network.NewTCP(network.Config{Me: ids[0]})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	b, err := network.NewTCP(network.Config{Me: ids[1]})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	if err := a.Start(func([]byte) {}); err != nil {
		fmt.Println(err)
		return
	}
	arrived := make(chan string, 1)
	if err := b.Start(func(packet []byte) { arrived <- string(packet) }); err != nil {
		fmt.Println(err)
		return
	}
	a.Send(ids[1], []byte("a packet"), network.Stream)
	fmt.Println(<-arrived)
	// Output: a packet
}
