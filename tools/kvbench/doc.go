// Kvbench puts the key-value sample beside etcd: the same calls over gRPC from
// the same process, to three servers each on this machine, with every
// acknowledged write on disk.
//
//	cd tools/kvbench && go run .
//
// For each kind of call and number of callers both are measured in turns,
// several times, and what is printed is the median of both and of the ratio
// between the two measurements of one turn, with its smallest and largest.
//
// The calls, ours and etcd's:
//
//   - put: a write based on the key's version, at the master, against Put at
//     the leader;
//   - linearizable get: GetGlobal against Get;
//   - local get: GetLocal against Get with WithSerializable.
//
// Callers share no keys. Both have the same number of connections. Ours has
// three groups, as the original has; etcd has one log.
//
// servers.go and etcd.go start the servers, which for etcd are this program
// again; load.go makes the calls; report.go does the sums. The folder is a
// module of its own to keep etcd out of the dependencies of the library. The
// program is a tool of this project and may change.
package main
