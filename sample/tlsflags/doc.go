// Package tlsflags gives a program the flags with which its nodes prove who they
// are, and what follows from them:
//
//	-tls-cert FILE   certificate of this node, PEM
//	-tls-key FILE    its key, PEM
//	-tls-ca FILE     authorities that are trusted, PEM
//	-tls-allow LIST  names that are let in: "*.paxos.example,backup.example"
//	-tls-nodes LIST  ids that are tied to names: "127.0.0.1:11111=node1.example"
//
// Without any of them a program uses the default network, which original nodes
// speak. With them it needs the first three and one of the others.
//
//	tls := tlsflags.Register(flags)
//	err := flags.Parse(args)
//	…
//	options.Network, err = tls.Network(network.Config{Me: options.MyNode, Logger: log})
//
// The package is for the samples and may change.
package tlsflags
