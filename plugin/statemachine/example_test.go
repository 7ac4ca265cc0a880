package statemachine_test

import (
	"context"
	"fmt"
	"os"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/plugin/statemachine"
)

// A host loads a program that serves a ledger; here that is the test itself.
// A group, not the application, calls Execute.
func Example() {
	program, err := os.Executable()
	if err != nil {
		fmt.Println(err)
		return
	}
	machine, err := statemachine.Load(program, statemachine.Options{Env: []string{childMode + "=ledger"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machine.Close()
	_, durable := machine.(sm.Checkpointer)
	fmt.Println("state machine", machine.ID(), "durable:", durable)

	result, err := machine.Execute(sm.Entry{Last: true, Value: []byte("hello")})
	fmt.Printf("%.10s… %v\n", result, err)
	state, err := machine.Query(context.Background(), 0, nil)
	fmt.Printf("%.20s… %v\n", state, err)
	// Output:
	// state machine 4711 durable: true
	// 1 e8a67408… <nil>
	// {"Next":1,"Count":1,… <nil>
}
