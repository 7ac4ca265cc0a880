package sim_test

import (
	"fmt"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sim"
)

// A seed is a whole run: cluster, load and faults. The same seed gives the
// same run.
func Example() {
	plan := sim.NewPlan(42, 3, 1)
	first := sim.Run(plan, sim.Options{})
	second := sim.Run(plan, sim.Options{})
	fmt.Println("violation:", first.Violation)
	fmt.Println("the same again:", first.Digest == second.Digest)
	fmt.Println("something happened:", first.Stats.Chosen > 0 && first.Stats.Events > 1000)
	// Output:
	// violation: <nil>
	// the same again: true
	// something happened: true
}

// A script is a story with an end.
func ExampleRunScript() {
	script, err := sim.ParseScript(`
# A value that reached a majority survives the node that proposed it.
nodes 3
only Prepare|Accept A->B, PrepareReply|AcceptReply B->A
propose A v
run 50ms
expect acknowledged v
power A
converge
expect chosen 0 v`)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := sim.RunScript(script, sim.Options{}, "")
	fmt.Println(script.Claim, result.Violation, err)
	// Output: A value that reached a majority survives the node that proposed it. <nil> <nil>
}
