package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// bar shows a person at a terminal how far something is, and a log behind a
// pipe now and then. It is used by one goroutine.
type bar struct {
	w        io.Writer
	of       int64 // 0 if nobody knows
	terminal bool
	last     time.Time
	drawn    bool
}

const (
	barEvery  = 100 * time.Millisecond // often enough to look smooth
	lineEvery = 10 * time.Second
)

func newBar(w io.Writer, of int64) *bar {
	b := &bar{w: w, of: of, last: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// at shows how far it is, unless it has just done so.
func (b *bar) at(done int64, count int) {
	every := lineEvery
	if b.terminal {
		every = barEvery
	}
	if time.Since(b.last) < every {
		return
	}
	b.last = time.Now()
	text := fmt.Sprintf("%d done", count)
	if b.of > 0 {
		text = fmt.Sprintf("%d %%, %s", 100*done/b.of, text)
	}
	if !b.terminal {
		fmt.Fprintln(b.w, text)
		return
	}
	if b.of > 0 {
		const width = 30
		full := int(width * min(done, b.of) / b.of)
		text = "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] " + text
	}
	fmt.Fprintf(b.w, "\r\x1b[K%s", text)
	b.drawn = true
}

// clear makes room for other output.
func (b *bar) clear() {
	if b.drawn {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.drawn = false
	}
}
