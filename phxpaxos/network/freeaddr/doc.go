// Package freeaddr finds addresses for a cluster that lives on one machine, as
// tests and demonstrations have, and holds them: while a node is down, nobody
// else takes its port.
//
// Without that, the port of a node that was killed looks free. Another program
// that looks for free ports at the same time gives it to a node of its own, the
// rest of the old cluster goes on talking to that port, and the new node learns
// the history of a cluster that it is no part of.
//
// # How ports are held
//
// Ports of nodes are even. The odd port above each is its guard: a listener
// there, which nobody ever connects to, says that the port is taken, whether
// its node runs or not. Two callers cannot listen at one guard, in one process
// or in two, so the system keeps the books. It also closes the guards of a
// process that was killed, and nothing is left to clear up. A process that is
// started does not get the guards of the one that starts it.
//
// Only callers of Hold look at guards. A program that listens at a fixed port,
// or at one that it found in another way, can still be in the way of a node.
//
// The package is for tests, samples and tools, and may change.
package freeaddr
