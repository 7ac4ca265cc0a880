package freeaddr_test

import (
	"fmt"
	"net"
	"slices"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
)

// A node goes down. Its port looks free then, but it is not handed out.
func ExampleHold() {
	ids, release, err := freeaddr.Hold(3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release() // when no node comes back any more

	node, err := net.Listen("tcp4", ids[0].String())
	if err != nil {
		fmt.Println(err)
		return
	}
	node.Close()

	others, releaseOthers, err := freeaddr.Hold(3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer releaseOthers()
	fmt.Println(ids[0].AddrPort().Addr(), slices.Contains(others, ids[0]))
	// Output: 127.0.0.1 false
}
