// Package network moves packets between nodes.
//
// It knows nothing of Paxos: a packet is a string of bytes for a node. It may
// be lost, repeated, delayed or reordered, but what arrives is one whole
// packet. TCP implements the original's framing, so original nodes can be
// peers. The contract Network is promised to users; they may bring their own,
// and check it with package networktest.
//
// A packet proves nothing by itself: in clear text, whoever reaches the port can
// send one in the name of any node. TCP compares the address that a packet comes
// from with its sender's id (Config.SourceCheck), and nodes that share a secret
// authenticate their packets (Config.Secret; package auth has the format).
//
// TCP has two seams. Addresses is an address book, for nodes that do not live
// at the address in their id. A Transport puts other connections in the place
// of plain TCP; everything else stays as it is. What is built on them is below
// plugin/network: TLS, gRPC streams, address books.
package network
