// Package statemachine runs a state machine as a process of its own, with
// github.com/hashicorp/go-plugin over gRPC. Its author calls Serve in a small
// program:
//
//	func main() {
//		if err := statemachine.Serve(machine); err != nil { … }
//	}
//
// and the program with the node loads that:
//
//	machine, err := statemachine.Load("./my_machine", statemachine.Options{Logger: logger})
//	if err != nil { … }
//	defer machine.Close()
//	options.StateMachines = []sm.StateMachine{machine}
//
// What is gained: a crash, a leak or an upgrade of the state machine is not
// one of the node, and any language with gRPC can be used. What it costs is
// one call between processes for each batch of values.
//
// # When the process fails
//
// A process that ends, does not answer in time, or answers what cannot be is
// killed, and another one is started, with growing pauses. What the old one
// held in memory is lost; what it had made durable is not. The new one says
// where that ends, and the group gives it everything behind from its log
// (sm.Rewinder), before anything new. Callers of Propose wait meanwhile, and
// each gets its result once. The one result that can be lost is that of a
// value which the process had made durable before it could answer: its caller
// gets phxpaxos.ErrExecuteFailed, which says that the value was chosen. The
// events ExecuteFailed, RewindBegin and RewindEnd, and the logger, tell why a
// group waits.
//
// A state machine without a checkpoint is given its whole log again. If the
// log does not begin early enough any more, the group stops.
//
// The state is read with Query, which waits while it is old.
//
// # What is checked
//
// The process is not trusted: numbers of results, checkpoints, the paths of
// snapshots, sizes of messages and lines of its log are checked or bounded,
// and what is wrong ends it. It dies with its host: its input ends, and on
// Linux it is killed. The socket between the two lies in a directory that only
// their user can enter.
//
// docs/statemachine-plugin.md has the protocol, for authors who do not write
// Go. Package ledger is an example with everything.
//
// The package is promised to users.
package statemachine
