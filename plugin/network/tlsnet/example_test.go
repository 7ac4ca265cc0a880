package tlsnet_test

import (
	"fmt"
	"os"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/certs/certtest"
	"github.com/phxpaxos/phxpaxos-go/plugin/network/tlsnet"
)

// Two nodes that prove who they are, one packet.
func Example() {
	dir, err := os.MkdirTemp("", "tlsnet")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	authority, err := certtest.New(dir) // yours is somewhere safe
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, release, err := freeaddr.Hold(2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release()
	arrived := make(chan string, 1)
	var nodes []network.Network
	for i, id := range ids {
		pair, err := authority.Issue(certtest.Leaf{Names: []string{fmt.Sprintf("node%d.paxos.example", i)}})
		if err != nil {
			fmt.Println(err)
			return
		}
		guard, err := certs.New(certs.Config{
			CertFile: pair.CertFile, KeyFile: pair.KeyFile, CAFile: authority.CAFile,
			Allow: []string{"*.paxos.example"},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		node, err := tlsnet.New(network.Config{Me: id}, guard)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Close()
		if err := node.Start(func(packet []byte) { arrived <- string(packet) }); err != nil {
			fmt.Println(err)
			return
		}
		nodes = append(nodes, node)
	}
	nodes[0].Send(ids[1], []byte("a packet"), network.Stream)
	fmt.Println(<-arrived)
	// Output: a packet
}
