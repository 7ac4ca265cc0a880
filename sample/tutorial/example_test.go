package tutorial_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/network/freeaddr"
	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/sample/tutorial"
)

// The service as it was on one machine.
func ExampleBank() {
	bank := tutorial.NewBank()
	fmt.Println(bank.Deposit("ann", 10))
	fmt.Println(bank.Transfer("ann", "bob", 30))
	fmt.Println(bank.Transfer("ann", "bob", 3))
	fmt.Println(bank.Balances["ann"], bank.Balances["bob"])
	// Output:
	// <nil>
	// ann has only 10
	// <nil>
	// 7 3
}

// Three parts of the service, here in one process.
func Example() {
	dir, err := os.MkdirTemp("", "bank")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	nodes, release, err := freeaddr.Hold(3) // your own addresses instead
	if err != nil {
		log.Fatal(err)
	}
	defer release()
	var parts []*tutorial.Service
	for i, me := range nodes {
		part, err := tutorial.Open(me, nodes, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			log.Fatal(err)
		}
		defer part.Close()
		parts = append(parts, part)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	fmt.Println(parts[0].Do(ctx, tutorial.Operation{ID: "1", To: "ann", Amount: 10}))
	fmt.Println(parts[1].Do(ctx, tutorial.Operation{ID: "2", From: "ann", To: "bob", Amount: 3}))
	// Somebody did not hear the answer and tries again, elsewhere.
	fmt.Println(parts[2].Do(ctx, tutorial.Operation{ID: "2", From: "ann", To: "bob", Amount: 3}))
	err = parts[2].Do(ctx, tutorial.Operation{ID: "3", From: "bob", To: "ann", Amount: 100})
	fmt.Println(errors.Is(err, tutorial.ErrRefused), err)
	balance, err := parts[1].Balance(ctx, "ann")
	fmt.Println(balance, err)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// true refused: bob has only 3
	// 7 <nil>
}

// A state machine needs no cluster to be tried.
func ExampleMachine() {
	dir, err := os.MkdirTemp("", "bank")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	machine, err := tutorial.OpenMachine(dir)
	if err != nil {
		log.Fatal(err)
	}
	for instance := range uint64(250) {
		value, _ := json.Marshal(tutorial.Operation{ID: fmt.Sprint(instance), To: "ann", Amount: 1})
		result, err := machine.Execute(sm.Entry{Instance: instance, Last: true, Value: value})
		if err != nil || string(result) != "ok" {
			log.Fatal(string(result), err)
		}
	}
	fmt.Println(machine.Balance("ann"), machine.CheckpointInstance(0))
	// The process is killed. The node would execute 200 to 249 again.
	machine, err = tutorial.OpenMachine(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(machine.Balance("ann"), machine.CheckpointInstance(0))
	// Output:
	// 250 199
	// 200 199
}
