package phxpaxos_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
)

// sentence is a state machine that strings words together.
type sentence struct{ words []string }

func (s *sentence) ID() sm.ID { return 1 }

func (s *sentence) Execute(e sm.Entry) ([]byte, error) {
	s.words = append(s.words, string(e.Value))
	return []byte(strings.Join(s.words, " ")), nil
}

// Three nodes, which would be three machines, in one process. Each word is
// proposed by another node, and the node that proposes has executed all
// words before.
func ExampleRun() {
	all, release, err := freeaddr.Hold(3) // your own addresses instead
	if err != nil {
		log.Fatal(err)
	}
	defer release()
	var nodes []*phxpaxos.Node
	for _, me := range all {
		dir, err := os.MkdirTemp("", "phxpaxos")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(dir)
		node, err := phxpaxos.Run(phxpaxos.Options{
			MyNode:         me,
			Nodes:          all,
			LogStoragePath: dir,
			StateMachines:  []sm.StateMachine{&sentence{}},
		})
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		nodes = append(nodes, node)
	}
	for i, word := range []string{"paxos", "made", "live"} {
		result, err := nodes[i].Propose(context.Background(), 0, 1, []byte(word))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", result.Output)
	}
	// Output:
	// paxos
	// paxos made
	// paxos made live
}

// A node reads what was acknowledged before, wherever that was: it waits until
// it has executed it, and then reads its own state machine.
func ExampleNode_ReadIndex() {
	all, release, err := freeaddr.Hold(1) // your own addresses instead
	if err != nil {
		log.Fatal(err)
	}
	defer release()
	dir, err := os.MkdirTemp("", "phxpaxos")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	node, err := phxpaxos.Run(phxpaxos.Options{
		MyNode:         all[0],
		Nodes:          all,
		LogStoragePath: dir,
		StateMachines:  []sm.StateMachine{&sentence{}},
		UseMaster:      true,
		Fence:          true, // for LeaseRead
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	ctx := context.Background()
	if _, err := node.WaitMaster(ctx, 0); err != nil {
		log.Fatal(err)
	}
	result, err := node.Propose(ctx, 0, 1, []byte("paxos"))
	if err != nil {
		log.Fatal(err)
	}
	executed, err := node.ReadIndex(ctx, 0)
	fmt.Println("read what was proposed:", executed > result.Instance, err)
	_, err = node.LeaseRead(0)
	fmt.Println("read at the master:", err)
	// Output:
	// read what was proposed: true <nil>
	// read at the master: <nil>
}

// Code is for those who know the original's return codes.
func ExampleCode() {
	err := fmt.Errorf("while saving the cart: %w", phxpaxos.ErrTimeout)
	fmt.Println(phxpaxos.Code(err), phxpaxos.Code(nil))
	// Output: 404 0
}
