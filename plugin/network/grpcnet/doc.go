// Package grpcnet is a network over gRPC streams, for places where nothing but
// HTTP/2 gets through. It is package network's TCP with other connections: the
// same queues, limits, framing and options. Where plain TCP passes, tlsnet or
// the default network take less of the processor.
//
//	options.Network, err = grpcnet.New(network.Config{Me: options.MyNode}, guard)
//
// With a certs.Guard, connections are encrypted and both ends prove who they
// are, by the same rules as in tlsnet. Without one, whoever reaches the port can
// speak, as on the default network.
//
// Each node serves phxpaxos.network.Packets (packetpb/packet.proto) at its
// address, and calls the method Carry of each peer that it has packets for.
// Original nodes do not know it. There is no UDP, not even an open port.
//
// Besides what network.Config limits, at most Config.AcceptMax HTTP/2
// connections are held; when one more comes, the oldest without a call is
// closed. One that stays without a call is closed after a minute.
//
// The package is promised to users.
package grpcnet
