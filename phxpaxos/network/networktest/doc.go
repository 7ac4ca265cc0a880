// Package networktest checks that a network keeps the contract of package
// network. It is promised to users: whoever brings a Network of their own runs
// the suite in a test of theirs.
//
//	func TestNetwork(t *testing.T) {
//		networktest.Run(t, func(t testing.TB, me nodeid.ID) network.Network {
//			return mynetwork.New(me)
//		})
//	}
//
// A network may lose, repeat and reorder packets, and may deliver what was sent
// to a former life of a node, so the suite sends again what did not arrive and
// asks for no order. It may not damage packets or make them up, block a sender,
// hold on to a packet that it has handed over, take memory for what a stranger
// only claims to send, or call receive after Close.
package networktest
