// Package certs decides who may speak to a node, by certificates. A Guard holds
// this node's certificate, the authorities that it trusts and the names that it
// lets in:
//
//	guard, err := certs.New(certs.Config{
//		CertFile: "node1.crt", KeyFile: "node1.key", CAFile: "ca.crt",
//		Allow:    []string{"*.paxos.example"},
//	})
//	options.Network, err = tlsnet.New(network.Config{Me: me}, guard)
//
// Both ends of a connection prove who they are, by TLS 1.3. A certificate is
// let in if it was issued by one of the authorities for the use at hand, is
// valid now, and carries a name on the list. Names are those of the subject
// alternative name (DNS, IP address, URI, e-mail); the common name counts only
// in a certificate that has none of these. Host names are not compared with the
// address that was dialled: a node is known by its id, and may live anywhere.
//
// # Ids
//
// Config.Nodes ties the id of a node to a name. Such a node is believed to be
// itself only under its name, when it is dialled as well as in every packet
// that it sends; and who has such a name speaks for its own ids only. Without
// it, whoever is on the list may speak for every node.
//
// # Change without restart
//
// The files are looked at once in Config.CheckInterval while there is traffic,
// and read again when one has changed. What cannot be used is reported and the
// old keeps working, so the files need not be changed at one moment. Who is
// connected is checked again after every change, and when its certificate
// expires: a name or an authority that was taken off the list loses its
// connections before the next packet is looked at.
//
// # Refusals
//
// Each refusal is one event of the kind NetRefused. The log gets at most one
// line in a minute for each host that is refused.
//
// The package is promised to users.
package certs
