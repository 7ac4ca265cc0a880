//go:build !linux

package main

import "time"

func preciseSleep(d time.Duration) { time.Sleep(d) }

func inMemory(string) bool { return false }
