// Package tlsnet is the default network over TLS 1.3, with certificates on both
// sides. It is package network's TCP with other connections: the same queues,
// limits, framing and options. Who is let in is decided by a certs.Guard, before
// a single byte reaches the node:
//
//	guard, err := certs.New(certs.Config{ … })
//	options.Network, err = tlsnet.New(network.Config{Me: options.MyNode}, guard)
//
// A stranger gets as far as the handshake. It costs one of
// Config.AcceptMax connections for at most the Guard's HandshakeTimeout, and
// no packet of it is ever seen. There is no UDP, not even an open port.
//
// All nodes of a cluster must use it: original nodes, and those on the default
// network, are strangers.
//
// # On the wire
//
// Each connection carries packets one way, from the node that dialled it. After
// the handshake (ALPN phxpaxos/1) the accepting node writes a single byte, which
// says that the other one is let in, and then nothing more. So a node that is
// refused hears of it when it dials, with the reason, and keeps its packets for
// the next attempt. The other way go the frames of the default network.
// Nothing is written at the end of a connection; frames have lengths, so one
// that was cut off is noticed.
//
// The package is promised to users.
package tlsnet
