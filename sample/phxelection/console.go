package main

import (
	"io"
	"strings"
	"sync"
)

// console is the only writer of stdout. The report and the node's callback
// run on different goroutines; each call writes whole lines with one Write, so
// lines never mix. It is safe for concurrent use.
type console struct {
	mu      sync.Mutex
	w       io.Writer
	started bool
	held    strings.Builder // what happened before start
}

// print writes text.
func (c *console) print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	io.WriteString(c.w, text) // nobody is left to tell when stdout fails
}

// event writes what the node tells, not before the banner.
func (c *console) event(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started {
		c.held.WriteString(line)
		return
	}
	io.WriteString(c.w, line)
}

// start writes the banner and whatever was held back for it.
func (c *console) start(banner string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = true
	io.WriteString(c.w, banner+c.held.String())
}
