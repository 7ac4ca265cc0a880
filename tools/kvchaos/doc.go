// Kvchaos tries to make the key-value store give a wrong answer.
//
// It starts real servers, each in a process of its own, whose paxos
// connections go through a proxy, and clients that write, delete and read over
// gRPC. Meanwhile it kills servers with SIGKILL, ends and pauses them, cuts
// links between them in one direction or both, at once or so that packets
// arrive late, and lets servers lose their disks.
//
// Time is cut into epochs with keys of their own. At the end of each one,
// faults pause until all servers show the same keys, values and versions, and
// the history of each key is judged:
//
//   - porcupine finds an order in which one copy of the store would have given
//     the same answers, each between call and answer;
//   - no acknowledged write is lost and none happened twice: every version up
//     to the last one is explained by exactly one write.
//
// The parts: options.go is the command line; run.go plays the epochs;
// servers.go are the processes, proxy.go and links.go the network between
// them, faults.go what is done to both; clients.go makes the history, and
// model.go and judge.go judge it. The program is a tool of this project and
// may change.
package main
