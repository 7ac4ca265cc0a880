// Package protocol is what tools/upgrade and its node processes exchange, and
// what these leave on disk. It is compiled from this tree and within a tree of
// an earlier commit, so it imports the standard library alone.
package protocol
