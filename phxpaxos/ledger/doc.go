// Package ledger knows which state machines of a group had entries in which
// part of the log, so that a machine without recent entries does not hold the
// log (docs/trimming.md). It may change between versions.
//
// A Ledger is a statement about the chosen values of a group. Chosen values
// are the same on all nodes, so a ledger that is true on one node is true on
// each: it may be stored, restored from a backup and sent to other nodes. A
// Tracker follows the log and says what is true now.
//
// All values are pure: no I/O, no locks. A Tracker belongs to one goroutine.
package ledger
