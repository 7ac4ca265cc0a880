// Package memnet is a network in memory, for tests of programs that embed
// nodes: several nodes in one process, no sockets, and faults on demand.
//
//	hub, err := memnet.New(memnet.Options{Seed: 1, Faults: memnet.Faults{Loss: 0.05, DelayMax: 20 * time.Millisecond}})
//	options.Network = hub.Network(options.MyNode)
//	…
//	hub.Partition([]nodeid.ID{a}, []nodeid.ID{b, c})  // a alone
//	hub.Heal()
//
// # What can be repeated
//
// Whether the n-th packet from one node to another is lost, repeated or delayed,
// and for how long, is drawn from the seed and these two nodes alone. So the
// fate of a packet does not depend on what happens elsewhere. What nodes send,
// and when, is up to their goroutines: with equal seeds, runs are alike but not
// equal. (Package sim runs whole clusters that are equal to the last event; it
// has no real nodes.)
//
// In a bubble of testing/synctest the delays pass in no time, and a test of
// hours takes seconds. Make the hub and the nodes within the bubble, with their
// logs in memory (packages storage/vfile and storage/memfs), and sleep two
// seconds when they are closed: the index of a log ends a little later.
//
// # What it is like
//
// A packet that is under way when a node goes down reaches the node's next life
// if that begins before the packet arrives, as on real networks. Packets to a
// node that is down are lost at once. What waits for one node is bounded; what
// goes beyond is lost.
//
// The package is promised to users.
package memnet
