// Package phxkv is a distributed key-value store over phxpaxos, the example of
// a whole service. Read the files in this order:
//
//   - machine.go: the state machine, which executes operations;
//   - store.go: what a group's state machine keeps, in a goleveldb;
//   - snapshot.go: how a node that lost its disk gets the state from another;
//   - server.go: the gRPC service: who may answer, propose, read;
//   - serve.go: a process from its first to its last moment.
//
// place.go has what they share. The rest can wait: snapfile.go is the format
// of a snapshot, durable.go makes goleveldb safe against a loss of power,
// inspect.go adds what the original does not have, a scan and the status, and
// import.go reads the database of an original node. With program.go the state
// machine runs in a process of its own, phxkv_sm (docs/statemachine-plugin.md).
// docs/tutorial.md takes the same way with a smaller service.
//
// # What it promises
//
// A key belongs to one of three groups, by the original's hash. Every key has
// a version, which each write and each delete adds 1 to. A write names the
// version that it is based on, and is refused if that is not the present one.
// So whoever has lost an answer may simply repeat the call: at most one of
// them takes effect.
//
// Put, Delete and GetGlobal are linearizable. Only the master of the group
// answers them; other nodes say who that is. GetLocal reads what the asked
// node has, which was true at some time.
//
// # What is on disk
//
// Each group has a goleveldb of its own in a directory g<group>-<n> below the
// database path; the highest n counts. It holds the values under "d" and the
// key, and under "p" the place in the log up to which it includes everything.
// Both are written in one batch, which is synced. So a crash loses some of the
// newest operations together with the knowledge that they were executed; the
// node executes them again from its log, each exactly once. In a process of its
// own the state machine keeps the same.
//
// The log is the library's. phxkv_grpcserver lays it out as the original does,
// so that the original's programs can open it; with -log_layout shared one sync
// serves all groups.
//
// Service and values on the wire are the original's. Nodes of both kinds may
// form one cluster, as long as keys are UTF-8 (original nodes skip others) and
// Options.Fenced is off. The package is an example and may change.
package phxkv
