// Package feature decides which features of this library the members of a
// cluster use with each other, while their programs differ in version.
//
// # The level
//
// A Level is a number that stands for a set of features; a higher level has
// all features of the lower ones. Level 0 is what original nodes and the first
// releases of this library understand. The level in force is agreed through
// the log of the node's first group, as a marked value of state machine 0,
// which original nodes and older releases execute as nothing.
//
//   - The level rises when every other member has announced that it supports a
//     higher one. Members announce it in their heartbeats. For example, in a
//     rolling upgrade of three nodes it rises seconds after the third restart.
//     An announcement counts for 200 s, or until its member sends a heartbeat
//     without one, or a packet of the original's form: it runs another version
//     since.
//   - Silence never lowers the level: a member that is down does not switch a
//     feature off for the others.
//   - An operator lowers it, and sets the limit above which it never rises, by
//     a command. This is the first step before a node goes back to an older
//     version.
//
// # The cluster's identity
//
// The first change of the level also sets the identity of the cluster, 128
// random bits (nodeid.Cluster). It never changes afterwards: a change that
// states another identity has no effect.
//
// # A node that missed a change
//
// A change says which change it follows, by the instance that set that one. A
// node that ran an older version while a change was executed, or jumped over
// it with a checkpoint, does not know the state in force. The other members
// state theirs in each heartbeat; such a node adopts the state that a majority
// states (Claims).
//
// Everything here is a value: no I/O, no clock, no goroutine. The package may
// change between versions; the encodings may not.
package feature
