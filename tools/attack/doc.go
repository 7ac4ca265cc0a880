// Attack plays an attacker against clusters of real processes, and checks what
// docs/senders.md and docs/networks.md promise.
//
// Three nodes run in a network namespace each, the attacker has a fourth one,
// and a bridge in a fifth joins them. The program makes all of them and removes
// them again. It needs Linux, root, and ip of the package iproute2; without
// them it fails. Each cluster is attacked by
//
//   - forged packets of every kind, in the name of a member, of the receiver
//     and of the attacker, with and without the cluster's identity;
//   - an attacker that makes a node ask it, and answers with values of its own;
//   - the bytes of a real connection, recorded on the bridge and sent again,
//     also after the receiver was restarted;
//   - a node of another cluster at the address of a member: with an empty log,
//     with one that is further, and with one that is less far.
//
// Clusters differ in how they keep attackers out (SourceCheck, ClusterSecret,
// TLS with names) and in Options.UseMembership. After each attack no node has
// executed a forged value, the master and its lease are as before, all nodes
// are ready, each of them gets a value decided, and the refusals are counted.
//
// The test of this package attacks a cluster in clear text on loopback, and
// needs no root: there some of these attacks work, and exactly those that the
// documents list.
//
// The parts: hosts.go makes namespaces; capture.go records; child.go and
// node.go are the processes of nodes, which are this same program again;
// cluster.go is a cluster of them; forge.go makes the packets; lure.go has
// the attacker that is asked; bait.go is the
// attacker's own address; attacks.go has the attacks; main.go runs all of them.
// The program is a tool of this project and may change.
package main
