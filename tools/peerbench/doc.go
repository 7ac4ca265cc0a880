// Peerbench plays the same loads on this library and on others that replicate
// a log, on this machine and in turns, and prints how they compare.
//
//	cd tools/peerbench && go run . -dir /path/on/a/real/disk
//
// Each system runs as three processes on loopback with its log on disk, every
// acknowledged operation synced. The first process leads all groups, and the
// load comes from within it, as from a service that embeds the library. In
// every round each system plays every load once; a figure is the median of
// all rounds, a ratio the median of the ratios of each round. So a change of
// the machine's mood hits all systems alike.
//
// Three processes share the processors of one machine, so each system runs
// twice: as Go sets it up, for all processors, and with one for each process
// (-procs). What each does best counts.
//
// How each system is configured is said at the top of its file; what each
// offers for speed is used:
//
//	phxpaxos.go    this library, as it comes
//	dragonboat.go  with its own log (tan), one for each group or two for all,
//	               and with its default (Pebble)
//	hashicorp.go   hashicorp/raft with raft-wal
//	etcdraft.go    etcd's raft with etcd's WAL and a transport of ours
//	bare.go        no system: what all have to do at least, for one caller
//
// The module is one of its own, so that none of this reaches those who use
// the library. The program is a tool of this project and may change.
package main
