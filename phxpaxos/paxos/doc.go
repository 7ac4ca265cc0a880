// Package paxos is the consensus of one group: a value that messages,
// proposals, finished saves and time go into, and that hands out what is to be
// done. It has no goroutine, no clock, no randomness and no I/O of its own,
// so the real node, the tests and the simulator run the very same code. It
// may change between versions; package phxpaxos is what users import.
//
// # How to drive it
//
// New gives a Core. Feed it with Step (a message came in), Propose, Saved (the
// disk is done up to here) and Tick (time has passed); after some inputs call
// Flush, which hands saves and messages to Env. When Chosen is not nil,
// execute the value and call Advance. Deadline says when to call Tick again.
//
// Saves may take as long as they like, and the driver has no order to
// respect but theirs: a message that must not leave before a record is
// durable is not handed out before Saved says so.
//
// # Messages
//
//	proposer  -- Prepare -------> acceptors   promise me this ballot
//	proposer <-- PrepareReply --- acceptors   promised, and this I accepted before
//	proposer  -- Accept --------> acceptors   accept this value
//	proposer <-- AcceptReply ---- acceptors   accepted
//	proposer  -- Success -------> learners    what you accepted is chosen
//	learner   -- AskForLearn ---> all         I am at this instance
//	learner  <-- Offer ---------- teacher     I am further
//	learner   -- Confirm -------> teacher     teach me
//	learner  <-- LearnValue ----- teacher     this was chosen
//	learner   -- LearnAck ------> teacher     I got this far
//
// Consecutive instances of one proposer skip the first two. The core plays
// proposer, acceptor and the learning half; teaching needs the log and is
// done by package group.
//
// # Invariants
//
// Asserted in check.go after every input, also in production; a group that
// breaks one stops.
//
//   - P1: accepted <= promised.
//   - P2: the promise handed to the disk never goes down.
//   - P3: no promise and no vote leaves before its record is durable.
//   - P4: a ballot is durable at its owner before a peer hears of it, and
//     every prepare takes a fresh one.
//   - P5: instances move by one, or by a checkpoint.
//   - P6: only chosen values are executed.
//   - P7: the membership changes only between two instances, and a change
//     makes the next proposal prepare again.
//
// # Deviations from the original
//
// A learned value never lowers the promise; a proposer that lost an instance
// prepares again; an accept for the next instance is not taken as proof that
// the current one is decided (a sampled checksum cannot prove that two values
// are equal), the node asks instead; every prepare takes a new ballot, since
// with asynchronous saves the own acceptor no longer answers first. Nothing
// of this can be seen on the wire.
package paxos
