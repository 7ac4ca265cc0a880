// Upgrade replaces the nodes of a cluster by those of another version, one
// after the other and back, while clients write, and checks that nothing is
// lost and that the features of the newer version come on and go off when they
// should.
//
//	go run ./tools/upgrade          two clusters, one in each log layout
//	go run ./tools/upgrade -long    all procedures, with groups, memberships, trimmed logs
//	go run ./tools/upgrade -procedure abrupt -layout shared -groups 4
//
// It builds package node twice: from this tree, and from the tree of an earlier
// commit, which it takes from the repository's own history. Each cluster is
// three processes on loopback.
//
// During the whole run it checks that no node reports a level above the one
// that the step allows. At the end, after all clients have ended, it closes all
// nodes and checks that
//
//   - the state machines of all nodes hold the same values in the same order,
//     none of them twice and none damaged;
//   - each acknowledged value is at the instance and index that its client was
//     told;
//   - no life of a node has counted an event that tells of damage, of another
//     history or of another cluster.
//
// For each step it prints the longest time in which a group acknowledged
// nothing, and how long the level took to rise.
//
// The files: build.go makes the programs; procedure.go says what happens, as
// data; run.go does it; process.go and cluster.go are the node processes as the
// parent sees them; record.go and judge.go are the checks. The program is a
// tool of this project and may change.
package main
