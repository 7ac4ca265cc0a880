//go:build race

package phxpaxos

// raceDetector says that the race detector is built in, which adds memory to
// every goroutine and allocation.
const raceDetector = true
