// Package sim runs whole clusters in one goroutine: the production groups and
// the production log storage on a clock, a network and disks that are made up
// from one seed. The same seed gives the same run, byte for byte, so every
// failure can be played again with a trace. It may change between versions.
//
// # How it is built
//
// World is a heap of coming events (a packet arrives, a write is done, a timer
// is due, a fault begins, a client acts) and a virtual clock that jumps from
// one to the next. A node is its groups, the Env that each of them sees
// (env.go), a disk that writes for all of them one batch at a time (disk.go)
// and a clock of its own that drifts. Between two events nothing happens, so a
// crash between two events is a crash at any point.
//
//	plan.go      seed -> how bad the network is, what the load is, which faults come when
//	plan_world.go who is there, and whether members change and a master is elected
//	world.go     the heap of events and the phases: chaos, calm, then everything has to work
//	node.go      start, crash, restart, pause; env.go, disk.go, net.go, clock.go its surroundings
//	medium.go    what a disk keeps when the power fails
//	client.go    proposals, batches, timeouts, retries; kv.go the state machine that executes them
//	read.go      reads beside the log; change.go, master.go what operators ask for
//	check_*.go   what must hold; each is fed with facts and knows nothing of the world
//	script.go    scenarios written by hand: the same world without any chance
//	shrink.go    from a failing seed to a shorter run that still fails
//
// # What is checked
//
// Agreement, in every record that can be read and in every entry executed; no
// value executed that had no durable quorum of the members in force; acknowledged
// values stay where they were acknowledged; refused values never show up;
// nothing runs twice; all nodes execute the same entries in the same order;
// promises on a disk never go down; no reply leaves before its record is
// durable, and no ballot before its owner's promise; what was durable before a
// crash is there after it, damaged records are found; clients see a
// linearizable store, also by reads that are no part of the log; no two nodes
// hold the lease at one moment; a deposed master's values have no effect; and
// once the faults stop, everything works again within a bounded time.
//
// docs/simulator.md says how to use it and what it finds.
package sim
