// Package addrbook says where nodes are reached, for networks that take an
// address book (network.Config.Addresses): the default one, tlsnet and grpcnet.
//
// The id of a node stays what it is. Without a book it is an address as well;
// with one it may be any number, and the address may be a host name or IPv6, is
// looked up whenever a connection is made, and may change while the node runs:
//
//	book, err := addrbook.New(map[nodeid.ID]string{
//		1: "node1.paxos.example:8001",
//		2: "[2001:db8::2]:8001",
//	})
//	options.MyNode = 1
//	options.Network, err = network.NewTCP(network.Config{
//		Me: 1, Addresses: book, ListenAddr: netip.MustParseAddrPort("[::]:8001"),
//	})
//	…
//	err = book.Set(2, "node2.elsewhere.example:8001")
//
// When an entry changes, a connection to the old address is given up before
// the next packet. When a host name leads elsewhere, that is noticed when the
// connection breaks. Original nodes know no address books: they reach a node
// at the address in its id and nowhere else.
//
// There are three kinds: a Book that the program fills, a File that somebody
// else writes, and Func for everything else. OwnAddress puts the addresses in
// the ids behind any of them.
//
// The package is promised to users.
package addrbook
