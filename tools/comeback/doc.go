// Comeback wipes nodes of a cluster of real processes and sees them come back.
//
// Three processes run a state machine whose checkpoint is files of a given
// size, under load all the time, with logs that are cleaned. Round after round
// one node is killed with SIGKILL, its directories are removed, and it is
// started again: it has to get a checkpoint from another node and the rest
// from the log, in one process that never ends. In two of three rounds the
// sender or the receiver is killed as well in the middle of the transfer and
// started again. At the end the load is paused, and all three have to have
// the same state, with every value that was acknowledged in it.
//
// It prints how long each comeback took and how fast the transfer was, and at
// the end the largest resident memory of a process, and how fast this
// machine's disk and loopback are by themselves.
//
//	go run ./tools/comeback -rounds 50
//	go run ./tools/comeback -rounds 1 -size 2048 -kills=false
//	go run ./tools/comeback -replay 1000000
//
// The last form fills a log with so many instances of 100 bytes and tells what
// they cost: disk, memory, and the time of a start that replays them.
//
// The program is a tool of this project and may change.
package main
