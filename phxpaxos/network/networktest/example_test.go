package networktest_test

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/networktest"
)

func ExampleFreeIDs() {
	ids, err := networktest.FreeIDs(3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(ids), ids[0] != ids[1], ids[0].AddrPort().Addr())
	// Output: 3 true 127.0.0.1
}
