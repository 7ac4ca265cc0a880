// Package cmdline is the command line that phxecho and phxelection share, as
// the original's samples have it:
//
//	PROGRAM [flags] <myip:myport> <node0_ip:node_0port,node1_ip:node_1_port,…>
//
// [Program.Parse] reads it, with every reason for a refusal in one line that
// says what was wrong and what to do, and [Options.Explain] does the same for
// what keeps a node from starting.
//
// The package is for the samples and may change.
package cmdline
