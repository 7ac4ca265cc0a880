package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// do runs f in the host's namespace: sockets that f opens and processes that it
// starts belong to it. f must not use other goroutines for that.
func (h *host) do(f func() error) error {
	if h.name == "" {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- h.enter(f)
	}()
	return <-done
}

func (h *host) enter(f func() error) error {
	ns, err := os.Open("/run/netns/" + h.name)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", h.name, err)
	}
	return f()
}
