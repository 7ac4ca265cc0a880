//go:build !race

package phxpaxos

const raceDetector = false
