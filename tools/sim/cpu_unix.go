//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime is what all threads of this process have used, so that the speed
// does not depend on what else the machine is doing.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
