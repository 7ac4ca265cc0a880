package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/phxpaxos/phxpaxos-go/phxpaxos/sm"
	"github.com/phxpaxos/phxpaxos-go/sample/phxecho/echo"
)

// console is the only writer of stdout. The prompt and the state machine run
// on different goroutines; each call writes whole lines with one Write, so
// lines never mix. It is safe for concurrent use.
type console struct {
	mu      sync.Mutex
	w       io.Writer
	started bool
	held    bytes.Buffer // what was executed after the replay and before start
}

func newConsole(w io.Writer) *console { return &console{w: w} }

// print writes text.
func (c *console) print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	io.WriteString(c.w, text) // nobody is left to tell when stdout fails
}

// executed writes the line of an executed value. Replayed values come before
// the start banner. Values that peers taught this node while it was still
// starting are held back until behind it, so that a reader of the output can
// tell the two apart.
func (c *console) executed(e sm.Entry) {
	line := fmt.Sprintf("[SM Execute] ok, smid %d instanceid %d value %s\n", echo.ID, e.Instance, untilNUL(e.Value))
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started && !e.Replay {
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
	c.held = bytes.Buffer{}
}

// untilNUL cuts a value where the original's printf ended.
func untilNUL(value []byte) []byte {
	before, _, _ := bytes.Cut(value, []byte{0})
	return before
}
