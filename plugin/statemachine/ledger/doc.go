// Package ledger is a state machine whose state shows every value that was
// left out, repeated or put in another order: for each group a count and a
// chain of checksums over all entries.
//
// It is durable, can be sent to other nodes and can be queried, in few lines;
// so it serves the tests of state machines in processes of their own, and as
// an example of how to write one. The package may change.
package ledger
