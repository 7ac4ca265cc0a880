// Chaos tries to make a cluster of real processes lose or confuse a value.
//
// It starts a few nodes, each in a process of its own, with clients that
// propose unique values as fast as they can. Round after round it kills some
// nodes with SIGKILL, or stops them for a while, and starts them again. In
// between it reads the logs of all nodes back and checks that
//
//   - every acknowledged value is at exactly the instance and index that its
//     client was told, on every node;
//   - no value was chosen twice, and none that a client was told is not chosen;
//   - no two nodes differ at any instance, and what was read once never
//     changes;
//   - every node executed the same values in the same order as they are in
//     the log.
//
// With -garbage it throws random bytes, truncated packets and packets with
// flipped bits at all nodes as well, and checks that they notice and go on.
//
// The parts: options.go is the command line; run.go plays the rounds;
// cluster.go and child.go are the processes as the parent sees them; node.go,
// client.go and machine.go run inside the children, which are this same
// program again; frames.go is what parent and children say to each other;
// journal.go and verify.go are the judge. The program is a tool of this
// project and may change.
package main
