// Phxpaxos_bench measures the library as a service sees it that embeds it.
//
// It starts a cluster on this machine, each node in a process of its own with
// its log on a real disk, proposes from inside a node, and prints one table
// row for each load: throughput and latency, and what they cost in processor
// time, disk syncs, bytes on disk and on the wire, allocations and memory.
// Without flags it shows one group and 100-byte values with 1, 10, 100 and
// 1000 callers:
//
//	go run ./tools/bench/phxpaxos_bench
//
// With -rate the load is open: operations are due at fixed times, whether or
// not earlier ones have ended, and latency counts from the due time. With
// -matrix it runs a table of groups, value sizes and callers and writes
// Markdown and a plot. With -join it runs one node of a cluster whose other
// nodes are on other machines.
//
// What is counted, and where: syncs and log bytes at the file system that the
// log storage is given (one data sync is one fdatasync); pages that are written
// for a process from /proc/<pid>/io; packets and wire bytes at each write to a
// socket; processor time from getrusage; allocations from runtime/metrics;
// memory from /proc/<pid>/status. Figures are per operation over all
// processes unless their name says otherwise.
//
// The parts: options.go is the command line; run.go plays the loads;
// cluster.go and child.go are the processes as the parent sees them; node.go,
// load.go, schedule.go, latency.go, countfs.go and usage.go run inside the
// children, which are this same program again; frames.go is what both say to
// each other; figures.go, table.go and plot.go turn counters into something
// to look at. The program is a tool of this project and may change.
package main
