package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// preciseSleep asks the kernel, which is some 60 µs late. A signal may end it
// early; callers look at the clock again.
func preciseSleep(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
}

// inMemory reports whether a directory is on no disk.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && (fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC)
}
