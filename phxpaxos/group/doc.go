// Package group is one replicated log's life on one node, around the consensus
// of package paxos: proposals that wait and become batches, execution, membership,
// learning and teaching, start-up. It has no goroutine and no clock either;
// the outside world is Env. The real node and the simulator drive the same
// code. It may change between versions; package phxpaxos is what users import.
//
// # How to drive it
//
// Open replays the log and gives a Group. Everything that it can be told is
// Propose, Cancel, Receive, Saved, SaveFailed and Tick; what it wants is handed
// out by Flush; Deadline says when to tick at the latest. Feed all inputs that
// wait, then flush once: what was proposed meanwhile becomes one batch, and
// messages and saves go out together.
//
// # What happens to a value
//
// A proposal waits in the queue until no own value is under way and this node
// knows of no instance that it lacks. All that wait then become one value, up
// to the limits. When the instance is decided, its value is executed, entry by
// entry, right in the input that decided it; only then does the group move
// on. If it was another value, the proposals go on in the next instance, in
// their order. A value is never proposed at two instances unless the first
// was closed with another value, so nothing is executed twice.
package group
