// Package transfer reads and writes the files of a checkpoint on its way from
// one node to another (spec/protocol.md section 17): Sender makes packets of
// the snapshots of a group's state machines, Receiver puts blocks back into
// files. Neither decides anything: package group says when what is sent,
// whose messages count and what is acknowledged. It may change between
// versions; package phxpaxos is what users import.
//
// Everything goes through storage.FS, so the simulator runs the same code on
// disks that fail. A Sender and a Receiver belong to one goroutine each. Both
// block on the disk.
//
// # What is checked
//
// A sender is a member of the cluster, and may still be broken. So the names
// of files are confined to the temporary directory of their state machine
// (see Name), files are only ever made anew, a block has to be where its file
// ends, and files, and bytes in sum, are limited. The directories are emptied
// before a transfer begins and after it has ended; when the files are handed
// out they are durable, so that a state machine need only rename them.
package transfer
